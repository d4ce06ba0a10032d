// Two linear layers as one, (outs, ins + 1) from `at` on: outer · inner, and in the last column outer · inner_bias +
// outer_bias. outer (outs, middle) with rows outer_stride apart, inner (middle, ins). The layer along z; an invocation makes
// a tile of 4 × 4 values. Past the edges the last row or column is computed again: no branch before the loop.
@group(0) @binding(0) var<storage, read> parameters: array<f32>;
@group(0) @binding(1) var<storage, read> layers: array<Merged>;
@group(0) @binding(2) var<storage, read_write> merged: array<f32>;

@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let own = layers[id.z];
  let width = own.ins + 1u;
  let rows = min(4u * id.y + vec4u(0u, 1u, 2u, 3u), vec4u(own.outs - 1u));
  let columns = min(4u * id.x + vec4u(0u, 1u, 2u, 3u), vec4u(own.ins));
  let is_bias = columns == vec4u(own.ins);
  var a = own.outer + rows * own.outer_stride;
  var b = select(own.inner + columns, vec4u(own.inner_bias), is_bias);
  let step = select(vec4u(own.ins), vec4u(1u), is_bias);
  var sums = mat4x4f();
  for (var m = 0u; m < own.middle; m++) {
    let x = vec4f(parameters[b.x], parameters[b.y], parameters[b.z], parameters[b.w]);
    sums[0] += parameters[a.x] * x;
    sums[1] += parameters[a.y] * x;
    sums[2] += parameters[a.z] * x;
    sums[3] += parameters[a.w] * x;
    a += vec4u(1u);
    b += step;
  }
  for (var r = 0u; r < 4u; r++) {
    for (var c = 0u; c < 4u; c++) {
      if (4u * id.y + r < own.outs && 4u * id.x + c < width) {
        merged[own.at + rows[r] * width + columns[c]] = sums[r][c] +
          select(0.0, parameters[own.outer_bias + rows[r]], is_bias[c]);
      }
    }
  }
}
