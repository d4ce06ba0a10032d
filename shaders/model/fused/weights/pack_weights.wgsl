// The weights of all row programs of a model, in the order in which kernels read them: sheet[i] =
// the value numbered source[i], among the parameters, or behind them among the merged layers;
// 0xffffffff: zero. One invocation four elements, which are parameters or zeros all, or merged or
// zeros.
struct Params { quads: u32, parameters: u32 }
@group(0) @binding(0) var<storage, read> parameters: array<f32>;
@group(0) @binding(1) var<storage, read> merged: array<f32>;
@group(0) @binding(2) var<storage, read> source: array<vec4u>;
@group(0) @binding(3) var<storage, read_write> sheet: array<vec4f>;
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = linear_group(group, groups) * 64u + lane;
  if (i >= params.quads) {
    return;
  }
  let number = source[i];
  let nothing = number == vec4u(0xffffffffu);
  var value: vec4f;
  if (any((number >= vec4u(params.parameters)) & !nothing)) {
    let at = select(number - params.parameters, vec4u(), nothing);
    value = vec4f(merged[at.x], merged[at.y], merged[at.z], merged[at.w]);
  } else {
    let at = select(number, vec4u(), nothing);
    value = vec4f(parameters[at.x], parameters[at.y], parameters[at.z], parameters[at.w]);
  }
  sheet[i] = select(value, vec4f(), nothing);
}
