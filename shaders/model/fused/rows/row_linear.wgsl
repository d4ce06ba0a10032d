// A linear layer on a chunk of listed rows: out = x · Wᵀ, W packed in 4 × 4 blocks (block (j, k):
// outputs 4j … and inputs 4k …, a column an input).
//   x: IN_BLOCKS vec4 a row at x_first + row · x_stride; out: out_blocks vec4 a row.
//   GATHER: out starts from init[region_of_point[list[row]]] (a region's constant part) instead of
//   0.
//   SCATTER: rows are stored at their own place list[row] − out_first instead of one after the
//   other.
// An invocation computes ROWS neighbouring rows × COLS blocks of columns. Weights are the same for
// all of a workgroup; from a uniform buffer they are a broadcast (measured fastest on the software
// device in loops: 8 × 4 at 29 GFLOP/s, 4 × 4 at 22, rows 64 apart at 10).
struct Params { chunk_first: u32, chunk_rows: u32, x_first: u32, x_stride: u32, out_blocks: u32, out_first: u32 }
@group(0) @binding(0) var<storage, read> total: array<u32>;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
//! if UNIFORM
@group(0) @binding(2) var<uniform> w: array<mat4x4f, WEIGHT_BLOCKS>;
//! end
//! if !UNIFORM
@group(0) @binding(2) var<storage, read> w: array<mat4x4f>;
//! end
@group(0) @binding(3) var<storage, read_write> out: array<vec4f>;
//! if LISTED
@group(0) @binding(4) var<storage, read> list: array<u32>;
//! end
//! if GATHER
@group(0) @binding(5) var<storage, read> init: array<vec4f>;
@group(0) @binding(6) var<storage, read> region_of_point: array<u32>;
//! end
@group(0) @binding(7) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let rows = rows_here(total[0], params.chunk_first, params.chunk_rows);
  let row = (group.x * 64u + lane) * ROWS;
  let first_block = group.y * COLS;
//! for r in ROWS
  // Past the end the last row is computed again and not stored: a branch before the loop costs
  // speed on the software device.
  let row_$r = min(row + $ru, max(rows, 1u) - 1u);
  let at_$r = params.x_first + row_$r * params.x_stride;
//! if GATHER
  let init_$r = region_of_point[list[params.chunk_first + row_$r]] * params.out_blocks;
//! end
//! for j in COLS
//! if GATHER
  var sum_$r_$j = init[init_$r + min(first_block + $ju, params.out_blocks - 1u)];
//! end
//! if !GATHER
  var sum_$r_$j = vec4f();
//! end
//! end
//! end
//! for j in COLS
  let w_$j = min(first_block + $ju, params.out_blocks - 1u) * IN_BLOCKS;
//! end
  for (var k = 0u; k < IN_BLOCKS; k++) {
//! for r in ROWS
    let x_$r = x[at_$r + k];
//! end
//! for j in COLS
    let block_$j = w[w_$j + k];
//! for r in ROWS
    sum_$r_$j += block_$j * x_$r;
//! end
//! end
  }
//! for r in ROWS
  if (row + $ru < rows) {
    var place_$r = row_$r;
//! if SCATTER
    place_$r = list[params.chunk_first + row_$r] - params.out_first;
//! end
//! for j in COLS
    if (first_block + $ju < params.out_blocks) {
      out[place_$r * params.out_blocks + first_block + $ju] = sum_$r_$j;
    }
//! end
  }
//! end
}
