// Gradient of the encoder's output at a chunk of listed points, (rows, BLOCKS) vec4, zero past the width:
//   MAX: a region's gradient goes to the point each channel's maximum came from;
//   otherwise to all its points, divided by their number.
// Points drawn for the point loss add their own, where this level holds their leaf. One invocation a row (x) and block (y).
struct Params { chunk_first: u32, chunk_rows: u32, sampled: u32 }
@group(0) @binding(0) var<storage, read> total: array<u32>;
@group(0) @binding(1) var<storage, read> list: array<u32>;
@group(0) @binding(2) var<storage, read> region_of_point: array<u32>;
@group(0) @binding(3) var<storage, read> pooled_gradient: array<vec4f>;
//! if MAX
@group(0) @binding(4) var<storage, read> arg: array<vec4u>;
//! end
//! if !MAX
@group(0) @binding(4) var<storage, read> region_start: array<u32>;
@group(0) @binding(5) var<storage, read> region_end: array<u32>;
//! end
@group(0) @binding(6) var<storage, read> leaf_here: array<u32>;
@group(0) @binding(7) var<storage, read> sample_of_point: array<u32>;
@group(0) @binding(8) var<storage, read> sample_gradient: array<vec4f>;
@group(0) @binding(9) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(10) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let j = id.y;
  let rows = rows_here(total[0], params.chunk_first, params.chunk_rows);
  // Past the end the last row is made again and not stored: branches around loads cost more on the software device.
  let k = min(id.x, max(rows, 1u) - 1u);
  let point = list[params.chunk_first + k];
  let region = region_of_point[point];
  let at = region * BLOCKS + j;
//! if MAX
  var value = select(vec4f(), pooled_gradient[at], arg[at] == vec4u(point));
//! end
//! if !MAX
  var value = pooled_gradient[at] / f32(region_end[region] - region_start[region]);
//! end
  let drawn = sample_of_point[point];
  let sampled = params.sampled != 0u && leaf_here[point] != 0u && drawn != 0xffffffffu;
  value += select(vec4f(), sample_gradient[select(0u, drawn, sampled) * BLOCKS + j], sampled);
  if (id.x < rows) {
    out[k * BLOCKS + j] = value;
  }
}
