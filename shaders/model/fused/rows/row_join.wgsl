// Parts, each (rows_k, blocks) in vec4, put together: rows first_k … of out hold part k from row
// from_k on, with [1, 0, 0, 0] behind each row (the input that makes a bias a weight column); rows
// of no part are zeros. Rows first … first + rows of out are written. One invocation a vec4 of out.
struct Params {
  first: u32, rows: u32, blocks: u32,
//! for k in COUNT
  first_$k: u32, rows_$k: u32, from_$k: u32,
//! end
}
//! for k in COUNT
@group(0) @binding($k) var<storage, read> x_$k: array<vec4f>;
//! end
@group(0) @binding(7) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(8) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = linear_group(group, groups) * 64u + lane;
  let width = params.blocks + 1u;
  if (i >= params.rows * width) {
    return;
  }
  let row = params.first + i / width;
  let block = i % width;
  let is_one = block == params.blocks;
  var value = vec4f();
//! for k in COUNT
  if (row >= params.first_$k && row - params.first_$k < params.rows_$k) {
    if (is_one) {
      value = vec4f(1.0, 0.0, 0.0, 0.0);
    } else {
      value = x_$k[(params.from_$k + row - params.first_$k) * params.blocks + block];
    }
  }
//! end
  out[params.first * width + i] = value;
}
