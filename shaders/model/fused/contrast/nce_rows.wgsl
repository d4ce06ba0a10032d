// InfoNCE, rows: joins a row's parts (nce_similarity.wgsl; `parts` of them) to lse = log Σ_j
// exp(s_j / τ) and stores loss = lse − q·k / τ of the row's own key, and in weight what makes
// stored similarities probabilities:
//   FIXED: 1 / Σ_j exp(s_j / τ − shift), a factor. Else: lse, to be taken off before exp.
//   STORE: similarities are in p, ACROSS: in across too. With FIXED the sum is taken off the row's
//   own key there, so that p · weight is the gradient, probability − [i = j]. Taking 1 off later
//   would lose the digits that are left when a row finds its own key.
// One invocation a row. MEAN: one workgroup walks all rows and stores their mean loss in loss[0]
// alone.
struct Params {
  rows: u32,
  first_row: u32,
  depth: u32,
  stride: u32,
  parts: u32,
//! if ACROSS
  across_stride: u32,
//! end
  inverse_temperature: f32,
}
@group(0) @binding(0) var<storage, read> part: array<vec2f>;
//! if !STORE
@group(0) @binding(1) var<storage, read> query: array<vec4f>;
@group(0) @binding(2) var<storage, read> key: array<vec4f>;
//! end
@group(0) @binding(3) var<storage, read_write> weight: array<f32>;
@group(0) @binding(4) var<storage, read_write> loss: array<f32>;
@group(0) @binding(5) var<uniform> params: Params;
//! if STORE
@group(0) @binding(6) var<storage, read_write> p: array<f32>;
//! end
//! if ACROSS
@group(0) @binding(7) var<storage, read_write> across: array<f32>;
//! end

//! if MEAN
var<workgroup> sums: array<f32, 64>;
//! end

fn row_loss(row: u32) -> f32 {
  var joined = part[row];
  for (var i = 1u; i < params.parts; i++) {
    let next = part[i * params.rows + row];
    let largest = max(joined.x, next.x);
    joined = vec2f(
      largest,
      joined.y * exp(joined.x - largest) + next.y * exp(next.x - largest),
    );
  }
  // The row's own term to the bit as it is in the sum, so that a key without rivals has loss 0.
  let own = params.first_row + row;
//! if STORE
  let at = ((own / 8u) * params.stride + row) * 8u + own % 8u;
  let term = p[at];
//! end
//! if !STORE
  var s = 0.0;
  for (var d = 0u; d < params.depth; d++) {
    let x = query[own * params.depth + d];
    let y = key[own * params.depth + d];
    s = fma(x.x, y.x, s);
    s = fma(x.y, y.y, s);
    s = fma(x.z, y.z, s);
    s = fma(x.w, y.w, s);
  }
  s *= params.inverse_temperature;
//! if FIXED
  let term = exp(s - joined.x);
//! end
//! if !FIXED
  let term = s;
//! end
//! end
//! if FIXED
  weight[row] = 1.0 / joined.y;
//! if STORE
  p[at] = term - joined.y;
//! end
//! if ACROSS
  across[((row / 8u) * params.across_stride + own) * 8u + row % 8u] = term - joined.y;
//! end
  // One quotient keeps the digits of a loss near 0. Where it would pass f32's range, as that of a
  // row opposed to its own key and like another does at a small τ, the loss is far from 0 and the
  // difference of logarithms has digits enough.
  return select(log(joined.y) - log(term), log(joined.y / term), joined.y < term * 1e38);
//! end
//! if !FIXED
  weight[row] = joined.x + log(joined.y);
  return joined.x - term + log(joined.y);
//! end
}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
//! if !MEAN
  let row = linear_group(group, groups) * 64u + lane;
  if (row < params.rows) {
    loss[params.first_row + row] = row_loss(row);
  }
//! end
//! if MEAN
  var sum = 0.0;
  for (var row = lane; row < params.rows; row += 64u) {
    sum += row_loss(row);
  }
  sums[lane] = sum;
  workgroupBarrier();
  if (lane == 0u) {
    for (var i = 1u; i < 64u; i++) {
      sum += sums[i];
    }
    loss[0] = sum / f32(params.rows);
  }
//! end
}
