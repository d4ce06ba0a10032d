// out[r, c] = gradient[r, c] · (x[r, c] − mean[c]) / sqrt(variance[c] + eps): summed over the rows, the
// gradient of BatchNorm's weight. One invocation an element.
struct Params { rows: u32, cols: u32, eps: f32 }
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> gradient: array<f32>;
@group(0) @binding(2) var<storage, read> mean: array<f32>;
@group(0) @binding(3) var<storage, read> variance: array<f32>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;
@group(0) @binding(5) var<uniform> params: Params;

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = linear_group(group, groups) * 256u + lane;
  if (i >= params.rows * params.cols) {
    return;
  }
  let c = i % params.cols;
  out[i] = gradient[i] * (x[i] - mean[c]) * inverseSqrt(variance[c] + params.eps);
}
