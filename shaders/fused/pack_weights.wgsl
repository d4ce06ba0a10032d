// Weights as 4 × 4 blocks for row_linear.wgsl: block (j, k) holds outputs 4j … 4j+3 and inputs 4k … 4k+3, a column
// per input, so that out += block * in. weight (outs, ins) row-major; TRANSPOSED packs the transpose (for the gradient to
// the inputs). Past the edges: zeros. One invocation a block.
struct Params { outs: u32, ins: u32, out_blocks: u32, in_blocks: u32 }
@group(0) @binding(0) var<storage, read> weight: array<f32>;
@group(0) @binding(1) var<storage, read_write> packed: array<mat4x4f>;
@group(0) @binding(2) var<uniform> params: Params;

fn entry(o: u32, i: u32) -> f32 {
  if (o >= params.outs || i >= params.ins) {
    return 0.0;
  }
  if (TRANSPOSED) {
    return weight[i * params.outs + o];
  }
  return weight[o * params.ins + i];
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= params.out_blocks * params.in_blocks) {
    return;
  }
  let o = 4u * (id.x / params.in_blocks);
  let i = 4u * (id.x % params.in_blocks);
  var block = mat4x4f();
  for (var c = 0u; c < 4u; c++) {
    block[c] = vec4f(entry(o, i + c), entry(o + 1u, i + c), entry(o + 2u, i + c), entry(o + 3u, i + c));
  }
  packed[id.x] = block;
}
