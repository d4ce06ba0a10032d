// Gradient of row_norm.wgsl: from gradient (rows, BLOCKS), of the activations, to dz (rows,
// BLOCKS); gradient itself becomes that of LayerNorm's output, from which row_norm_weights.wgsl
// makes the gradients of γ and β. One invocation a row; rows past the chunk's end compute on what
// is there, in room that the buffers have (RowChunk.room).
@group(0) @binding(1) var<storage, read> z: array<vec4f>;
@group(0) @binding(2) var<storage, read> gamma: array<vec4f>;
@group(0) @binding(3) var<storage, read> beta: array<vec4f>;
@group(0) @binding(4) var<storage, read> stats: array<vec2f>;
@group(0) @binding(5) var<storage, read_write> gradient: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> dz: array<vec4f>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let row = id.x;
  let mean = stats[row].x;
  let rstd = stats[row].y;
  let base = row * BLOCKS;
  var h_sums = vec4f();
  var hx_sums = vec4f();
  for (var j = 0u; j < BLOCKS; j++) {
    let normal = (z[base + j] - mean) * rstd;
    // Past WIDTH gamma and beta are zero, and with them y and h.
    let y = normal * gamma[j] + beta[j];
    var dy = gradient[base + j];
    if (GELU) {
      dy *= gelu_slope4(y);
    } else {
      dy = select(vec4f(), dy, y > vec4f());
    }
    let h = dy * gamma[j];
    h_sums += h;
    hx_sums += h * normal;
    gradient[base + j] = dy;
  }
  let h_mean = (h_sums.x + h_sums.y + h_sums.z + h_sums.w) / f32(WIDTH);
  let hx_mean = (hx_sums.x + hx_sums.y + hx_sums.z + hx_sums.w) / f32(WIDTH);
  for (var j = 0u; j < BLOCKS; j++) {
    let normal = (z[base + j] - mean) * rstd;
    let value = rstd * (gradient[base + j] * gamma[j] - h_mean - normal * hx_mean);
    let past = vec4u(4u * j) + vec4u(0u, 1u, 2u, 3u) >= vec4u(WIDTH);
    dz[base + j] = select(value, vec4f(), past);
  }
}
