// AdamW on all parameters at once (Loshchilov and Hutter 2019; the order of operations is
// PyTorch's):
//   p ← p · decay;  m ← β1 m + (1 − β1) g;  v ← β2 v + (1 − β2) g²;  p ← p − step · m / (sqrt(v) ·
//   root + eps)
// Parameters lie in blocks of 64 elements; block_parameter names each block's parameter, and
// factors holds for each parameter (decay, step, root, active): decay = 1 − lr · weight_decay, step
// = lr / (1 − β1ᵗ), root = 1 / sqrt(1 − β2ᵗ). A parameter without a gradient (active 0) is left
// alone, as PyTorch does. So are four elements one of whose gradients is NaN, infinite, or too
// large to square: not_finite[0] becomes 1. Told by the bits, because compilers may assume that
// there are no such values. One invocation four elements.
struct Params { blocks: u32, beta1: f32, beta2: f32, eps: f32 }
@group(0) @binding(0) var<storage, read> gradient: array<vec4f>;
@group(0) @binding(1) var<storage, read> block_parameter: array<u32>;
@group(0) @binding(2) var<storage, read> factors: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> value: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> first_moment: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> second_moment: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> not_finite: array<atomic<u32>>;
@group(0) @binding(7) var<uniform> params: Params;

// Bits of 2⁶³, whose square is the first that is no f32.
const TOO_LARGE = vec4u(0x5f000000u);

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = linear_group(group, groups) * 64u + lane;
  let block = i / 16u;
  if (block >= params.blocks) {
    return;
  }
  let factor = factors[block_parameter[block]];
  if (factor.w == 0.0) {
    return;
  }
  let g = gradient[i];
  if (any((bitcast<vec4u>(g) & vec4u(0x7fffffffu)) >= TOO_LARGE)) {
    atomicStore(&not_finite[0], 1u);
    return;
  }
  let first = first_moment[i];
  let m = first + (1.0 - params.beta1) * (g - first);
  let v = params.beta2 * second_moment[i] + (1.0 - params.beta2) * g * g;
  first_moment[i] = m;
  second_moment[i] = v;
  value[i] = value[i] * factor.x - factor.y * m / (sqrt(v) * factor.z + params.eps);
}
