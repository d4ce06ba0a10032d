// Functions that several kernels need; put before their source.

// erf to about 1 ulp of float32. Two minimax polynomials after N. Juffa's single-precision erff
// (https://stackoverflow.com/a/35148199): 1 - exp(p(|x|)) above 0.93, x + x p(x²) below.
// SPEC's GELU is the exact one; the tanh form is 1e-3 off.
fn erf(x: f32) -> f32 {
  let t = min(abs(x), 10.0);
  let s = t * t;
  var high = fma(-1.72853470e-5, t, 3.83197126e-4);
  high = fma(high, s, fma(-3.88396438e-3, t, 2.42546219e-2));
  high = fma(high, t, -1.06777877e-1);
  high = fma(high, t, -6.34846687e-1);
  high = fma(high, t, -1.28717512e-1);
  high = 1.0 - exp(fma(high, t, -t));
  var low = -5.96761703e-4;
  low = fma(low, s, 4.99119423e-3);
  low = fma(low, s, -2.67681349e-2);
  low = fma(low, s, 1.12819925e-1);
  low = fma(low, s, -3.76125336e-1);
  low = fma(low, s, 1.28379166e-1);
  low = fma(low, t, t);
  return sign(x) * select(low, high, t > 0.927734375);
}

// Φ(x), the standard normal distribution function.
fn normal_cdf(x: f32) -> f32 {
  return 0.5 * (1.0 + erf(x * 0.70710678118654752));
}

fn gelu(x: f32) -> f32 {
  return x * normal_cdf(x);
}

// d gelu / dx = Φ(x) + x φ(x)
fn gelu_slope(x: f32) -> f32 {
  return normal_cdf(x) + x * 0.39894228040143268 * exp(-0.5 * x * x);
}

// The same for four values at once.
fn erf4(x: vec4f) -> vec4f {
  let t = min(abs(x), vec4f(10.0));
  let s = t * t;
  var high = fma(vec4f(-1.72853470e-5), t, vec4f(3.83197126e-4));
  high = fma(high, s, fma(vec4f(-3.88396438e-3), t, vec4f(2.42546219e-2)));
  high = fma(high, t, vec4f(-1.06777877e-1));
  high = fma(high, t, vec4f(-6.34846687e-1));
  high = fma(high, t, vec4f(-1.28717512e-1));
  high = 1.0 - exp(fma(high, t, -t));
  var low = vec4f(-5.96761703e-4);
  low = fma(low, s, vec4f(4.99119423e-3));
  low = fma(low, s, vec4f(-2.67681349e-2));
  low = fma(low, s, vec4f(1.12819925e-1));
  low = fma(low, s, vec4f(-3.76125336e-1));
  low = fma(low, s, vec4f(1.28379166e-1));
  low = fma(low, t, t);
  return sign(x) * select(low, high, t > vec4f(0.927734375));
}

fn normal_cdf4(x: vec4f) -> vec4f {
  return 0.5 * (1.0 + erf4(x * 0.70710678118654752));
}

fn gelu4(x: vec4f) -> vec4f {
  return x * normal_cdf4(x);
}

fn gelu_slope4(x: vec4f) -> vec4f {
  return normal_cdf4(x) + x * 0.39894228040143268 * exp(-0.5 * x * x);
}
