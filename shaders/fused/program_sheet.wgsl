// The weights of all row programs of a model, in the order in which kernels read them: sheet[i] = the value numbered
// source[i], among the parameters, or behind them among the merged layers; 0xffffffff: zero. One invocation an element.
struct Params { size: u32, parameters: u32 }
@group(0) @binding(0) var<storage, read> parameters: array<f32>;
@group(0) @binding(1) var<storage, read> merged: array<f32>;
@group(0) @binding(2) var<storage, read> source: array<u32>;
@group(0) @binding(3) var<storage, read_write> sheet: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = linear_group(group, groups) * 256u + lane;
  if (i >= params.size) {
    return;
  }
  let number = source[i];
  if (number == 0xffffffffu) {
    sheet[i] = 0.0;
  } else if (number < params.parameters) {
    sheet[i] = parameters[number];
  } else {
    sheet[i] = merged[number - params.parameters];
  }
}
