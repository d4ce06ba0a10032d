// Running mean and variance of a BatchNorm, moved towards those of a batch: running += momentum ·
// (own − running); the variance's own is unbiased, variance · unbias. count[0] counts. One invocation a
// column.
struct Params { cols: u32, momentum: f32, unbias: f32 }
@group(0) @binding(0) var<storage, read> mean: array<f32>;
@group(0) @binding(1) var<storage, read> variance: array<f32>;
@group(0) @binding(2) var<storage, read_write> running_mean: array<f32>;
@group(0) @binding(3) var<storage, read_write> running_variance: array<f32>;
@group(0) @binding(4) var<storage, read_write> count: array<f32>;
@group(0) @binding(5) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let c = id.x;
  if (c == 0u) {
    count[0] += 1.0;
  }
  if (c >= params.cols) {
    return;
  }
  let keep = 1.0 - params.momentum;
  running_mean[c] = keep * running_mean[c] + params.momentum * mean[c];
  running_variance[c] =
    keep * running_variance[c] + params.momentum * (variance[c] * params.unbias);
}
