// Gradients of the weights of all programs, from each one's partial sums (slices_p, stride_p),
// which begin at first_p, to the values they belong to. Entry n takes four sums in a row of program
// source.x, at source.y of each slice; to[n] says where they go: among the parameters, whose
// gradients are added to, or behind them among the merged layers, whose are written; 0xffffffff:
// nowhere. No two entries of a dispatch go to the same place. Everything is counted in vec4 but
// `to`. One invocation an entry; slices are added in order.
struct Params {
  first: u32, count: u32, parameters: u32,
//! for p in PROGRAMS
  first_$p: u32, slices_$p: u32, stride_$p: u32,
//! end
}
@group(0) @binding(0) var<storage, read> sums: array<vec4f>;
@group(0) @binding(1) var<storage, read> to: array<vec4u>;
@group(0) @binding(2) var<storage, read> source: array<vec2u>;
@group(0) @binding(3) var<storage, read_write> gradients: array<f32>;
@group(0) @binding(4) var<storage, read_write> merged_gradient: array<f32>;
@group(0) @binding(5) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let n = linear_group(group, groups) * 64u + lane;
  if (n >= params.count) {
    return;
  }
  let origin = source[params.first + n];
  let target_values = to[params.first + n];
  var begin = vec3u(params.first_0, params.slices_0, params.stride_0);
//! for p in PROGRAMS
  begin = select(begin, vec3u(params.first_$p, params.slices_$p, params.stride_$p), origin.x == $pu);
//! end
  var at = begin.x + origin.y;
  var sum = vec4f();
  for (var s = 0u; s < begin.y; s++) {
    sum += sums[at];
    at += begin.z;
  }
  for (var k = 0u; k < 4u; k++) {
    let place = target_values[k];
    if (place < params.parameters) {
      gradients[place] += sum[k];
    } else if (place != 0xffffffffu) {
      merged_gradient[place - params.parameters] = sum[k];
    }
  }
}
