// InfoNCE of a chunk of queries against all keys: from similarities s (rows, 4 · blocks; keys columns count) it takes for each
// row lse = log Σ_j exp(s_j / τ), shifted by the largest, and loss = lse − s_i / τ, i the row's own key. Streaming over
// chunks as in Inf-CL (arXiv 2410.17243): only lse is kept. One workgroup a row; lanes combine in a fixed order.
struct Params { rows: u32, first_row: u32, keys: u32, blocks: u32, inverse_temperature: f32 }
@group(0) @binding(0) var<storage, read> s: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> lse: array<f32>;
@group(0) @binding(2) var<storage, read_write> loss: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

var<workgroup> part: array<vec2f, 64>;

// Joins (largest, Σ exp(x − largest)) of two sets.
fn join(a: vec2f, b: vec2f) -> vec2f {
  let largest = max(a.x, b.x);
  return vec2f(largest, a.y * exp(a.x - largest) + b.y * exp(b.x - largest));
}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = min(linear_group(group, groups), params.rows - 1u);
  let base = row * params.blocks;
  let scale = params.inverse_temperature;
  var largest = -3.4028234e38;
  for (var j = lane; j < params.blocks; j += 64u) {
    let v = s[base + j] * scale;
    for (var c = 0u; c < 4u; c++) {
      if (4u * j + c < params.keys) {
        largest = max(largest, v[c]);
      }
    }
  }
  var total = 0.0;
  for (var j = lane; j < params.blocks; j += 64u) {
    let v = s[base + j] * scale;
    for (var c = 0u; c < 4u; c++) {
      if (4u * j + c < params.keys) {
        total += exp(v[c] - largest);
      }
    }
  }
  part[lane] = vec2f(largest, total);
  workgroupBarrier();
  for (var step = 32u; step > 0u; step >>= 1u) {
    if (lane < step) {
      part[lane] = join(part[lane], part[lane + step]);
    }
    workgroupBarrier();
  }
  if (lane == 0u) {
    let own = params.first_row + row;
    let result = part[0].x + log(part[0].y);
    lse[own] = result;
    loss[own] = result - s[base + own / 4u][own % 4u] * scale;
  }
}
