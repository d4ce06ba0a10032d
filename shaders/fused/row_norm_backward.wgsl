// Gradient of row_norm.wgsl: from gradient (rows, BLOCKS), of the activations, to dz (rows, BLOCKS); gradient itself becomes
// that of LayerNorm's output, from which row_norm_weights.wgsl makes the gradients of γ and β. One invocation a row.
struct Params { chunk_first: u32, chunk_rows: u32 }
@group(0) @binding(0) var<storage, read> total: array<u32>;
@group(0) @binding(1) var<storage, read> z: array<vec4f>;
@group(0) @binding(2) var<storage, read> gamma: array<f32>;
@group(0) @binding(3) var<storage, read> beta: array<f32>;
@group(0) @binding(4) var<storage, read> stats: array<vec2f>;
@group(0) @binding(5) var<storage, read_write> gradient: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> dz: array<vec4f>;
@group(0) @binding(7) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let row = id.x;
  if (row >= rows_here(total[0], params.chunk_first, params.chunk_rows)) {
    return;
  }
  let mean = stats[row].x;
  let rstd = stats[row].y;
  let base = row * BLOCKS;
  var h_sum = 0.0;
  var hx_sum = 0.0;
  for (var j = 0u; j < BLOCKS; j++) {
    let normal = (z[base + j] - mean) * rstd;
    let incoming = gradient[base + j];
    var dy = vec4f();
    for (var c = 0u; c < 4u; c++) {
      let channel = 4u * j + c;
      if (channel < WIDTH) {
        let y = normal[c] * gamma[channel] + beta[channel];
        if (GELU) {
          dy[c] = incoming[c] * gelu_slope(y);
        } else {
          dy[c] = select(0.0, incoming[c], y > 0.0);
        }
        h_sum += dy[c] * gamma[channel];
        hx_sum += dy[c] * gamma[channel] * normal[c];
      }
    }
    gradient[base + j] = dy;
  }
  h_sum /= f32(WIDTH);
  hx_sum /= f32(WIDTH);
  for (var j = 0u; j < BLOCKS; j++) {
    let normal = (z[base + j] - mean) * rstd;
    let dy = gradient[base + j];
    var value = vec4f();
    for (var c = 0u; c < 4u; c++) {
      let channel = 4u * j + c;
      if (channel < WIDTH) {
        value[c] = rstd * (dy[c] * gamma[channel] - h_sum - normal[c] * hx_sum);
      }
    }
    dz[base + j] = value;
  }
}
