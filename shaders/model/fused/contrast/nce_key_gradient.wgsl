// InfoNCE, gradient to the keys: out_j = factor · Σ_i w_i p_ij q_i, the sum over chunks of queries:
// a chunk whose first row is not 0 adds to what is there. factor = 1 / (n τ), p as
// nce_similarity.wgsl stores it, w_i its weight if FIXED, else 1. OWN: the gradient to the queries,
// sides exchanged: `keys` queries from first_key on, all keys as rows, `across` as p. The weights
// are then those of the sums. WEIGHTED: they are the rows'. An invocation computes SETS blocks of 8
// keys × HALVES · LOADS pairs of vec4 of columns; workgroup y takes the next columns. BROADCAST: 8
// · HALVES lanes load 4 queries × HALVES pairs of columns and shuffle them
// (nce_similarity.wgsl).
struct Params {
  rows: u32,
  first_row: u32,
  depth: u32,
  keys: u32,
  first_key: u32,
  stride: u32,
  factor: f32,
}
@group(0) @binding(0) var<storage, read> p: array<vec4f>;
@group(0) @binding(1) var<storage, read> query: array<vec4f>;
@group(0) @binding(2) var<storage, read> weight: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(4) var<uniform> params: Params;

// A query of the chunk, weighted; past the end nothing.
fn weight_of(row: u32) -> f32 {
//! if WEIGHTED
  return select(0.0, weight[min(row, params.rows - 1u)], row < params.rows);
//! end
//! if !WEIGHTED
  return select(0.0, 1.0, row < params.rows);
//! end
}

fn store(own: u32, column: u32, sum: vec4f) {
  if (own < params.keys && column < params.depth) {
    let to = (params.first_key + own) * params.depth + column;
//! if OWN
    let factor = params.factor * weight[own];
//! end
//! if !OWN
    let factor = params.factor;
//! end
    out[to] = factor * sum + select(out[to], vec4f(), params.first_row == 0u);
  }
}

@compute @workgroup_size(GROUP)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) lane: u32,
//! if BROADCAST
  @builtin(subgroup_invocation_id) place: u32,
