// InfoNCE, gradient to a chunk's queries: out_i = factor · w_i Σ_j p_ij k_j, factor = 1 / (n τ), p
// as nce_similarity.wgsl stores it, w_i its weight if FIXED, else 1. An invocation computes ROWS
// neighbouring rows × PAIRS pairs of vec4 of columns; workgroup y takes the next columns.
// BROADCAST: 8 lanes load 4 keys × a pair of columns and shuffle them (nce_similarity.wgsl).
struct Params { rows: u32, first_row: u32, depth: u32, keys: u32, stride: u32, factor: f32 }
@group(0) @binding(0) var<storage, read> p: array<vec4f>;
@group(0) @binding(1) var<storage, read> key: array<vec4f>;
@group(0) @binding(2) var<storage, read> weight: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(GROUP)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) lane: u32,
//! if BROADCAST
  @builtin(subgroup_invocation_id) place: u32,
//! end
) {
  let row = (group.x * GROUP + lane) * ROWS;
  let column = group.y * 2u * PAIRS;
  let last = params.keys - 1u;
//! for b in PAIRS
//! if BROADCAST
  let column_$b = min(column + 2u * $bu + ((place >> 2u) & 1u), params.depth - 1u);
//! end
//! if !BROADCAST
  let column_$b = min(column + 2u * $bu, params.depth - 1u);
  let next_$b = min(column + 2u * $bu + 1u, params.depth - 1u);
//! end
//! for r in ROWS
  var sum_$r_$b = vec4f();
  var sum_next_$r_$b = vec4f();
//! end
//! end
//! for r in ROWS
  let row_$r = min(row + $ru, params.rows - 1u);
//! end
  // Four keys a turn and not the eight of a block, for the sake of compile time.
  // group.z is 0, see nce_similarity.wgsl.
  let turns = 2u * ((params.keys + 7u) / 8u) + group.z;
  for (var j = 0u; j < turns; j++) {
    let at = (j >> 1u) * params.stride;
//! for r in ROWS
    let p_$r = p[(at + row_$r) * 2u + (j & 1u)];
//! end
//! if BROADCAST
    let own = min(j * 4u + (place & 3u), last) * params.depth;
//! end
//! for b in PAIRS
//! if BROADCAST
    let own_$b = key[own + column_$b];
//! end
//! for c in FOUR
//! if BROADCAST
    let x_$c_$b = subgroupBroadcast(own_$b, $cu);
    let y_$c_$b = subgroupBroadcast(own_$b, $cu + 4u);
//! end
//! if !BROADCAST
    let x_$c_$b = key[min(j * 4u + $cu, last) * params.depth + column_$b];
    let y_$c_$b = key[min(j * 4u + $cu, last) * params.depth + next_$b];
//! end
//! end
    // Key by key into one sum and then the next, first columns before second ones: a sum and four
    // keys stay in registers meanwhile.
//! for r in ROWS
//! for c in FOUR
    sum_$r_$b = fma(vec4f(p_$r[$cu]), x_$c_$b, sum_$r_$b);
//! end
//! end
//! for r in ROWS
//! for c in FOUR
    sum_next_$r_$b = fma(vec4f(p_$r[$cu]), y_$c_$b, sum_next_$r_$b);
//! end
//! end
//! end
  }
//! for r in ROWS
  if (row + $ru < params.rows) {
//! if FIXED
    let w = params.factor * weight[row + $ru];
//! end
//! if !FIXED
    let w = params.factor;
//! end
    let to = (params.first_row + row + $ru) * params.depth + column;
//! for b in PAIRS
    if (column + 2u * $bu < params.depth) {
      out[to + 2u * $bu] = w * sum_$r_$b;
    }
    if (column + 2u * $bu + 1u < params.depth) {
      out[to + 2u * $bu + 1u] = w * sum_next_$r_$b;
    }
//! end
  }
//! end
}
