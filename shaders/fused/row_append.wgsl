// Rows of x, `blocks` vec4 each, with [1, 0, 0, 0] behind each (the input that makes a bias a weight column), from row
// first_out of out on; rows past the last, up to a whole workgroup, are zeros. One invocation a vec4 of out.
struct Params { rows: u32, blocks: u32, first_out: u32 }
@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = linear_group(group, groups) * 64u + lane;
  let width = params.blocks + 1u;
  let row = i / width;
  let block = i % width;
  if (row >= (params.rows + 63u) / 64u * 64u) {
    return;
  }
  var value = vec4f();
  if (row < params.rows) {
    if (block < params.blocks) {
      value = x[row * params.blocks + block];
    } else {
      value = vec4f(1.0, 0.0, 0.0, 0.0);
    }
  }
  out[params.first_out * width + i] = value;
}
