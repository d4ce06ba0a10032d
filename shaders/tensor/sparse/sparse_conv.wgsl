// A sparse convolution: out[v] = Σ_k W_k x[table[k, v]], summed over the offsets k at which there is
// a row (no 0xffffffff). x has in_blocks vec4 a row and is bound from row first_source on; of the
// offsets first_k … first_k + offsets − 1 are in `table`, (offsets, stride); out has out_blocks vec4
// a row and is bound from row first_row on. W_k is in blocks, as pack_kernel.wgsl makes them, of
// offset kernel − 1 − k with MIRRORED. With `add` the sums go on from what stands in out.
// An invocation computes ROWS neighbouring rows × COLS blocks of columns.
struct Params {
  rows: u32,
  first_row: u32,
  in_blocks: u32,
  out_blocks: u32,
  kernel: u32,
  first_k: u32,
  offsets: u32,
  stride: u32,
  first_source: u32,
  source_rows: u32,
  add: u32,
}
@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read> table: array<u32>;
@group(0) @binding(2) var<storage, read> weight: array<mat4x4f>;
@group(0) @binding(3) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = (group.x * 64u + lane) * ROWS;
  if (row >= params.rows) {
    return;
  }
  let ins = params.in_blocks;
  let outs = params.out_blocks;
  let column = group.y * COLS;
//! for c in COLS
  // Past the last block it is computed again, and not stored.
  let column_$c = min(column + $cu, outs - 1u);
//! end
//! for r in ROWS
  let row_$r = min(row + $ru, params.rows - 1u);
//! for c in COLS
  var sum_$r_$c = vec4f();
  if (params.add != 0u) {
    sum_$r_$c = out[row_$r * outs + column_$c];
  }
//! end
//! end
  // group.z is 0, see nce_similarity.wgsl.
  for (var k = 0u; k < params.offsets + group.z; k++) {
//! for r in ROWS
    let source_$r = table[k * params.stride + params.first_row + row_$r] - params.first_source;
    let has_$r = source_$r < params.source_rows;
    let from_$r = select(0u, source_$r, has_$r) * ins;
//! end
    var any = false;
//! for r in ROWS
    any = any || has_$r;
//! end
    if (!any) {
      continue;
    }
//! if MIRRORED
    let own = params.kernel - 1u - params.first_k - k;
//! end
//! if !MIRRORED
    let own = params.first_k + k;
//! end
//! for c in COLS
    let weight_$c = (own * outs + column_$c) * ins;
//! end
    for (var i = 0u; i < ins; i++) {
//! for r in ROWS
      let x_$r = select(vec4f(), x[from_$r + i], has_$r);
//! end
//! for c in COLS
      let w_$c = weight[weight_$c + i];
//! for r in ROWS
      sum_$r_$c += w_$c * x_$r;
//! end
//! end
    }
  }
//! for r in ROWS
  if (row + $ru < params.rows) {
//! for c in COLS
    if (column + $cu < outs) {
      out[row_$r * outs + column_$c] = sum_$r_$c;
    }
//! end
  }
//! end
}
