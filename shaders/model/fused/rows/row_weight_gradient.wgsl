// Partial weight gradients over slices of the rows of a chunk: Σ dz[row][n] · x[row][k], (4 ·
// OUT_BLOCKS, IN_BLOCKS) vec4 from sum_first on in each slice of out, added to what is there when
// `add`. An invocation computes a tile of 4 · TILE_N outputs by TILE_K vec4 of inputs over its
// slice. The slices follow from the number of rows, so the order of summation repeats.
struct Params {
  chunk_first: u32, chunk_rows: u32, x_first: u32, x_stride: u32, slices: u32, slice_rows: u32, slice_stride: u32, sum_first: u32, add: u32,
}
@group(0) @binding(0) var<storage, read> total: array<u32>;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read> dz: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(4) var<uniform> params: Params;

const TILES_N = (OUT_BLOCKS + TILE_N - 1u) / TILE_N;
const TILES_K = (IN_BLOCKS + TILE_K - 1u) / TILE_K;

@compute @workgroup_size(GROUP)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let own_slice = id.x / (TILES_N * TILES_K);
  // Past the end the last slice is summed again and not stored: a branch around the loop costs
  // speed on the software device.
  let slice = min(own_slice, params.slices - 1u);
  let tile = id.x % (TILES_N * TILES_K);
  let n0 = (tile / TILES_K) * TILE_N;
  let k0 = (tile % TILES_K) * TILE_K;
//! for n in TILE_N
  let n_$n = min(n0 + $nu, OUT_BLOCKS - 1u);
//! end
//! for k in TILE_K
  let k_$k = min(k0 + $ku, IN_BLOCKS - 1u);
//! for n in TILE_N
  var s0_$n_$k = vec4f();
  var s1_$n_$k = vec4f();
  var s2_$n_$k = vec4f();
  var s3_$n_$k = vec4f();
//! end
//! end
  let rows = rows_here(total[0], params.chunk_first, params.chunk_rows);
  let length = rows_of_slice(rows, params.slices, params.slice_rows);
  for (var row = slice * length; row < min(rows, (slice + 1u) * length); row++) {
//! for k in TILE_K
    let x_$k = x[params.x_first + row * params.x_stride + k_$k];
//! end
//! for n in TILE_N
    let g_$n = dz[row * OUT_BLOCKS + n_$n];
//! for k in TILE_K
    s0_$n_$k += g_$n.x * x_$k;
    s1_$n_$k += g_$n.y * x_$k;
    s2_$n_$k += g_$n.z * x_$k;
    s3_$n_$k += g_$n.w * x_$k;
//! end
//! end
  }
  let stored = own_slice < params.slices && (params.add == 0u || slice * length < rows);
//! for n in TILE_N
//! for k in TILE_K
  if (stored && n0 + $nu < OUT_BLOCKS && k0 + $ku < IN_BLOCKS) {
    let at = slice * params.slice_stride + params.sum_first + n_$n * 4u * IN_BLOCKS + k_$k;
    if (params.add != 0u) {
      s0_$n_$k += out[at];
      s1_$n_$k += out[at + IN_BLOCKS];
      s2_$n_$k += out[at + 2u * IN_BLOCKS];
      s3_$n_$k += out[at + 3u * IN_BLOCKS];
    }
    out[at] = s0_$n_$k;
    out[at + IN_BLOCKS] = s1_$n_$k;
    out[at + 2u * IN_BLOCKS] = s2_$n_$k;
    out[at + 3u * IN_BLOCKS] = s3_$n_$k;
  }
//! end
//! end
}
