// InfoNCE, similarities: query rows first_row … first_row + rows − 1 against all keys, rows of
// `depth` vec4 both. Workgroup y takes `span` tiles of 8 · HALVES · LOADS keys; what is left of a
// row there is part[y · rows + row] = (shift, Σ_j exp(s_j / τ − shift)).
//   FIXED: shift = 1/τ, which unit rows cannot pass; right while exp(−2/τ) is no denormal. Else the
//   largest s_j / τ.
//   STORE: p[(block · stride + row) · 2 + half], 8 keys a block, gets exp(s/τ − shift) (FIXED) or
//   s/τ, 0 past the last key.
//   ACROSS (with STORE, 8 ROWS): the same 8 × 8 values also by blocks of 8 rows, across[(row / 8 ·
//   across_stride + key) · 2 + half].
// An invocation computes ROWS neighbouring rows. Keys are the same for all lanes.
//   BROADCAST: a key is loaded by each of 8 · HALVES lanes and shared by subgroupBroadcast.
//   On the software device a load costs 20 multiply-adds whether its lanes differ or not, and
//   shuffling about one: 50–84 GFLOP/s instead of 25.
struct Params {
  rows: u32,
  first_row: u32,
  depth: u32,
  keys: u32,
  stride: u32,
  span: u32,
//! if ACROSS
  across_stride: u32,
//! end
  inverse_temperature: f32,
}
@group(0) @binding(0) var<storage, read> query: array<vec4f>;
@group(0) @binding(1) var<storage, read> key: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> part: array<vec2f>;
//! if STORE
@group(0) @binding(3) var<storage, read_write> p: array<vec4f>;
//! end
@group(0) @binding(4) var<uniform> params: Params;
//! if ACROSS
@group(0) @binding(5) var<storage, read_write> across: array<vec4f>;
//! end

const TILE = 8u * HALVES * LOADS;
const LEAST = vec4f(-3.4028234e38);

fn sum4(v: vec4f) -> f32 {
  return v.x + v.y + v.z + v.w;
}

fn max4(v: vec4f) -> f32 {
  return max(max(v.x, v.y), max(v.z, v.w));
}

@compute @workgroup_size(GROUP)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) lane: u32,
//! if BROADCAST
  @builtin(subgroup_invocation_id) place: u32,
