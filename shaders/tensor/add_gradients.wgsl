// gradients[first_k + i] += gradient_k[i] for COUNT tensors at once; the places do not overlap. One
// invocation an element, the tensor along y.
struct Params {
//! for k in COUNT
  first_$k: u32, size_$k: u32,
//! end
}
//! for k in COUNT
@group(0) @binding($k) var<storage, read> gradient_$k: array<f32>;
//! end
@group(0) @binding(7) var<storage, read_write> gradients: array<f32>;
@group(0) @binding(8) var<uniform> params: Params;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3u) {
//! for k in COUNT
  if (id.y == $ku && id.x < params.size_$k) {
    gradients[params.first_$k + id.x] += gradient_$k[id.x];
  }
//! end
}
