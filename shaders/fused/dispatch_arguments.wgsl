// Indirect dispatch arguments for a chunk of a list whose length the device knows: (workgroups, y, 1), with per_row
// invocations a row and per_group a workgroup. One invocation.
struct Params { first: u32, rows: u32, per_row: u32, per_group: u32, y: u32 }
@group(0) @binding(0) var<storage, read> total: array<u32>;
@group(0) @binding(1) var<storage, read_write> arguments: array<u32>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(1)
fn main() {
  let rows = rows_here(total[0], params.first, params.rows);
  arguments[0] = (rows * params.per_row + params.per_group - 1u) / params.per_group;
  arguments[1] = params.y;
  arguments[2] = 1u;
}