//! end
) {
  let row = (group.x * GROUP + lane) * ROWS;
  // group.z is 0. Of a loop that runs to a parameter, Mesa's software device makes the shader anew
  // for each dispatch, unrolled to the parameter's value, and keeps it: a megabyte a dispatch,
  // where that halves the shader (measured with Mesa 22.3).
  let depth = params.depth + group.z;
  let scale = params.inverse_temperature;
//! for r in ROWS
  let query_$r = (params.first_row + min(row + $ru, params.rows - 1u)) * params.depth;
//! if FIXED
  let largest_$r = scale;
//! end
//! if !FIXED
  var largest_$r = LEAST.x;
//! end
  var total_$r = 0.0;
//! end
  let first = group.y * params.span * TILE;
  let end = min(first + params.span * TILE, params.keys);
  for (var column = first; column < end; column += TILE) {
//! for o in LOADS
//! if BROADCAST
    let key_$o = min(column + 8u * HALVES * $ou + place % (8u * HALVES), params.keys - 1u) * params.depth;
//! end
//! for h in HALVES
//! for j in EIGHT
//! if !BROADCAST
    let key_$o_$h_$j = min(column + 8u * (HALVES * $ou + $hu) + $ju, params.keys - 1u) * params.depth;
//! end
//! for r in ROWS
    var s_$r_$o_$h_$j = 0.0;
//! end
//! end
//! end
//! end
    for (var d = 0u; d < depth; d++) {
//! for r in ROWS
      let x_$r = query[query_$r + d];
//! end
//! for o in LOADS
//! if BROADCAST
      let own_$o = key[key_$o + d];
//! end
//! for h in HALVES
//! for j in EIGHT
//! if BROADCAST
      let y_$o_$h_$j = subgroupBroadcast(own_$o, 8u * $hu + $ju);
//! end
//! if !BROADCAST
      let y_$o_$h_$j = key[key_$o_$h_$j + d];
//! end
//! for r in ROWS
      s_$r_$o_$h_$j = fma(x_$r.x, y_$o_$h_$j.x, s_$r_$o_$h_$j);
      s_$r_$o_$h_$j = fma(x_$r.y, y_$o_$h_$j.y, s_$r_$o_$h_$j);
      s_$r_$o_$h_$j = fma(x_$r.z, y_$o_$h_$j.z, s_$r_$o_$h_$j);
      s_$r_$o_$h_$j = fma(x_$r.w, y_$o_$h_$j.w, s_$r_$o_$h_$j);
//! end
//! end
//! end
//! end
    }
//! for o in LOADS
//! for h in HALVES
    let low_$o_$h = vec4u(column + 8u * (HALVES * $ou + $hu)) + vec4u(0u, 1u, 2u, 3u) < vec4u(params.keys);
    let high_$o_$h = vec4u(column + 8u * (HALVES * $ou + $hu)) + vec4u(4u, 5u, 6u, 7u) < vec4u(params.keys);
//! end
//! end
//! for r in ROWS
//! for o in LOADS
//! for h in HALVES
    var a_$r_$o_$h = vec4f(s_$r_$o_$h_0, s_$r_$o_$h_1, s_$r_$o_$h_2, s_$r_$o_$h_3) * scale;
    var b_$r_$o_$h = vec4f(s_$r_$o_$h_4, s_$r_$o_$h_5, s_$r_$o_$h_6, s_$r_$o_$h_7) * scale;
//! if FIXED
    a_$r_$o_$h = select(vec4f(), exp(a_$r_$o_$h - scale), low_$o_$h);
    b_$r_$o_$h = select(vec4f(), exp(b_$r_$o_$h - scale), high_$o_$h);
    total_$r += sum4(a_$r_$o_$h + b_$r_$o_$h);
//! end
//! if !FIXED
    {
      let a = select(LEAST, a_$r_$o_$h, low_$o_$h);
      let b = select(LEAST, b_$r_$o_$h, high_$o_$h);
      let largest = max(largest_$r, max4(max(a, b)));
      total_$r = total_$r * exp(largest_$r - largest) + sum4(exp(a - largest) + exp(b - largest));
      largest_$r = largest;
    }
//! end
//! end
//! end
//! if STORE
    if (row + $ru < params.rows) {
//! for o in LOADS
//! for h in HALVES
      if (column + 8u * (HALVES * $ou + $hu) < params.keys) {
        let to = ((column / 8u + (HALVES * $ou + $hu)) * params.stride + row + $ru) * 2u;
        p[to] = a_$r_$o_$h;
        p[to + 1u] = b_$r_$o_$h;
      }
//! end
//! end
    }
//! end
//! end
//! if ACROSS
    if (row < params.rows) {
      let to = (row / 8u) * params.across_stride + column;
//! for o in LOADS
//! for h in HALVES
//! for k in FOUR
      across[(to + 8u * (HALVES * $ou + $hu) + $ku) * 2u] =
        vec4f(a_0_$o_$h[$ku], a_1_$o_$h[$ku], a_2_$o_$h[$ku], a_3_$o_$h[$ku]);
      across[(to + 8u * (HALVES * $ou + $hu) + $ku) * 2u + 1u] =
        vec4f(a_4_$o_$h[$ku], a_5_$o_$h[$ku], a_6_$o_$h[$ku], a_7_$o_$h[$ku]);
      across[(to + 8u * (HALVES * $ou + $hu) + $ku + 4u) * 2u] =
        vec4f(b_0_$o_$h[$ku], b_1_$o_$h[$ku], b_2_$o_$h[$ku], b_3_$o_$h[$ku]);
      across[(to + 8u * (HALVES * $ou + $hu) + $ku + 4u) * 2u + 1u] =
        vec4f(b_4_$o_$h[$ku], b_5_$o_$h[$ku], b_6_$o_$h[$ku], b_7_$o_$h[$ku]);
//! end
//! end
//! end
    }
//! end
  }
//! for r in ROWS
  if (row + $ru < params.rows) {
    part[group.y * params.rows + row + $ru] = vec2f(largest_$r, total_$r);
  }
//! end
}
