// Gradient of LayerNorm to its input: with x̂ = (x − mean) rstd and h = gradient · weight,
//   dx = rstd (h − mean(h) − x̂ mean(h x̂)). One invocation a row.
struct Params { rows: u32, cols: u32 }
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> weight: array<f32>;
@group(0) @binding(2) var<storage, read> stats: array<vec2f>;
@group(0) @binding(3) var<storage, read> gradient: array<f32>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;
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
  let mean = stats[i].x;
  let rstd = stats[i].y;
  var h_sum = 0.0;
  var hx_sum = 0.0;
  for (var c = 0u; c < cols; c++) {
    let h = gradient[base + c] * weight[c];
    h_sum += h;
    hx_sum += h * (x[base + c] - mean) * rstd;
  }
  h_sum /= f32(cols);
  hx_sum /= f32(cols);
  for (var c = 0u; c < cols; c++) {
    let h = gradient[base + c] * weight[c];
    out[base + c] = rstd * (h - h_sum - (x[base + c] - mean) * rstd * hx_sum);
  }
}
