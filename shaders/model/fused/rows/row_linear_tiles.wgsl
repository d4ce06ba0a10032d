// A linear layer on a chunk of listed rows, as row_linear.wgsl, for real GPUs: a workgroup computes a tile of rows × blocks
// of columns and brings rows and weights slab by slab through workgroup memory, where its invocations share them.
//   x: IN_BLOCKS vec4 a row at x_first + row · x_stride; out: out_blocks vec4 a row; GATHER, SCATTER: see row_linear.wgsl.
// Of the LANES invocations, neighbours stand COL_LANES abreast along the columns; each computes ROWS rows × COLS blocks,
// ROW_LANES rows and COL_LANES blocks apart, so that loads from workgroup memory and stores are neighbours too.
// Sums run over the inputs in the same order as row_linear's: both give the same bits.
struct Params { chunk_first: u32, chunk_rows: u32, x_first: u32, x_stride: u32, out_blocks: u32, out_first: u32 }
@group(0) @binding(0) var<storage, read> total: array<u32>;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read> w: array<mat4x4f>;
@group(0) @binding(3) var<storage, read_write> out: array<vec4f>;
//! if LISTED
@group(0) @binding(4) var<storage, read> list: array<u32>;
//! end
//! if GATHER
@group(0) @binding(5) var<storage, read> init: array<vec4f>;
@group(0) @binding(6) var<storage, read> region_of_point: array<u32>;
//! end
@group(0) @binding(7) var<uniform> params: Params;

const ROW_LANES = LANES / COL_LANES;
const TILE_ROWS = ROWS * ROW_LANES;
const TILE_COLS = COLS * COL_LANES;
// Inputs [k][row] and weights [k][column] of SLAB blocks of inputs.
var<workgroup> x_slab: array<vec4f, SLAB * TILE_ROWS>;
var<workgroup> w_slab: array<mat4x4f, SLAB * TILE_COLS>;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let rows = rows_here(total[0], params.chunk_first, params.chunk_rows);
  // Past the ends the last row and the last block are computed again and not stored.
  let last_row = max(rows, 1u) - 1u;
  let last_block = params.out_blocks - 1u;
  let tile_row = group.x * TILE_ROWS;
  let tile_block = group.y * TILE_COLS;
  let row_lane = lane / COL_LANES;
  let col_lane = lane % COL_LANES;
//! for r in ROWS
  let row_$r = tile_row + $ru * ROW_LANES + row_lane;
//! if GATHER
  let init_$r = region_of_point[list[params.chunk_first + min(row_$r, last_row)]] * params.out_blocks;
//! end
//! end
//! for j in COLS
  let block_$j = tile_block + $ju * COL_LANES + col_lane;
//! for r in ROWS
//! if GATHER
  var sum_$r_$j = init[init_$r + min(block_$j, last_block)];
//! end
//! if !GATHER
  var sum_$r_$j = vec4f();
//! end
//! end
//! end
  for (var first = 0u; first < IN_BLOCKS; first += SLAB) {
    for (var i = lane; i < SLAB * TILE_ROWS; i += LANES) {
      let row = min(tile_row + i / SLAB, last_row);
      let k = min(first + i % SLAB, IN_BLOCKS - 1u);
      x_slab[i % SLAB * TILE_ROWS + i / SLAB] = x[params.x_first + row * params.x_stride + k];
    }
    for (var i = lane; i < SLAB * TILE_COLS; i += LANES) {
      let block = min(tile_block + i / SLAB, last_block);
      let k = min(first + i % SLAB, IN_BLOCKS - 1u);
      w_slab[i % SLAB * TILE_COLS + i / SLAB] = w[block * IN_BLOCKS + k];
    }
    workgroupBarrier();
    for (var k = 0u; k < min(SLAB, IN_BLOCKS - first); k++) {
//! for r in ROWS
      let x_$r = x_slab[k * TILE_ROWS + $ru * ROW_LANES + row_lane];
//! end
//! for j in COLS
      let w_$j = w_slab[k * TILE_COLS + $ju * COL_LANES + col_lane];
//! for r in ROWS
      sum_$r_$j += w_$j * x_$r;
//! end
//! end
    }
    workgroupBarrier();
  }
//! for r in ROWS
  if (row_$r < rows) {
    var place_$r = row_$r;
//! if SCATTER
    place_$r = list[params.chunk_first + row_$r] - params.out_first;
//! end
//! for j in COLS
    if (block_$j < params.out_blocks) {
      out[place_$r * params.out_blocks + block_$j] = sum_$r_$j;
    }
//! end
  }
//! end
}
