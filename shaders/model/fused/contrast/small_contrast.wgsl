// InfoNCE of small sets in one dispatch, gradients included: set s has size_s query rows of x from
// query_s on and as many key rows from key_s on, GROUP at most. loss[64 s] = the mean over i of
// −log(exp(q_i·k_i/τ) / Σ_j exp(q_i·k_j/τ)) of the rows scaled to unit length (at least floor_norm
// long), and gradient = its gradient to the rows as they were; rows of no set are left alone. x,
// gradient and unit (rows, BLOCKS) in vec4; p (sets, GROUP, GROUP). A workgroup a set, a lane a
// query and its key.
struct Params {
  inverse_temperature: f32, floor_norm: f32,
//! for s in SETS
  query_$s: u32, key_$s: u32, size_$s: u32,
//! end
}
@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> unit: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> p: array<f32>;
@group(0) @binding(3) var<storage, read_write> loss: array<f32>;
@group(0) @binding(4) var<storage, read_write> gradient: array<vec4f>;
@group(0) @binding(5) var<uniform> params: Params;

var<workgroup> row_loss: array<f32, GROUP>;

// Scales a row; returns its length.
fn make_unit(row: u32) -> f32 {
  let first = row * BLOCKS;
  var squares = vec4f();
  for (var b = first; b < first + BLOCKS; b++) {
    squares += x[b] * x[b];
  }
  let norm = sqrt(squares.x + squares.y + squares.z + squares.w);
  let factor = 1.0 / max(norm, params.floor_norm);
  for (var b = first; b < first + BLOCKS; b++) {
    unit[b] = x[b] * factor;
  }
  return norm;
}

// From Σ p · unit, which is in gradient, to the gradient of the row that was scaled.
fn finish(row: u32, norm: f32, scale: f32) {
  let first = row * BLOCKS;
  var along = 0.0;
  if (!(norm < params.floor_norm)) {
    var products = vec4f();
    for (var b = first; b < first + BLOCKS; b++) {
      products += gradient[b] * unit[b];
    }
    along = products.x + products.y + products.z + products.w;
  }
  let factor = scale / max(norm, params.floor_norm);
  for (var b = first; b < first + BLOCKS; b++) {
    gradient[b] = (gradient[b] - along * unit[b]) * factor;
  }
}

@compute @workgroup_size(GROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  var own = vec3u(params.query_0, params.key_0, params.size_0);
//! for s in SETS
  own = select(own, vec3u(params.query_$s, params.key_$s, params.size_$s), group.x == $su);
//! end
  let size = own.z;
  let query = own.x + lane;
  let key = own.y + lane;
  let first_p = group.x * GROUP * GROUP;
  let has_row = lane < size;
  var query_norm = 0.0;
  var key_norm = 0.0;
  if (has_row) {
    query_norm = make_unit(query);
    key_norm = make_unit(key);
  }
  storageBarrier();
  if (has_row) {
    let at = first_p + lane * GROUP;
    var largest = -3.4e38;
    var own_s = 0.0;
    for (var j = 0u; j < size; j++) {
      var products = vec4f();
      let a = query * BLOCKS;
      let b = (own.y + j) * BLOCKS;
      for (var d = 0u; d < BLOCKS; d++) {
        products += unit[a + d] * unit[b + d];
      }
      let s = (products.x + products.y + products.z + products.w) * params.inverse_temperature;
      p[at + j] = s;
      largest = max(largest, s);
      own_s = select(own_s, s, j == lane);
    }
    // The other keys' part of the sum is the probability that is missing: 1 − p would lose its
    // digits.
    var others = 0.0;
    for (var j = 0u; j < size; j++) {
      let term = exp(p[at + j] - largest);
      others += select(term, 0.0, j == lane);
      p[at + j] = term;
    }
    let sum = exp(own_s - largest) + others;
    row_loss[lane] = log(sum) + (largest - own_s);
    for (var j = 0u; j < size; j++) {
      p[at + j] = select(p[at + j], -others, j == lane) / sum;
    }
  }
  storageBarrier();
  workgroupBarrier();
  if (lane == 0u) {
    var total = 0.0;
    for (var i = 0u; i < size; i++) {
      total += row_loss[i];
    }
    loss[64u * group.x] = total / f32(size);
  }  if (has_row) {
    let scale = params.inverse_temperature / f32(size);
    for (var b = 0u; b < BLOCKS; b++) {
      var to_query = vec4f();
      var to_key = vec4f();
      for (var j = 0u; j < size; j++) {
        to_query += p[first_p + lane * GROUP + j] * unit[(own.y + j) * BLOCKS + b];
        to_key += p[first_p + j * GROUP + lane] * unit[(own.x + j) * BLOCKS + b];
      }
      gradient[query * BLOCKS + b] = to_query;
      gradient[key * BLOCKS + b] = to_key;
    }
    finish(query, query_norm, scale);
    finish(key, key_norm, scale);
  }
}
