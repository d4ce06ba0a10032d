// out (cols, rows) = xᵀ, x (rows, cols), block by block: x is bound from row first_row on and has
// block_rows rows, out from row first_col on and has block_cols rows. One invocation an element of
// the block.
struct Params { rows: u32, cols: u32, block_rows: u32, block_cols: u32, first_row: u32, first_col: u32 }
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = linear_group(group, groups) * 256u + lane;
  if (i < params.block_rows * params.block_cols) {
    let r = i % params.block_rows;
    let c = i / params.block_rows;
    out[c * params.rows + params.first_row + r] = x[r * params.cols + params.first_col + c];
  }
}
