// Gradient of the encoder's output at a chunk of listed points, (rows, BLOCKS) vec4, zero past the width:
//   MAX: a region's gradient goes to the point each channel's maximum came from;
//   otherwise to all its points, divided by their number.
// Points drawn for the point loss add their own, where this level holds their leaf. One invocation a row (x) and block (y).
struct Params { chunk_first: u32, chunk_rows: u32, width: u32, sampled: u32 }
@group(0) @binding(0) var<storage, read> total: array<u32>;
@group(0) @binding(1) var<storage, read> list: array<u32>;
@group(0) @binding(2) var<storage, read> region_of_point: array<u32>;
@group(0) @binding(3) var<storage, read> pooled_gradient: array<f32>;
//! if MAX
@group(0) @binding(4) var<storage, read> arg: array<u32>;
//! end
//! if !MAX
@group(0) @binding(4) var<storage, read> region_start: array<u32>;
@group(0) @binding(5) var<storage, read> region_end: array<u32>;
//! end
@group(0) @binding(6) var<storage, read> leaf_here: array<u32>;
@group(0) @binding(7) var<storage, read> sample_of_point: array<u32>;
@group(0) @binding(8) var<storage, read> sample_gradient: array<f32>;
@group(0) @binding(9) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(10) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let k = id.x;
  let j = id.y;
  if (k >= rows_here(total[0], params.chunk_first, params.chunk_rows)) {
    return;
  }
  let point = list[params.chunk_first + k];
  let region = region_of_point[point];
  var sample = 0xffffffffu;
  if (params.sampled != 0u && leaf_here[point] != 0u) {
    sample = sample_of_point[point];
  }
  var value = vec4f();
  for (var c = 0u; c < 4u; c++) {
    let channel = 4u * j + c;
    if (channel >= params.width) {
      break;
    }
    let at = region * params.width + channel;
//! if MAX
    if (arg[at] == point) {
      value[c] = pooled_gradient[at];
    }
//! end
//! if !MAX
    value[c] = pooled_gradient[at] / f32(region_end[region] - region_start[region]);
//! end
    if (sample != 0xffffffffu) {
      value[c] += sample_gradient[sample * params.width + channel];
    }
  }
  out[k * BLOCKS + j] = value;
}
