// The device's multiply-add rate: each invocation does 4 · 8 · TURNS multiply-adds on registers.
// out keeps the compiler from dropping them. Used by the benchmark only.
@group(0) @binding(0) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let m = vec4f(0.999, 0.998, 0.997, 0.996);
  var a = vec4f(f32(id.x & 7u));
  var b = a + 1.0;
  var c = a + 2.0;
  var d = a + 3.0;
  var e = a + 4.0;
  var f = a + 5.0;
  var g = a + 6.0;
  var h = a + 7.0;
  for (var i = 0u; i < TURNS; i++) {
    a = fma(a, m, m);
    b = fma(b, m, m);
    c = fma(c, m, m);
    d = fma(d, m, m);
    e = fma(e, m, m);
    f = fma(f, m, m);
    g = fma(g, m, m);
    h = fma(h, m, m);
  }
  let s = a + b + c + d + e + f + g + h;
  out[id.x] = s.x + s.y + s.z + s.w;
}
