// InfoNCE at a small τ: stored similarities s/τ become exp(s/τ − lse) − [i = j], in place. p as in
// nce_similarity.wgsl, `blocks` of 8 keys. One invocation a row and block.
struct Params { rows: u32, first_row: u32, keys: u32, stride: u32, blocks: u32 }
@group(0) @binding(0) var<storage, read_write> p: array<vec4f>;
@group(0) @binding(1) var<storage, read> weight: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = linear_group(group, groups) * 64u + lane;
  if (i >= params.rows * params.blocks) {
    return;
  }
  let row = i % params.rows;
  let block = i / params.rows;
  let lse = weight[row];
  for (var part = 0u; part < 2u; part++) {
    let at = (block * params.stride + row) * 2u + part;
    let key = vec4u(block * 8u + part * 4u) + vec4u(0u, 1u, 2u, 3u);
    let own = select(vec4f(), vec4f(1.0), key == vec4u(params.first_row + row));
    p[at] = select(vec4f(), exp(p[at] - lse) - own, key < vec4u(params.keys));
  }
}
