// LayerNorm and activation of a chunk of listed rows, then the extra inputs of the next layer appended:
//   out row = [act(LN(z)) in BLOCKS vec4, zero past WIDTH] [EXTRA vec4 of inputs from extra_first on]
// z (rows, BLOCKS) vec4; stats (rows) keeps (mean, rstd). One invocation a row.
struct Params { chunk_first: u32, chunk_rows: u32, input_slots: u32, extra_first: u32, eps: f32 }
@group(0) @binding(0) var<storage, read> total: array<u32>;
@group(0) @binding(1) var<storage, read> z: array<vec4f>;
@group(0) @binding(2) var<storage, read> gamma: array<f32>;
@group(0) @binding(3) var<storage, read> beta: array<f32>;
@group(0) @binding(4) var<storage, read> inputs: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> stats: array<vec2f>;
@group(0) @binding(7) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let row = id.x;
  if (row >= rows_here(total[0], params.chunk_first, params.chunk_rows)) {
    return;
  }
  // Columns past WIDTH are zero in z, so that they add nothing to the sum.
  var total_4 = vec4f();
  for (var j = 0u; j < BLOCKS; j++) {
    total_4 += z[row * BLOCKS + j];
  }
  let mean = (total_4.x + total_4.y + total_4.z + total_4.w) / f32(WIDTH);
  var square = vec4f();
  for (var j = 0u; j < BLOCKS; j++) {
    let d = z[row * BLOCKS + j] - mean;
    square += select(d * d, vec4f(), vec4u(4u * j) + vec4u(0u, 1u, 2u, 3u) >= vec4u(WIDTH));
  }
  let rstd = inverseSqrt((square.x + square.y + square.z + square.w) / f32(WIDTH) + params.eps);
  stats[row] = vec2f(mean, rstd);
  let at = row * (BLOCKS + EXTRA);
  for (var j = 0u; j < BLOCKS; j++) {
    let normal = (z[row * BLOCKS + j] - mean) * rstd;
    var value = vec4f();
    for (var c = 0u; c < 4u; c++) {
      let channel = 4u * j + c;
      if (channel < WIDTH) {
        let y = normal[c] * gamma[channel] + beta[channel];
        if (GELU) {
          value[c] = gelu(y);
        } else {
          value[c] = max(y, 0.0);
        }
      }
    }
    out[at + j] = value;
  }
  for (var e = 0u; e < EXTRA; e++) {
    out[at + BLOCKS + e] = inputs[row * params.input_slots + params.extra_first + e];
  }
}
