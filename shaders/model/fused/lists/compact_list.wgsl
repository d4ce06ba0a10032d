// Third step: list holds the marked points in ascending order, position[p] the number of marked
// points before p (one entry more than there are points). One invocation a piece of 256 points.
struct Params { points: u32, pieces: u32 }
@group(0) @binding(0) var<storage, read> flags: array<u32>;
@group(0) @binding(1) var<storage, read> piece_first: array<u32>;
@group(0) @binding(2) var<storage, read_write> list: array<u32>;
@group(0) @binding(3) var<storage, read_write> position: array<u32>;
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= params.pieces) {
    return;
  }
  var at = piece_first[id.x];
  let last = min(params.points, (id.x + 1u) * 256u);
  for (var p = id.x * 256u; p < last; p++) {
    position[p] = at;
    if (flags[p] != 0u) {
      list[at] = p;
      at++;
    }
  }
  if (last == params.points) {
    position[last] = at;
  }
}
