// How the point features of the two branches look, for the log: each invocation sums up some rows, and then some partial
// results at a time (MERGE) until one is left. Values are read WIDTH at once: four where the columns allow.
//   a, b (rows, cols): features of G2L and L2G. out: per chunk two vec4: (entries, mean, M2, rows), (Σ cosine, Σ norm, 0, 0)
// with mean and M2 = Σ (x − mean)² of a's entries, joined by Chan's formula (Chan, Golub, LeVeque 1979), which does not
// cancel. The cosine of a zero row is 0: norms are floored at 1e-8 as in PyTorch's cosine_similarity.
struct Params { rows: u32, cols: u32, chunks: u32 }
//! if VEC4
alias Value = vec4f;
//! end
//! if !VEC4
alias Value = f32;
//! end
@group(0) @binding(0) var<storage, read> a: array<Value>;
@group(0) @binding(1) var<storage, read> b: array<Value>;
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

//! if VEC4
fn total_of(v: vec4f) -> f32 {
  return v.x + v.y + v.z + v.w;
}
//! end
//! if !VEC4
fn total_of(v: f32) -> f32 {
  return v;
}
//! end

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
//! if MERGE
    spread = join(spread, parts[2u * r]);
    sums += parts[2u * r + 1u];
//! end
//! if !MERGE
    var total = Value();
    var uv = Value();
    var uu = Value();
    var vv = Value();
    for (var c = 0u; c < cols; c++) {
      let u = a[r * cols + c];
      let v = b[r * cols + c];
      total += u;
      uv += u * v;
      uu += u * u;
      vv += v * v;
    }
    let mean = total_of(total) / f32(WIDTH * cols);
    var squares = Value();
    for (var c = 0u; c < cols; c++) {
      let d = a[r * cols + c] - mean;
      squares += d * d;
    }
    let m2 = total_of(squares);
    let norm = sqrt(total_of(uu));
    spread = join(spread, vec4f(f32(WIDTH * cols), mean, m2, 1.0));
    sums += vec4f(total_of(uv) / (max(norm, 1e-8) * max(sqrt(total_of(vv)), 1e-8)), norm, 0.0, 0.0);
//! end
  }
  out[2u * i] = spread;
  out[2u * i + 1u] = sums;
}
