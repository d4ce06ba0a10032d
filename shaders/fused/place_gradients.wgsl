// Gradients of a program's weights, from partial sums (slices, size) to the values they belong to: pair n says target
// (x; among the parameters, or behind them among the merged layers) and position in a slice (y). Parameters' are added to,
// merged layers' written. One invocation a pair; slices are added in order.
struct Params { pairs: u32, parameters: u32, slices: u32, size: u32 }
@group(0) @binding(0) var<storage, read> sums: array<f32>;
@group(0) @binding(1) var<storage, read> pair: array<vec2u>;
@group(0) @binding(2) var<storage, read_write> gradients: array<f32>;
@group(0) @binding(3) var<storage, read_write> merged_gradient: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let n = linear_group(group, groups) * 256u + lane;
  if (n >= params.pairs) {
    return;
  }
  let own = pair[n];
  var sum = 0.0;
  for (var s = 0u; s < params.slices; s++) {
    sum += sums[s * params.size + own.y];
  }
  if (own.x < params.parameters) {
    gradients[own.x] += sum;
  } else {
    merged_gradient[own.x - params.parameters] = sum;
  }
}
