// Partial weight gradients as row_weight_gradient.wgsl makes them, for a device where 8
// neighbouring invocations shuffle values cheaply: there a load costs as much as a dozen
// multiplications, so 8 invocations, a workgroup, share a tile of 8 · VECS blocks of outputs by
// K_BLOCKS blocks of inputs over a slice of the rows. Each loads VECS blocks of dz, its own
// outputs', and one of every 8 blocks of x, which all take from it by subgroupShuffle. WHOLE · 8 +
// REST = K_BLOCKS. With HALVES of 2 a workgroup is 16 neighbouring invocations, of which the upper
// 8 do the same for every other row; their sums are added at the end. The sums go through workgroup
// memory, for hundreds of stores to `out` would compile for seconds.
struct Params {
  chunk_first: u32, chunk_rows: u32, x_first: u32, x_stride: u32, out_blocks: u32, in_blocks: u32, slices: u32, slice_rows: u32, slice_stride: u32,
  sum_first: u32, add: u32,
}
@group(0) @binding(0) var<storage, read> total: array<u32>;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read> dz: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(4) var<uniform> params: Params;

/// One vec4 of inputs for each output and invocation.
var<workgroup> sums: array<vec4f, VECS * K_BLOCKS * 32u>;

@compute @workgroup_size(8u * HALVES)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(subgroup_invocation_id) lane: u32,
) {
  let place = lane & 7u;
  let half = lane & 8u;
  let unit = linear_group(group, groups);
  let tiles_k = (params.in_blocks + K_BLOCKS - 1u) / K_BLOCKS;
  let tiles_n = (params.out_blocks + 8u * VECS - 1u) / (8u * VECS);
  let slice = unit / (tiles_n * tiles_k);
  let tile = unit % (tiles_n * tiles_k);
  let n0 = tile / tiles_k * 8u * VECS;
  // The last tile begins early enough to be whole; what it shares with the one before, that one
  // stores.
  let own_k = tile % tiles_k * K_BLOCKS;
  let k0 = min(own_k, params.in_blocks - K_BLOCKS);
//! for i in VECS
  let n_$i = min(n0 + 8u * $iu + place, params.out_blocks - 1u);
//! for j in WHOLE
//! for q in EIGHT
  var s0_$i_$j_$q = vec4f();
  var s1_$i_$j_$q = vec4f();
  var s2_$i_$j_$q = vec4f();
  var s3_$i_$j_$q = vec4f();
//! end
//! end
//! for q in REST
  var t0_$i_$q = vec4f();
  var t1_$i_$q = vec4f();
  var t2_$i_$q = vec4f();
  var t3_$i_$q = vec4f();
//! end
//! end
  let k_rest = k0 + min(8u * WHOLE + place, K_BLOCKS - 1u);
  let rows = rows_here(total[0], params.chunk_first, params.chunk_rows);
  let length = rows_of_slice(rows, params.slices, params.slice_rows);
  let end = min(rows, (slice + 1u) * length);
  for (var pair = slice * length; pair < end; pair += HALVES) {
//! if PAIRS
    // Of an odd number of rows the upper half takes the last one twice, times zero.
    let own = pair + half / 8u;
    let row = min(own, end - 1u);
    let counts = own < end;
//! end
//! if !PAIRS
    let row = pair;
//! end
    let first_x = params.x_first + row * params.x_stride;
//! for i in VECS
//! if PAIRS
    let g_$i = select(vec4f(), dz[row * params.out_blocks + n_$i], counts);
//! end
//! if !PAIRS
    let g_$i = dz[row * params.out_blocks + n_$i];
//! end
//! end
//! for j in WHOLE
    let x_$j = x[first_x + k0 + 8u * $ju + place];
//! for q in EIGHT
    let x0_$j_$q = subgroupShuffle(x_$j.x, half + $qu);
    let x1_$j_$q = subgroupShuffle(x_$j.y, half + $qu);
    let x2_$j_$q = subgroupShuffle(x_$j.z, half + $qu);
    let x3_$j_$q = subgroupShuffle(x_$j.w, half + $qu);
//! for i in VECS
    s0_$i_$j_$q += g_$i * x0_$j_$q;
    s1_$i_$j_$q += g_$i * x1_$j_$q;
    s2_$i_$j_$q += g_$i * x2_$j_$q;
    s3_$i_$j_$q += g_$i * x3_$j_$q;
//! end
//! end
//! end
//! if REST
    let y = x[first_x + k_rest];
//! end
//! for q in REST
    let y0_$q = subgroupShuffle(y.x, half + $qu);
    let y1_$q = subgroupShuffle(y.y, half + $qu);
    let y2_$q = subgroupShuffle(y.z, half + $qu);
    let y3_$q = subgroupShuffle(y.w, half + $qu);
//! for i in VECS
    t0_$i_$q += g_$i * y0_$q;
    t1_$i_$q += g_$i * y1_$q;
    t2_$i_$q += g_$i * y2_$q;
    t3_$i_$q += g_$i * y3_$q;
//! end
//! end
  }
//! for i in VECS
//! for j in WHOLE
//! for q in EIGHT
  keep($iu * K_BLOCKS + 8u * $ju + $qu, place, mat4x4f(s0_$i_$j_$q, s1_$i_$j_$q, s2_$i_$j_$q, s3_$i_$j_$q));
//! end
//! end
//! for q in REST
  keep($iu * K_BLOCKS + 8u * WHOLE + $qu, place, mat4x4f(t0_$i_$q, t1_$i_$q, t2_$i_$q, t3_$i_$q));
//! end
//! end
  workgroupBarrier();
//! if PAIRS
  // Each half stores every other vec4.
  let odd = half / 8u;
//! end
//! if !PAIRS
  let odd = 0u;
//! end
  if (params.add != 0u && slice * length >= rows) {
    return;
  }
  let first_sum = slice * params.slice_stride + params.sum_first;
  for (var e = odd; e < VECS * K_BLOCKS * 4u; e += HALVES) {
    let n = n0 + e / (K_BLOCKS * 4u) * 8u + place;
    let k = k0 + (e / 4u) % K_BLOCKS;
    if (n < params.out_blocks && k >= own_k) {
      let at = first_sum + (4u * n + e % 4u) * params.in_blocks + k;
      var sum = sums[8u * e + place];
      if (params.add != 0u) {
        sum += out[at];
      }
      out[at] = sum;
    }
  }
}

/// A block's sums, a column an input, to workgroup memory, a vec4 an output.
fn keep(block: u32, place: u32, sum: mat4x4f) {
//! if PAIRS
  let rows = transpose(mat4x4f(
    sum[0] + subgroupShuffleXor(sum[0], 8u),
    sum[1] + subgroupShuffleXor(sum[1], 8u),
    sum[2] + subgroupShuffleXor(sum[2], 8u),
    sum[3] + subgroupShuffleXor(sum[3], 8u),
  ));
//! end
//! if !PAIRS
  let rows = transpose(sum);
//! end
  sums[32u * block + place] = rows[0];
  sums[32u * block + 8u + place] = rows[1];
  sums[32u * block + 16u + place] = rows[2];
  sums[32u * block + 24u + place] = rows[3];
}
