// What the layers of the region encoder read besides activations, for a chunk of listed rows, in
// vec4 slots:
//   [x, 0] [x − c, 1] [features …, 1, 0 …] [1, 0, 0, 0]
// x the point's coordinates, c its region's centre. With PLACED the first x is from the point
// `origin`, its parent region's centre. The ones make biases ordinary weight columns. FEATURES are
// 4 · FULL + TAIL. One invocation a row; no branches and no loops, which cost several times as much
// on the software device: past the end the last row is written again, into the room that buffers of
// a chunk have.
struct Params { chunk_first: u32, chunk_rows: u32 }
@group(0) @binding(0) var<storage, read> total: array<u32>;
@group(0) @binding(1) var<storage, read> list: array<u32>;
@group(0) @binding(2) var<storage, read> coords: array<f32>;
@group(0) @binding(3) var<storage, read> feats: array<f32>;
@group(0) @binding(4) var<storage, read> region_of_point: array<u32>;
@group(0) @binding(5) var<storage, read> center: array<u32>;
@group(0) @binding(6) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(7) var<uniform> params: Params;
//! if PLACED
@group(0) @binding(8) var<storage, read> origin: array<u32>;
//! end

fn point(row: u32) -> vec3f {
  return vec3f(coords[3u * row], coords[3u * row + 1u], coords[3u * row + 2u]);
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let k = id.x;
  let rows = rows_here(total[0], params.chunk_first, params.chunk_rows);
  let row = list[params.chunk_first + min(k, max(rows, 1u) - 1u)];
  let x = point(row);
  let at = k * (FULL + 4u);
//! if PLACED
  out[at] = vec4f(x - point(origin[row]), 0.0);
//! end
//! if !PLACED
  out[at] = vec4f(x, 0.0);
//! end
  out[at + 1u] = vec4f(x - point(center[region_of_point[row]]), 1.0);
  let feature = row * FEATURES;
//! for s in FULL
  let f_$s = feature + 4u * $su;
  out[at + 2u + $su] = vec4f(feats[f_$s], feats[f_$s + 1u], feats[f_$s + 2u], feats[f_$s + 3u]);
//! end
  var last = vec4f();
//! for c in TAIL
  last[$c] = feats[feature + 4u * FULL + $cu];
//! end
  last[TAIL] = 1.0;
  out[at + 2u + FULL] = last;
  out[at + 3u + FULL] = vec4f(1.0, 0.0, 0.0, 0.0);
}
