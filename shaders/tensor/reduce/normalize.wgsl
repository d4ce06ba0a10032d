// out = x / max(‖x‖, floor) for each row; norms (rows) keeps ‖x‖. One invocation a row.
struct Params { rows: u32, cols: u32, floor_norm: f32 }
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@group(0) @binding(2) var<storage, read_write> norms: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

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
  let base = i * params.cols;
  var square = 0.0;
  for (var c = 0u; c < params.cols; c++) {
    square += x[base + c] * x[base + c];
  }
  let norm = sqrt(square);
  norms[i] = norm;
  let factor = 1.0 / max(norm, params.floor_norm);
  for (var c = 0u; c < params.cols; c++) {
    out[base + c] = x[base + c] * factor;
  }
}
