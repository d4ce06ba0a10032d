// LayerNorm over channels: out = (x − mean) · rstd · weight + bias, rstd = 1 / sqrt(var + eps),
// biased variance.
//   x, out (rows, cols); weight, bias (cols); stats (rows, 2): mean, rstd for the backward pass.
// One invocation a row; two passes over the row, so the variance does not cancel.
struct Params { rows: u32, cols: u32, eps: f32 }
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> weight: array<f32>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;
@group(0) @binding(4) var<storage, read_write> stats: array<vec2f>;
@group(0) @binding(5) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = linear_group(group, groups) * 64u + lane;
  if (i >= params.rows) {
    return;
  }
  let cols = params.cols;
  let base = i * cols;
  var mean = 0.0;
  for (var c = 0u; c < cols; c++) {
    mean += x[base + c];
  }
  mean /= f32(cols);
  var variance = 0.0;
  for (var c = 0u; c < cols; c++) {
    let d = x[base + c] - mean;
    variance += d * d;
  }
  let rstd = inverseSqrt(variance / f32(cols) + params.eps);
  stats[i] = vec2f(mean, rstd);
  for (var c = 0u; c < cols; c++) {
    out[base + c] = (x[base + c] - mean) * rstd * weight[c] + bias[c];
  }
}
