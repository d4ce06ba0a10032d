// Gradient of y = x / max(‖x‖, floor): (g − y (y·g)) / ‖x‖, or g / floor where the floor held. One
// invocation a row.
struct Params { rows: u32, cols: u32, floor_norm: f32 }
@group(0) @binding(0) var<storage, read> y: array<f32>;
@group(0) @binding(1) var<storage, read> norms: array<f32>;
@group(0) @binding(2) var<storage, read> gradient: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

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
  let norm = norms[i];
  var along = 0.0;
  if (norm >= params.floor_norm) {
    for (var c = 0u; c < params.cols; c++) {
      along += y[base + c] * gradient[base + c];
    }
  }
  let factor = 1.0 / max(norm, params.floor_norm);
  for (var c = 0u; c < params.cols; c++) {
    out[base + c] = (gradient[base + c] - along * y[base + c]) * factor;
  }
}
