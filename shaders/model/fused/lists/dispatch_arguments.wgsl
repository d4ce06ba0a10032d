// Indirect dispatch arguments for a chunk of a list whose length the device knows: for each of four
// numbers of rows a workgroup and each second dimension y from 1 to `most`, the words (workgroups,
// y, 1). One invocation a triple.
struct Params { first: u32, rows: u32, most: u32, per_group_0: u32, per_group_1: u32, per_group_2: u32, per_group_3: u32 }
@group(0) @binding(0) var<storage, read> total: array<u32>;
@group(0) @binding(1) var<storage, read_write> arguments: array<u32>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= 4u * params.most) {
    return;
  }
  let which = id.x / params.most;
  var per_group = params.per_group_0;
  if (which == 1u) {
    per_group = params.per_group_1;
  } else if (which == 2u) {
    per_group = params.per_group_2;
  } else if (which == 3u) {
    per_group = params.per_group_3;
  }
  let rows = rows_here(total[0], params.first, params.rows);
  arguments[3u * id.x] = (rows + per_group - 1u) / per_group;
  arguments[3u * id.x + 1u] = id.x % params.most + 1u;
  arguments[3u * id.x + 2u] = 1u;
}
