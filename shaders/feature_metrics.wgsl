// How the point features of the two branches look, for the log: each invocation sums up 64 rows, and then 64 partial
// results at a time (MERGE) until one is left.
//   a, b (rows, cols): features of G2L and L2G. out: per chunk two vec4: (entries, mean, M2, rows), (Σ cosine, Σ norm, 0, 0)
// with mean and M2 = Σ (x − mean)² of a's entries, joined by Chan's formula (Chan, Golub, LeVeque 1979), which does not
// cancel. The cosine of a zero row is 0: norms are floored at 1e-8 as in PyTorch's cosine_similarity.
struct Params { rows: u32, cols: u32, chunks: u32 }
@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read> parts: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(4) var<uniform> params: Params;

fn join(p: vec4f, q: vec4f) -> vec4f {
  let n = p.x + q.x;
  if (n == 0.0) {
    return p;
  }
  let delta = q.y - p.y;
  return vec4f(n, p.y + delta * (q.x / n), p.z + q.z + delta * delta * (p.x * q.x / n), p.w + q.w);
}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = linear_group(group, groups) * 64u + lane;
  if (i >= params.chunks) {
    return;
  }
  var spread = vec4f();
  var sums = vec4f();
  let cols = params.cols;
  for (var r = i; r < params.rows; r += params.chunks) {
    if (MERGE) {
      spread = join(spread, parts[2u * r]);
      sums += parts[2u * r + 1u];
      continue;
    }
    var total = 0.0;
    var products = vec3f();
    for (var c = 0u; c < cols; c++) {
      let u = a[r * cols + c];
      let v = b[r * cols + c];
      total += u;
      products += vec3f(u * v, u * u, v * v);
    }
    let mean = total / f32(cols);
    var m2 = 0.0;
    for (var c = 0u; c < cols; c++) {
      let d = a[r * cols + c] - mean;
      m2 += d * d;
    }
    spread = join(spread, vec4f(f32(cols), mean, m2, 1.0));
    let norm = sqrt(products.y);
    sums += vec4f(products.x / (max(norm, 1e-8) * max(sqrt(products.z), 1e-8)), norm, 0.0, 0.0);
  }
  out[2u * i] = spread;
  out[2u * i + 1u] = sums;
}
