// out[64 k] = weight_k · gradient for COUNT values, each where a binding may begin. One invocation.
struct Params {
//! for k in COUNT
  weight_$k: f32,
//! end
}
@group(0) @binding(0) var<storage, read> gradient: array<f32>;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(1)
fn main() {
//! for k in COUNT
  out[64u * $ku] = params.weight_$k * gradient[0];
//! end
}
