// Partial sums of the weight gradient of a sparse convolution: part[s, o, k, i] = Σ_v gradient[v, o]
// x[table[k, v], i] over the rows v of slice s, (slices, 4 · out_blocks, kernel, in_blocks) vec4.
// Bindings as in sparse_conv.wgsl; gradient is bound from row first_row on. With `add` the sums go on
// from what stands in part. An invocation computes 1 block of outputs × COLS blocks of inputs of one
// offset and slice.
struct Params {
  rows: u32,
  first_row: u32,
  in_blocks: u32,
  out_blocks: u32,
  kernel: u32,
  first_k: u32,
  offsets: u32,
  stride: u32,
  first_source: u32,
  source_rows: u32,
  slices: u32,
  add: u32,
}
@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read> table: array<u32>;
@group(0) @binding(2) var<storage, read> gradient: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> part: array<vec4f>;
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let ins = params.in_blocks;
  let outs = params.out_blocks;
  let tiles = (ins + COLS - 1u) / COLS;
  let task = linear_group(group, groups) * 64u + lane;
  if (task >= tiles * outs * params.offsets * params.slices) {
    return;
  }
  let first = (task % tiles) * COLS;
  let j = (task / tiles) % outs;
  let k = (task / (tiles * outs)) % params.offsets;
  let slice = task / (tiles * outs * params.offsets);
//! for c in COLS
  // Past the last block it is computed again, and not stored.
  let input_$c = min(first + $cu, ins - 1u);
  let at_$c = ((slice * 4u * outs + 4u * j) * params.kernel + params.first_k + k) * ins + input_$c;
  var sum_0_$c = vec4f();
  var sum_1_$c = vec4f();
  var sum_2_$c = vec4f();
  var sum_3_$c = vec4f();
  if (params.add != 0u) {
    sum_0_$c = part[at_$c];
    sum_1_$c = part[at_$c + params.kernel * ins];
    sum_2_$c = part[at_$c + 2u * params.kernel * ins];
    sum_3_$c = part[at_$c + 3u * params.kernel * ins];
  }
//! end
  let own = (params.rows + params.slices - 1u) / params.slices;
  let end = min((slice + 1u) * own, params.rows);
  for (var v = slice * own; v < end + group.z; v++) {
    let source = table[k * params.stride + params.first_row + v] - params.first_source;
    if (source >= params.source_rows) {
      continue;
    }
    let g = gradient[v * outs + j];
//! for c in COLS
    let x_$c = x[source * ins + input_$c];
    sum_0_$c += g.x * x_$c;
    sum_1_$c += g.y * x_$c;
    sum_2_$c += g.z * x_$c;
    sum_3_$c += g.w * x_$c;
//! end
  }
//! for c in COLS
  if (first + $cu < ins) {
    part[at_$c] = sum_0_$c;
    part[at_$c + params.kernel * ins] = sum_1_$c;
    part[at_$c + 2u * params.kernel * ins] = sum_2_$c;
    part[at_$c + 3u * params.kernel * ins] = sum_3_$c;
  }
//! end
}
