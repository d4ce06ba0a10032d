// Gradients of merge_layers.wgsl, added to the parameters': from that of the product, g (outs, ins
// + 1) from `at` on,
//   outer += g · [inner, inner_bias]ᵀ, outer_bias += g's last column (z even);
//   [inner, inner_bias] += outerᵀ · g (z odd).
// Layer z / 2; no two of a dispatch share a parameter. An invocation makes a tile of 8 × 8 values.
// Past the edges the last row or column is computed again: no branch before the loop.
@group(0) @binding(0) var<storage, read> parameters: array<f32>;
@group(0) @binding(1) var<storage, read> layers: array<Merged>;
@group(0) @binding(2) var<storage, read> merged_gradient: array<f32>;
@group(0) @binding(3) var<storage, read_write> gradients: array<f32>;

fn to_outer(own: Merged, index: u32) {
  let width = own.ins + 1u;
  let tile = tile_of(index, own.middle);
//! for h in TWO
  let rows_$h = min(tile.y + 4u * $hu + FIRST_FOUR, vec4u(own.outs - 1u));
  let columns_$h = min(tile.x + 4u * $hu + FIRST_FOUR, vec4u(own.middle - 1u));
  var a_$h = own.at + rows_$h * width;
  var b_$h = own.inner + columns_$h * own.ins;
//! for g in TWO
  var sums_$g_$h = mat4x4f();
//! end
//! end
  for (var i = 0u; i < own.ins; i++) {
//! for h in TWO
    let x_$h = vec4f(parameters[b_$h.x], parameters[b_$h.y], parameters[b_$h.z], parameters[b_$h.w]);
    b_$h += vec4u(1u);
//! end
//! for g in TWO
//! for r in FOUR
    let y_$g_$r = merged_gradient[a_$g[$ru]];
//! for h in TWO
    sums_$g_$h[$ru] += y_$g_$r * x_$h;
//! end
//! end
    a_$g += vec4u(1u);
//! end
  }
//! for g in TWO
  for (var r = 0u; r < 4u; r++) {
    if (tile.y + 4u * $gu + r < own.outs) {
      let of_bias = merged_gradient[own.at + rows_$g[r] * width + own.ins];
//! for h in TWO
      for (var c = 0u; c < 4u; c++) {
        if (tile.x + 4u * $hu + c < own.middle) {
          gradients[own.outer + rows_$g[r] * own.outer_stride + columns_$h[c]] += sums_$g_$h[r][c] +
            of_bias * parameters[own.inner_bias + columns_$h[c]];
        }
      }
//! end
      if (tile.x == 0u) {
        gradients[own.outer_bias + rows_$g[r]] += of_bias;
      }
    }
  }
//! end
}

fn to_inner(own: Merged, index: u32) {
  let width = own.ins + 1u;
  let tile = tile_of(index, width);
//! for h in TWO
  let rows_$h = min(tile.y + 4u * $hu + FIRST_FOUR, vec4u(own.middle - 1u));
  let columns_$h = min(tile.x + 4u * $hu + FIRST_FOUR, vec4u(own.ins));
  var a_$h = own.outer + rows_$h;
  var b_$h = own.at + columns_$h;
//! for g in TWO
  var sums_$g_$h = mat4x4f();
//! end
//! end
  for (var o = 0u; o < own.outs; o++) {
//! for h in TWO
    let x_$h = vec4f(
      merged_gradient[b_$h.x], merged_gradient[b_$h.y], merged_gradient[b_$h.z], merged_gradient[b_$h.w],
    );
    b_$h += vec4u(width);
//! end
//! for g in TWO
//! for r in FOUR
    let y_$g_$r = parameters[a_$g[$ru]];
//! for h in TWO
    sums_$g_$h[$ru] += y_$g_$r * x_$h;
//! end
//! end
    a_$g += vec4u(own.outer_stride);
//! end
  }
//! for g in TWO
//! for h in TWO
  for (var r = 0u; r < 4u; r++) {
    for (var c = 0u; c < 4u; c++) {
      if (tile.y + 4u * $gu + r < own.middle && tile.x + 4u * $hu + c < width) {
        let target_value = select(
          own.inner + rows_$g[r] * own.ins + columns_$h[c],
          own.inner_bias + rows_$g[r],
          columns_$h[c] == own.ins,
        );
        gradients[target_value] += sums_$g_$h[r][c];
      }
    }
  }
//! end
//! end
}

@compute @workgroup_size(16)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let own = layers[id.z / 2u];
  if ((id.z & 1u) == 0u) {
    to_outer(own, id.x);
  } else {
    to_inner(own, id.x);
  }
}
