// Functions that several kernels need; put before their source.

// Φ(x), the standard normal distribution function, to 1e-7. The model's GELU is the exact one; its
// tanh form is 1e-3 off. Φ(−a) = 2^p(a): p is fitted to log₂ Φ(−a) so that Φ and a Φ(−a) are 1.5e-8
// off at most, the rest is rounding. One polynomial and one exp2 take two thirds of the time of erf
// by cases on the software device.
fn normal_cdf(x: f32) -> f32 {
  let a = min(abs(x), 10.0);
  var p = fma(-2.33509786e-6, a, 3.37394595e-5);
  p = fma(p, a, -1.6130101e-4);
  p = fma(p, a, -1.91687606e-4);
  p = fma(p, a, 7.12684635e-3);
  p = fma(p, a, -5.25336005e-2);
  p = fma(p, a, -4.59198296e-1);
  p = fma(p, a, -1.151106);
  p = exp2(fma(p, a, -1.0));
  return select(1.0 - p, p, x < 0.0);
}

fn gelu(x: f32) -> f32 {
  return x * normal_cdf(x);
}

// d gelu / dx = Φ(x) + x φ(x)
fn gelu_slope(x: f32) -> f32 {
  return normal_cdf(x) + x * 0.39894228040143268 * exp(-0.5 * x * x);
}

// The same for four values at once.
fn normal_cdf4(x: vec4f) -> vec4f {
  let a = min(abs(x), vec4f(10.0));
  var p = fma(vec4f(-2.33509786e-6), a, vec4f(3.37394595e-5));
  p = fma(p, a, vec4f(-1.6130101e-4));
  p = fma(p, a, vec4f(-1.91687606e-4));
  p = fma(p, a, vec4f(7.12684635e-3));
  p = fma(p, a, vec4f(-5.25336005e-2));
  p = fma(p, a, vec4f(-4.59198296e-1));
  p = fma(p, a, vec4f(-1.151106));
  p = exp2(fma(p, a, vec4f(-1.0)));
  return select(1.0 - p, p, x < vec4f());
}

fn gelu4(x: vec4f) -> vec4f {
  return x * normal_cdf4(x);
}

fn gelu_slope4(x: vec4f) -> vec4f {
  return normal_cdf4(x) + x * 0.39894228040143268 * exp(-0.5 * x * x);
}
