// Gradient of InfoNCE to the similarities of a chunk, in place: s_ij becomes (exp(s_ij / τ − lse_i) − [i = j]) · g / (n τ), zero
// in the columns past the keys. factor = 1 / (n τ). One invocation a vec4.
struct Params { rows: u32, first_row: u32, keys: u32, blocks: u32, inverse_temperature: f32, factor: f32 }
@group(0) @binding(0) var<storage, read_write> s: array<vec4f>;
@group(0) @binding(1) var<storage, read> lse: array<f32>;
@group(0) @binding(2) var<storage, read> gradient: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

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
  let own = params.first_row + i / params.blocks;
  let keys = vec4u(4u * (i % params.blocks)) + vec4u(0u, 1u, 2u, 3u);
  let p = exp(s[i] * params.inverse_temperature - lse[own]);
  let difference = p - select(vec4f(), vec4f(1.0), keys == vec4u(own));
  s[i] = select(vec4f(), difference * (params.factor * gradient[0]), keys < vec4u(params.keys));
}
