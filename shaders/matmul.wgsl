// out = A · B on row-major matrices, A (m, k) or stored transposed (k, m) with A_T, B (k, n) or (n, k) with B_T.
// One invocation computes a tile of 4 × 4 outputs; a workgroup 8 × 8 tiles. The inner dimension can be cut in
// chunks along z, each written to its own (m, n) plane of out, for products whose inner dimension is the row count
// of a batch (weight gradients): a fixed number of planes is added up afterwards, so results repeat to the bit.
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
  let row = (group.y * 8u + local.y) * 4u;
  let col = (group.x * 8u + local.x) * 4u;
  if (row >= m || col >= n) {
    return;
  }
  // Past the edge the last row or column is computed again and not stored: no branch in the loop.
  let rows = min(vec4u(row) + vec4u(0u, 1u, 2u, 3u), vec4u(m - 1u));
  let cols = min(vec4u(col) + vec4u(0u, 1u, 2u, 3u), vec4u(n - 1u));
  let a_step = select(1u, m, A_T);
  let b_step = select(n, 1u, B_T);
  let a_base = select(rows * k, rows, A_T);
  let b_base = select(cols, cols * k, B_T);
  var sums = mat4x4f();
  let first = group.z * params.chunk;
  let last = min(first + params.chunk, k);
  for (var i = first; i < last; i++) {
    let ai = a_base + i * a_step;
    let bi = b_base + i * b_step;
    let av = vec4f(a[ai.x], a[ai.y], a[ai.z], a[ai.w]);
    let bv = vec4f(b[bi.x], b[bi.y], b[bi.z], b[bi.w]);
    sums[0] += av.x * bv;
    sums[1] += av.y * bv;
    sums[2] += av.z * bv;
    sums[3] += av.w * bv;
  }
  let plane = group.z * m * n;
  for (var r = 0u; r < min(4u, m - row); r++) {
    for (var c = 0u; c < min(4u, n - col); c++) {
      out[plane + (row + r) * n + col + c] = sums[r][c];
    }
  }
}
