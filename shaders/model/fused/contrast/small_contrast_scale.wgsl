// Gradients of small_contrast.wgsl times those of the sets' losses: out = x · gradient_s in the
// query and key rows of set s, zeros in rows of no set. x, out (rows, BLOCKS) in vec4. One
// invocation a vec4.
struct Params {
  rows: u32,
//! for s in SETS
  query_$s: u32, key_$s: u32, size_$s: u32,
//! end
}
@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> out: array<vec4f>;
//! for s in SETS
@group(0) @binding(1$s) var<storage, read> gradient_$s: array<f32>;
//! end
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = linear_group(group, groups) * 64u + lane;
  if (i >= params.rows * BLOCKS) {
    return;
  }
  let row = i / BLOCKS;
  var value = vec4f();
//! for s in SETS
  if (
    (row >= params.query_$s && row - params.query_$s < params.size_$s) ||
    (row >= params.key_$s && row - params.key_$s < params.size_$s)
  ) {
    value = x[i] * gradient_$s[0];
  }
//! end
  out[i] = value;
}
