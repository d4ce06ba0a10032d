// Whether x holds a NaN or an infinity: flags[slot] becomes the complement of the first such
// element's number, and stays 0 where there is none. x is bound from element first_row on. By the
// bits, because compilers fold x != x to false. One invocation an element.
struct Params { rows: u32, first_row: u32, slot: u32 }
@group(0) @binding(0) var<storage, read> x: array<u32>;
@group(0) @binding(1) var<storage, read_write> flags: array<atomic<u32>>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = linear_group(group, groups) * 256u + lane;
  if (i < params.rows && (x[i] & 0x7f800000u) == 0x7f800000u) {
    atomicMax(&flags[params.slot], ~(params.first_row + i));
  }
}
