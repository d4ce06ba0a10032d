// How the point features of the two branches look, for the log: what each row gives, joined by
// feature_metrics_join.wgsl.
//   a, b (rows, WIDTH · COLS): features of G2L and L2G, read WIDTH at once: four where the columns
//   allow. parts: for each row, and up to a whole workgroup, two vec4: (entries, mean, M2, rows)
//   with M2 = Σ (x − mean)² over a's entries, and (cosine, norm of a, 0, 0). The cosine of a zero
//   row is 0: norms are floored at 1e-8 as in PyTorch's cosine_similarity.
// M2 is summed up around the row's first entry, so that a large mean does not cancel. One
// invocation a row; no branches and no loops, which cost several times as much on the software
// device.
struct Params { rows: u32 }
//! if VEC4
alias Value = vec4f;
//! end
//! if !VEC4
alias Value = f32;
//! end
@group(0) @binding(0) var<storage, read> a: array<Value>;
@group(0) @binding(1) var<storage, read> b: array<Value>;
@group(0) @binding(2) var<storage, read_write> parts: array<vec4f>;
@group(0) @binding(3) var<uniform> params: Params;

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
  let row = linear_group(group, groups) * 64u + lane;
  // Past the end the last row is looked at again and counts nothing.
  let first = min(row, params.rows - 1u) * COLS;
//! if VEC4
  let origin = a[first].x;
//! end
//! if !VEC4
  let origin = a[first];
//! end
  var total = Value();
  var squares = Value();
  var uv = Value();
  var uu = Value();
  var vv = Value();
//! for c in COLS
  let u_$c = a[first + $cu];
  let v_$c = b[first + $cu];
  let d_$c = u_$c - origin;
  total += d_$c;
  squares += d_$c * d_$c;
  uv += u_$c * v_$c;
  uu += u_$c * u_$c;
  vv += v_$c * v_$c;
//! end
  let entries = f32(WIDTH * COLS);
  let shift = total_of(total) / entries;
  let m2 = total_of(squares) - total_of(total) * shift;
  let norm = sqrt(total_of(uu));
  let cosine = total_of(uv) / (max(norm, 1e-8) * max(sqrt(total_of(vv)), 1e-8));
  let here = row < params.rows;
  let spread = vec4f(entries, origin + shift, select(m2, 0.0, m2 < 0.0), 1.0);
  parts[2u * row] = select(vec4f(), spread, here);
  parts[2u * row + 1u] = select(vec4f(), vec4f(cosine, norm, 0.0, 0.0), here);
}
