// Gradients of merge_layers.wgsl to the inner layer, added to the parameters': from that of the product, g (outs, ins + 1)
// from `at` on, [inner, inner_bias] += outerᵀ · g. The layer along z; an invocation makes a tile of 4 × 4 values. Past the
// edges the last row or column is computed again: no branch before the loop.
@group(0) @binding(0) var<storage, read> parameters: array<f32>;
@group(0) @binding(1) var<storage, read> layers: array<Merged>;
@group(0) @binding(2) var<storage, read> merged_gradient: array<f32>;
@group(0) @binding(3) var<storage, read_write> gradients: array<f32>;

@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let own = layers[id.z];
  let width = own.ins + 1u;
  let rows = min(4u * id.y + vec4u(0u, 1u, 2u, 3u), vec4u(own.middle - 1u));
  let columns = min(4u * id.x + vec4u(0u, 1u, 2u, 3u), vec4u(own.ins));
  var a = own.outer + rows;
  var b = own.at + columns;
  var sums = mat4x4f();
  for (var o = 0u; o < own.outs; o++) {
    let x = vec4f(merged_gradient[b.x], merged_gradient[b.y], merged_gradient[b.z], merged_gradient[b.w]);
    sums[0] += parameters[a.x] * x;
    sums[1] += parameters[a.y] * x;
    sums[2] += parameters[a.z] * x;
    sums[3] += parameters[a.w] * x;
    a += vec4u(own.outer_stride);
    b += vec4u(width);
  }
  for (var r = 0u; r < 4u; r++) {
    for (var c = 0u; c < 4u; c++) {
      if (4u * id.y + r < own.middle && 4u * id.x + c < width) {
        let target_value = select(
          own.inner + rows[r] * own.ins + columns[c],
          own.inner_bias + rows[r],
          columns[c] == own.ins,
        );
        gradients[target_value] += sums[r][c];
      }
    }
  }
}
