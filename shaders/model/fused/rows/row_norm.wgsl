// LayerNorm and activation of a chunk of listed rows, then the extra inputs of the next layer
// appended:
//   out row = [act(LN(z)) in BLOCKS vec4] [EXTRA vec4 of inputs from extra_first on]
// z (rows, BLOCKS) vec4; gamma, beta (BLOCKS) vec4; stats (rows) keeps (mean, rstd). Past WIDTH z,
// gamma and beta are zero, and so is out. One invocation a row; rows past the chunk's end compute
// on what is there, in room that the buffers have (RowChunk.room).
struct Params { input_slots: u32, extra_first: u32, eps: f32 }
@group(0) @binding(1) var<storage, read> z: array<vec4f>;
@group(0) @binding(2) var<storage, read> gamma: array<vec4f>;
@group(0) @binding(3) var<storage, read> beta: array<vec4f>;
@group(0) @binding(4) var<storage, read> inputs: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> stats: array<vec2f>;
@group(0) @binding(7) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let row = id.x;
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
    let y = (z[row * BLOCKS + j] - mean) * rstd * gamma[j] + beta[j];
    if (GELU) {
      out[at + j] = gelu4(y);
    } else {
      out[at + j] = select(y, vec4f(), y < vec4f());
    }
  }
  for (var e = 0u; e < EXTRA; e++) {
    out[at + BLOCKS + e] = inputs[row * params.input_slots + params.extra_first + e];
  }
}
