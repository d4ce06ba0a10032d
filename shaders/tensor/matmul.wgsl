// out = A · B on row-major matrices, A (m, k) or stored transposed (k, m) with A_T, B (k, n) or (n,
// k) with B_T. One invocation computes a tile of TILE × TILE outputs (a multiple of 4); a workgroup
// 8 × 8 tiles. The inner dimension can be cut in chunks along z, each written to its own (m, n)
// plane of out, for products whose inner dimension is the row count of a batch (weight gradients):
// a fixed number of planes is added up afterwards, so results repeat to the bit.
struct Params { m: u32, n: u32, k: u32, chunk: u32 }
@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(8, 8)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let m = params.m;
  let n = params.n;
  let k = params.k;
  let row = (group.y * 8u + local.y) * TILE;
  let col = (group.x * 8u + local.x) * TILE;
  if (row >= m || col >= n) {
    return;
  }
  let a_step = select(1u, m, A_T);
  let b_step = select(n, 1u, B_T);
  // Past the edge the last row or column is computed again and not stored: a branch, even before
  // the loop, costs speed on the software device.
//! for t in FOURS
  let rows_$t = min(vec4u(row + 4u * $tu) + vec4u(0u, 1u, 2u, 3u), vec4u(m - 1u));
  let cols_$t = min(vec4u(col + 4u * $tu) + vec4u(0u, 1u, 2u, 3u), vec4u(n - 1u));
  let a_$t = select(rows_$t * k, rows_$t, A_T);
  let b_$t = select(cols_$t, cols_$t * k, B_T);
//! for u in FOURS
  var sums_$t_$u = mat4x4f();
//! end
//! end
  let first = group.z * params.chunk;
  let last = min(first + params.chunk, k);
  for (var i = first; i < last; i++) {
//! for t in FOURS
    let ai_$t = a_$t + i * a_step;
    let bi_$t = b_$t + i * b_step;
    let av_$t = vec4f(a[ai_$t.x], a[ai_$t.y], a[ai_$t.z], a[ai_$t.w]);
    let bv_$t = vec4f(b[bi_$t.x], b[bi_$t.y], b[bi_$t.z], b[bi_$t.w]);
//! end
//! for t in FOURS
//! for u in FOURS
    sums_$t_$u[0] += av_$t.x * bv_$u;
    sums_$t_$u[1] += av_$t.y * bv_$u;
    sums_$t_$u[2] += av_$t.z * bv_$u;
    sums_$t_$u[3] += av_$t.w * bv_$u;
//! end
//! end
  }
  let plane = group.z * m * n;
//! for t in FOURS
//! for u in FOURS
  for (var r = 0u; r < 4u; r++) {
    for (var c = 0u; c < 4u; c++) {
      let at = vec2u(row + 4u * $tu + r, col + 4u * $uu + c);
      if (at.x < m && at.y < n) {
        out[plane + at.x * n + at.y] = sums_$t_$u[r][c];
      }
    }
  }
//! end
//! end
}
