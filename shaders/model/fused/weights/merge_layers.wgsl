// Two linear layers as one, (outs, ins + 1) from `at` on: outer · inner, and in the last column
// outer · inner_bias + outer_bias. outer (outs, middle) with rows outer_stride apart, inner
// (middle, ins). The layer along z; an invocation makes a tile of 8 × 8 values. Past the edges the
// last row or column is computed again: no branch before the loop.
@group(0) @binding(0) var<storage, read> parameters: array<f32>;
@group(0) @binding(1) var<storage, read> layers: array<Merged>;
@group(0) @binding(2) var<storage, read_write> merged: array<f32>;

@compute @workgroup_size(16)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let own = layers[id.z];
  let width = own.ins + 1u;
  let tile = tile_of(id.x, width);
//! for h in TWO
  let rows_$h = min(tile.y + 4u * $hu + FIRST_FOUR, vec4u(own.outs - 1u));
  let columns_$h = min(tile.x + 4u * $hu + FIRST_FOUR, vec4u(own.ins));
  let is_bias_$h = columns_$h == vec4u(own.ins);
  var a_$h = own.outer + rows_$h * own.outer_stride;
  var b_$h = select(own.inner + columns_$h, vec4u(own.inner_bias), is_bias_$h);
  let step_$h = select(vec4u(own.ins), vec4u(1u), is_bias_$h);
//! for g in TWO
  var sums_$g_$h = mat4x4f();
//! end
//! end
  for (var m = 0u; m < own.middle; m++) {
//! for h in TWO
    let x_$h = vec4f(parameters[b_$h.x], parameters[b_$h.y], parameters[b_$h.z], parameters[b_$h.w]);
    b_$h += step_$h;
//! end
//! for g in TWO
//! for r in FOUR
    let y_$g_$r = parameters[a_$g[$ru]];
//! for h in TWO
    sums_$g_$h[$ru] += y_$g_$r * x_$h;
//! end
//! end
    a_$g += vec4u(1u);
//! end
  }
//! for g in TWO
//! for h in TWO
  for (var r = 0u; r < 4u; r++) {
    for (var c = 0u; c < 4u; c++) {
      if (tile.y + 4u * $gu + r < own.outs && tile.x + 4u * $hu + c < width) {
        merged[own.at + rows_$g[r] * width + columns_$h[c]] = sums_$g_$h[r][c] +
          select(0.0, parameters[own.outer_bias + rows_$g[r]], is_bias_$h[c]);
      }
    }
  }
//! end
//! end
}
