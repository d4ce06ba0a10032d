// Partial gradients of γ and β over slices of the rows of a chunk: [Σ dy · x̂, Σ dy], 2 · BLOCKS
// vec4 from sum_first on in each slice of out, added to what is there when `add`. The slices follow
// from the number of rows, so the order of summation repeats. One invocation a slice and block of
// channels.
struct Params { chunk_first: u32, chunk_rows: u32, slices: u32, slice_rows: u32, slice_stride: u32, sum_first: u32, add: u32 }
@group(0) @binding(0) var<storage, read> total: array<u32>;
@group(0) @binding(1) var<storage, read> z: array<vec4f>;
//! if STATS
@group(0) @binding(2) var<storage, read> stats: array<vec2f>;
//! end
@group(0) @binding(3) var<storage, read> dy: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(5) var<uniform> params: Params;

@compute @workgroup_size(GROUP)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let own_slice = id.x / BLOCKS;
  let j = id.x % BLOCKS;
  let slice = min(own_slice, params.slices - 1u);
  let rows = rows_here(total[0], params.chunk_first, params.chunk_rows);
  let length = rows_of_slice(rows, params.slices, params.slice_rows);
  var scaled = vec4f();
  var plain = vec4f();
  for (var row = slice * length; row < min(rows, (slice + 1u) * length); row++) {
    let g = dy[row * BLOCKS + j];
    plain += g;
//! if STATS
    scaled += g * (z[row * BLOCKS + j] - stats[row].x) * stats[row].y;
//! end
//! if !STATS
    scaled += g * z[row * BLOCKS + j];
//! end
  }
  if (own_slice >= params.slices || (params.add != 0u && slice * length >= rows)) {
    return;
  }
  let at = slice * params.slice_stride + params.sum_first + j;
  if (params.add != 0u) {
    scaled += out[at];
    plain += out[at + BLOCKS];
  }
  out[at] = scaled;
  out[at + BLOCKS] = plain;
}
