// Second step: piece_count becomes the sum of the counts before each piece, total[0] the number of
// marked points. One workgroup.
struct Params { pieces: u32 }
@group(0) @binding(0) var<storage, read_write> piece_count: array<u32>;
@group(0) @binding(1) var<storage, read_write> total: array<u32>;
@group(0) @binding(2) var<uniform> params: Params;

var<workgroup> lane_sum: array<u32, 256>;

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) lane: u32) {
  let length = (params.pieces + 255u) / 256u;
  let first = min(params.pieces, lane * length);
  let last = min(params.pieces, first + length);
  var sum = 0u;
  for (var p = first; p < last; p++) {
    sum += piece_count[p];
  }
  lane_sum[lane] = sum;
  workgroupBarrier();
  var before = 0u;
  for (var l = 0u; l < lane; l++) {
    before += lane_sum[l];
  }
  for (var p = first; p < last; p++) {
    let count = piece_count[p];
    piece_count[p] = before;
    before += count;
  }
  if (lane == 255u) {
    total[0] = before;
  }
}