//! end
) {
  let block = (group.x * GROUP + lane) * SETS;
  let column = group.y * 2u * HALVES * LOADS;
  let last = params.rows - 1u;
  let blocks = (params.keys + 7u) / 8u;
//! for s in SETS
  let set_$s = min(block + $su, blocks - 1u) * params.stride;
//! for k in EIGHT
//! for o in LOADS
//! for h in HALVES
  var sum_$s_$k_$o_$h = vec4f();
  var sum_next_$s_$k_$o_$h = vec4f();
//! end
//! end
//! end
//! end
//! for o in LOADS
//! if BROADCAST
  let column_$o = min(column + 2u * HALVES * $ou + (place / 4u) % (2u * HALVES), params.depth - 1u);
//! end
//! for h in HALVES
//! if !BROADCAST
  let column_$o_$h = min(column + 2u * (HALVES * $ou + $hu), params.depth - 1u);
  let next_$o_$h = min(column + 2u * (HALVES * $ou + $hu) + 1u, params.depth - 1u);
//! end
//! end
//! end
  // group.z is 0, see nce_similarity.wgsl.
  let rows = params.rows + group.z;
  for (var i = 0u; i < rows; i += 4u) {
//! if BROADCAST
    let own = i + (place & 3u);
    let w = weight_of(own);
    let start = (params.first_row + min(own, last)) * params.depth;
//! end
//! for r in FOUR
    let row_$r = min(i + $ru, last);
//! if !BROADCAST
    let start_$r = (params.first_row + row_$r) * params.depth;
    let w_$r = weight_of(i + $ru);
//! end
//! for s in SETS
    let a_$r_$s = p[(set_$s + row_$r) * 2u];
    let b_$r_$s = p[(set_$s + row_$r) * 2u + 1u];
//! end
//! end
//! for o in LOADS
//! if BROADCAST
    let own_$o = query[start + column_$o] * w;
//! end
//! for h in HALVES
//! for r in FOUR
//! if BROADCAST
    let x_$r_$o_$h = subgroupBroadcast(own_$o, 8u * $hu + $ru);
    let y_$r_$o_$h = subgroupBroadcast(own_$o, 8u * $hu + $ru + 4u);
//! end
//! if !BROADCAST
    let x_$r_$o_$h = query[start_$r + column_$o_$h] * w_$r;
    let y_$r_$o_$h = query[start_$r + next_$o_$h] * w_$r;
//! end
//! end
    // Query by query into one sum and then the next, first columns before second ones: a sum and
    // four queries stay in registers meanwhile.
//! for s in SETS
//! for r in FOUR
    sum_$s_0_$o_$h = fma(vec4f(a_$r_$s.x), x_$r_$o_$h, sum_$s_0_$o_$h);
//! end
//! for r in FOUR
    sum_$s_1_$o_$h = fma(vec4f(a_$r_$s.y), x_$r_$o_$h, sum_$s_1_$o_$h);
//! end
//! for r in FOUR
    sum_$s_2_$o_$h = fma(vec4f(a_$r_$s.z), x_$r_$o_$h, sum_$s_2_$o_$h);
//! end
//! for r in FOUR
    sum_$s_3_$o_$h = fma(vec4f(a_$r_$s.w), x_$r_$o_$h, sum_$s_3_$o_$h);
//! end
//! for r in FOUR
    sum_$s_4_$o_$h = fma(vec4f(b_$r_$s.x), x_$r_$o_$h, sum_$s_4_$o_$h);
//! end
//! for r in FOUR
    sum_$s_5_$o_$h = fma(vec4f(b_$r_$s.y), x_$r_$o_$h, sum_$s_5_$o_$h);
//! end
//! for r in FOUR
    sum_$s_6_$o_$h = fma(vec4f(b_$r_$s.z), x_$r_$o_$h, sum_$s_6_$o_$h);
//! end
//! for r in FOUR
    sum_$s_7_$o_$h = fma(vec4f(b_$r_$s.w), x_$r_$o_$h, sum_$s_7_$o_$h);
//! end
//! for r in FOUR
    sum_next_$s_0_$o_$h = fma(vec4f(a_$r_$s.x), y_$r_$o_$h, sum_next_$s_0_$o_$h);
//! end
//! for r in FOUR
    sum_next_$s_1_$o_$h = fma(vec4f(a_$r_$s.y), y_$r_$o_$h, sum_next_$s_1_$o_$h);
//! end
//! for r in FOUR
    sum_next_$s_2_$o_$h = fma(vec4f(a_$r_$s.z), y_$r_$o_$h, sum_next_$s_2_$o_$h);
//! end
//! for r in FOUR
    sum_next_$s_3_$o_$h = fma(vec4f(a_$r_$s.w), y_$r_$o_$h, sum_next_$s_3_$o_$h);
//! end
//! for r in FOUR
    sum_next_$s_4_$o_$h = fma(vec4f(b_$r_$s.x), y_$r_$o_$h, sum_next_$s_4_$o_$h);
//! end
//! for r in FOUR
    sum_next_$s_5_$o_$h = fma(vec4f(b_$r_$s.y), y_$r_$o_$h, sum_next_$s_5_$o_$h);
//! end
//! for r in FOUR
    sum_next_$s_6_$o_$h = fma(vec4f(b_$r_$s.z), y_$r_$o_$h, sum_next_$s_6_$o_$h);
//! end
//! for r in FOUR
    sum_next_$s_7_$o_$h = fma(vec4f(b_$r_$s.w), y_$r_$o_$h, sum_next_$s_7_$o_$h);
//! end
//! end
//! end
//! end
  }
//! for s in SETS
//! for k in EIGHT
//! for o in LOADS
//! for h in HALVES
  store((block + $su) * 8u + $ku, column + 2u * (HALVES * $ou + $hu), sum_$s_$k_$o_$h);
  store((block + $su) * 8u + $ku, column + 2u * (HALVES * $ou + $hu) + 1u, sum_next_$s_$k_$o_$h);
//! end
//! end
//! end
//! end
}
