// Partial gradients of γ and β over slices of the rows of a chunk, from those of each 8 rows:
// (eighths, COLUMNS) vec4, as a straight-line kernel stores them, to COLUMNS vec4 from sum_first on
// in each slice of out, added to what is there when `add`. The slices follow from the number of
// rows, so the order of summation repeats. One invocation a slice and column.
struct Params { chunk_first: u32, chunk_rows: u32, slices: u32, slice_rows: u32, slice_stride: u32, sum_first: u32, add: u32 }
@group(0) @binding(0) var<storage, read> total: array<u32>;
@group(0) @binding(1) var<storage, read> eighth: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(GROUP)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let own_slice = id.x / COLUMNS;
  let j = id.x % COLUMNS;
  let slice = min(own_slice, params.slices - 1u);
  let eighths = (rows_here(total[0], params.chunk_first, params.chunk_rows) + 7u) / 8u;
  let length = rows_of_slice(eighths, params.slices, params.slice_rows / 8u);
  var sum = vec4f();
  for (var e = slice * length; e < min(eighths, (slice + 1u) * length); e++) {
    sum += eighth[e * COLUMNS + j];
  }
  if (own_slice >= params.slices || (params.add != 0u && slice * length >= eighths)) {
    return;
  }
  let at = slice * params.slice_stride + params.sum_first + j;
  if (params.add != 0u) {
    sum += out[at];
  }
  out[at] = sum;
}
