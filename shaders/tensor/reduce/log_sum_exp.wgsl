// out[r] = log Σ_c exp(x[r, c]), shifted by the row's largest value so that nothing overflows. One
// workgroup a row: 64 lanes take every 64th column, then combine in a fixed order.
struct Params { rows: u32, cols: u32 }
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;

var<workgroup> part: array<f32, 64>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = linear_group(group, groups);
  let inside = row < params.rows;
  let base = select(0u, row * params.cols, inside);
  var largest = -3.4028234e38;
  if (inside) {
    for (var c = lane; c < params.cols; c += 64u) {
      largest = max(largest, x[base + c]);
    }
  }
  part[lane] = largest;
  workgroupBarrier();
  for (var step = 32u; step > 0u; step >>= 1u) {
    if (lane < step) {
      part[lane] = max(part[lane], part[lane + step]);
    }
    workgroupBarrier();
  }
  largest = part[0];
  workgroupBarrier();
  var total = 0.0;
  if (inside) {
    for (var c = lane; c < params.cols; c += 64u) {
      total += exp(x[base + c] - largest);
    }
  }
  part[lane] = total;
  workgroupBarrier();
  for (var step = 32u; step > 0u; step >>= 1u) {
    if (lane < step) {
      part[lane] += part[lane + step];
    }
    workgroupBarrier();
  }
  if (inside && lane == 0u) {
    out[row] = largest + log(part[0]);
  }
}
