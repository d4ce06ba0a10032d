// Which points of a level receive gradient: flags[point] = 1.
//   FROM_MAX: for each entry of arg (regions, channels), the point a maximum came from (0xffffffff:
//   none).
//   otherwise: for each sampled point whose leaf lies in this level (leaf_here).
// Several invocations may mark one point; the stores are atomic and equal. One invocation an entry.
struct Params { entries: u32 }
@group(0) @binding(0) var<storage, read> entry: array<u32>;
@group(0) @binding(1) var<storage, read> leaf_here: array<u32>;
@group(0) @binding(2) var<storage, read_write> flags: array<atomic<u32>>;
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = linear_group(group, groups) * 64u + lane;
  if (i >= params.entries) {
    return;
  }
  let point = entry[i];
  if (FROM_MAX) {
    if (point != 0xffffffffu) {
      atomicStore(&flags[point], 1u);
    }
  } else if (leaf_here[point] != 0u) {
    atomicStore(&flags[point], 1u);
  }
}
