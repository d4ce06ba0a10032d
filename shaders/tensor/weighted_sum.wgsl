// sum = Σ_k weight_k · x_k of COUNT values, added in order. One invocation.
struct Params {
//! for k in COUNT
  weight_$k: f32,
//! end
}
//! for k in COUNT
@group(0) @binding($k) var<storage, read> x_$k: array<f32>;
//! end
@group(0) @binding(7) var<storage, read_write> sum: array<f32>;
@group(0) @binding(8) var<uniform> params: Params;

@compute @workgroup_size(1)
fn main() {
  var total = 0.0;
//! for k in COUNT
  total += params.weight_$k * x_$k[0];
//! end
  sum[0] = total;
}
