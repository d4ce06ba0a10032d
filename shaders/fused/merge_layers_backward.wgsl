// Gradients of merge_layers.wgsl, added to the parameters': from that of the product, g (outs, ins + 1) from `at` on,
//   outer += g · [inner, inner_bias]ᵀ, outer_bias += g's last column (z even);
//   [inner, inner_bias] += outerᵀ · g (z odd).
// Layer z / 2; no two of a dispatch share a parameter. An invocation makes a tile of 4 × 4 values. Past the edges the last row
// or column is computed again: no branch before the loop.
@group(0) @binding(0) var<storage, read> parameters: array<f32>;
@group(0) @binding(1) var<storage, read> layers: array<Merged>;
@group(0) @binding(2) var<storage, read> merged_gradient: array<f32>;
@group(0) @binding(3) var<storage, read_write> gradients: array<f32>;

fn to_outer(own: Merged, tile: vec2u) {
  let width = own.ins + 1u;
  let rows = min(4u * tile.y + vec4u(0u, 1u, 2u, 3u), vec4u(own.outs - 1u));
  let columns = min(4u * tile.x + vec4u(0u, 1u, 2u, 3u), vec4u(own.middle - 1u));
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
    if (4u * tile.y + r < own.outs) {
      let of_bias = merged_gradient[own.at + rows[r] * width + own.ins];
      for (var c = 0u; c < 4u; c++) {
        if (4u * tile.x + c < own.middle) {
          gradients[own.outer + rows[r] * own.outer_stride + columns[c]] += sums[r][c] +
            of_bias * parameters[own.inner_bias + columns[c]];
        }
      }
      if (tile.x == 0u) {
        gradients[own.outer_bias + rows[r]] += of_bias;
      }
    }
  }
}

fn to_inner(own: Merged, tile: vec2u) {
  let width = own.ins + 1u;
  let rows = min(4u * tile.y + vec4u(0u, 1u, 2u, 3u), vec4u(own.middle - 1u));
  let columns = min(4u * tile.x + vec4u(0u, 1u, 2u, 3u), vec4u(own.ins));
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
      if (4u * tile.y + r < own.middle && 4u * tile.x + c < width) {
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

@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let own = layers[id.z / 2u];
  if ((id.z & 1u) == 0u) {
    to_outer(own, id.xy);
  } else {
    to_inner(own, id.xy);
  }
}
