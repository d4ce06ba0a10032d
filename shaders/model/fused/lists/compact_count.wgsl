// First of three steps that list the marked points in ascending order: marked points in each piece
// of 256. One invocation a piece.
struct Params { points: u32, pieces: u32 }
@group(0) @binding(0) var<storage, read> flags: array<u32>;
@group(0) @binding(1) var<storage, read_write> piece_count: array<u32>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= params.pieces) {
    return;
  }
  var marked = 0u;
  for (var p = id.x * 256u; p < min(params.points, (id.x + 1u) * 256u); p++) {
    marked += flags[p];
  }
  piece_count[id.x] = marked;
}
