// Weights of a sparse convolution in 4 × 4 blocks, zeros past the widths. weight is (outs, kernel,
// ins). packed[(k · out_blocks + j) · in_blocks + i] takes inputs 4i … to outputs 4j …, a column an
// input; with TRANSPOSED packed[(k · in_blocks + i) · out_blocks + j] takes outputs back to inputs.
// One invocation a block.
struct Params { kernel: u32, outs: u32, ins: u32, out_blocks: u32, in_blocks: u32 }
@group(0) @binding(0) var<storage, read> weight: array<f32>;
@group(0) @binding(1) var<storage, read_write> packed: array<mat4x4f>;
@group(0) @binding(2) var<uniform> params: Params;

fn at(o: u32, k: u32, i: u32) -> f32 {
  let index = (min(o, params.outs - 1u) * params.kernel + k) * params.ins + min(i, params.ins - 1u);
  return select(0.0, weight[index], o < params.outs && i < params.ins);
}

fn column(j: u32, k: u32, i: u32, c: u32) -> vec4f {
//! if TRANSPOSED
  let o = 4u * j + c;
  let first = 4u * i;
  return vec4f(at(o, k, first), at(o, k, first + 1u), at(o, k, first + 2u), at(o, k, first + 3u));
//! end
//! if !TRANSPOSED
  let input = 4u * i + c;
  let first = 4u * j;
  return vec4f(
    at(first, k, input),
    at(first + 1u, k, input),
    at(first + 2u, k, input),
    at(first + 3u, k, input),
  );
//! end
}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let block = linear_group(group, groups) * 64u + lane;
  if (block >= params.kernel * params.out_blocks * params.in_blocks) {
    return;
  }
//! if TRANSPOSED
  let j = block % params.out_blocks;
  let i = (block / params.out_blocks) % params.in_blocks;
//! end
//! if !TRANSPOSED
  let i = block % params.in_blocks;
  let j = (block / params.in_blocks) % params.out_blocks;
//! end
  let k = block / (params.in_blocks * params.out_blocks);
  packed[block] =
    mat4x4f(column(j, k, i, 0u), column(j, k, i, 1u), column(j, k, i, 2u), column(j, k, i, 3u));
}
