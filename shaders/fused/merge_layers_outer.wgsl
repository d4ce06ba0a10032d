// Gradients of merge_layers.wgsl to the outer layer, added to the parameters': from that of the product, g (outs, ins + 1)
// from `at` on, outer += g · [inner, inner_bias]ᵀ, outer_bias += g's last column. The layer along z; an invocation makes a
// tile of 4 × 4 values. Past the edges the last row or column is computed again: no branch before the loop.
@group(0) @binding(0) var<storage, read> parameters: array<f32>;
@group(0) @binding(1) var<storage, read> layers: array<Merged>;
@group(0) @binding(2) var<storage, read> merged_gradient: array<f32>;
@group(0) @binding(3) var<storage, read_write> gradients: array<f32>;

@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let own = layers[id.z];
  let width = own.ins + 1u;
  let rows = min(4u * id.y + vec4u(0u, 1u, 2u, 3u), vec4u(own.outs - 1u));
  let columns = min(4u * id.x + vec4u(0u, 1u, 2u, 3u), vec4u(own.middle - 1u));
  var a = own.at + rows * width;
  var b = own.inner + columns * own.ins;
  var sums = mat4x4f();
  for (var i = 0u; i < own.ins; i++) {
    let x = vec4f(parameters[b.x], parameters[b.y], parameters[b.z], parameters[b.w]);
    sums[0] += merged_gradient[a.x] * x;
    sums[1] += merged_gradient[a.y] * x;
    sums[2] += merged_gradient[a.z] * x;
    sums[3] += merged_gradient[a.w] * x;
    a += vec4u(1u);
    b += vec4u(1u);
  }
  for (var r = 0u; r < 4u; r++) {
    if (4u * id.y + r < own.outs) {
      let of_bias = merged_gradient[own.at + rows[r] * width + own.ins];
      for (var c = 0u; c < 4u; c++) {
        if (4u * id.x + c < own.middle) {
          gradients[own.outer + rows[r] * own.outer_stride + columns[c]] += sums[r][c] +
            of_bias * parameters[own.inner_bias + columns[c]];
        }
      }
      if (id.x == 0u) {
        gradients[own.outer_bias + rows[r]] += of_bias;
      }
    }
  }
}
