// Gradient of the encoder's output at a chunk of listed points, (rows, BLOCKS) vec4, zero past the
// width:
//   MAX: a region's gradient goes to the point each channel's maximum came from;
//   otherwise to all its points, divided by their number.
// SAMPLED: points drawn for the point loss add their own, where this level holds their leaf. An
// invocation makes OWN blocks of a row (x), along y the next; past the list's end some point's,
// into the room that a chunk's buffers have: branches around loads cost more on the software
// device. All entries of `list` are points; more buffers than 8 no device need bind.
struct Params { chunk_first: u32, last: u32 }
@group(0) @binding(1) var<storage, read> list: array<u32>;
@group(0) @binding(2) var<storage, read> region_of_point: array<u32>;
@group(0) @binding(3) var<storage, read> pooled_gradient: array<vec4f>;
//! if MAX
@group(0) @binding(4) var<storage, read> arg: array<vec4u>;
//! end
//! if !MAX
@group(0) @binding(4) var<storage, read> points_of_region: array<u32>;
//! end
//! if SAMPLED
@group(0) @binding(6) var<storage, read> leaf_here: array<u32>;
@group(0) @binding(7) var<storage, read> sample_of_point: array<u32>;
@group(0) @binding(8) var<storage, read> sample_gradient: array<vec4f>;
//! end
@group(0) @binding(9) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(10) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let point = list[min(params.chunk_first + id.x, params.last)];
  let region = region_of_point[point];
//! if !MAX
  let count = f32(points_of_region[region]);
//! end
//! if SAMPLED
  let drawn = sample_of_point[point];
  let sampled = (leaf_here[point] != 0u) & (drawn != 0xffffffffu);
  let sample = select(0u, drawn, sampled) * BLOCKS;
//! end
//! for b in OWN
  let j_$b = id.y * OWN + $bu;
//! if MAX
  var value_$b = select(
    vec4f(), pooled_gradient[region * BLOCKS + j_$b], arg[region * BLOCKS + j_$b] == vec4u(point),
  );
//! end
//! if !MAX
  var value_$b = pooled_gradient[region * BLOCKS + j_$b] / count;
//! end
//! if SAMPLED
  value_$b += select(vec4f(), sample_gradient[sample + j_$b], sampled);
//! end
  out[id.x * BLOCKS + j_$b] = value_$b;
//! end
}
