// out[list[r]] = 0 for listed rows of BLOCKS vec4; out is bound from row first_out on and has
// out_rows rows. One invocation a row and block.
struct Params { rows: u32, first_out: u32, out_rows: u32 }
@group(0) @binding(0) var<storage, read> list: array<u32>;
@group(0) @binding(1) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = linear_group(group, groups) * 64u + lane;
  if (i >= params.rows * BLOCKS) {
    return;
  }
  let point = list[i / BLOCKS];
  if (point >= params.first_out && point - params.first_out < params.out_rows) {
    out[(point - params.first_out) * BLOCKS + i % BLOCKS] = vec4f();
  }
}
