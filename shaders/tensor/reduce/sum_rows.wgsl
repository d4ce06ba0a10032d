// Partial column sums: out[first_out + k, c] = Σ x[r, c] over the rows r = k, k + chunks, k +
// 2·chunks, … below rows.
//   x (rows, cols), out (chunks, cols). One invocation an output; repeated until one row is left.
// Interleaved rows keep neighbouring invocations on neighbouring addresses also where cols is 1.
// The order of summation is fixed, so results repeat to the bit.
struct Params { rows: u32, cols: u32, chunks: u32, first_out: u32 }
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = linear_group(group, groups) * 256u + lane;
  if (i >= params.chunks * params.cols) {
    return;
  }
  let c = i % params.cols;
  var total = 0.0;
  for (var r = i / params.cols; r < params.rows; r += params.chunks) {
    total += x[r * params.cols + c];
  }
  out[params.first_out * params.cols + i] = total;
}
