// What the layers of the region encoder read besides activations, for a chunk of listed rows, in vec4 slots:
//   [x, 0] [x − c, 1] [features …, 1, 0 …] [1, 0, 0, 0]
// x the point's coordinates, c its region's centre. With PLACED the first x is from the point `origin`, its parent region's centre. The ones make biases ordinary weight columns. One invocation a row.
struct Params { chunk_first: u32, chunk_rows: u32, features: u32, slots: u32 }
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
  if (k >= rows_here(total[0], params.chunk_first, params.chunk_rows)) {
    return;
  }
  let row = list[params.chunk_first + k];
  let x = point(row);
  let at = k * params.slots;
//! if PLACED
  out[at] = vec4f(x - point(origin[row]), 0.0);
//! end
//! if !PLACED
  out[at] = vec4f(x, 0.0);
//! end
  out[at + 1u] = vec4f(x - point(center[region_of_point[row]]), 1.0);
  for (var s = 0u; s + 3u < params.slots; s++) {
    var value = vec4f();
    for (var c = 0u; c < 4u; c++) {
      let f = 4u * s + c;
      if (f < params.features) {
        value[c] = feats[row * params.features + f];
      } else if (f == params.features) {
        value[c] = 1.0;
      }
    }
    out[at + 2u + s] = value;
  }
  out[at + params.slots - 1u] = vec4f(1.0, 0.0, 0.0, 0.0);
}
