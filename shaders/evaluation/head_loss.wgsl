// Loss of linear classifiers and its slope, for several problems side by side: scores (rows,
// problems · classes), labels (rows), losses (rows, problems), slopes like scores. One invocation a
// row and problem. SVM false: cross-entropy of the softmax, log Σ exp(s) − s[label]. SVM true: one
// against the rest with squared hinges, Σ_c max(0, 1 − y_c s_c)², y_c = 1 for the label and −1 for
// every other class.
struct Params { rows: u32, problems: u32, classes: u32 }
@group(0) @binding(0) var<storage, read> scores: array<f32>;
@group(0) @binding(1) var<storage, read> labels: array<u32>;
@group(0) @binding(2) var<storage, read_write> losses: array<f32>;
@group(0) @binding(3) var<storage, read_write> slopes: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = linear_group(group, groups) * 64u + lane;
  if (i >= params.rows * params.problems) {
    return;
  }
  let label = labels[i / params.problems];
  let base = i * params.classes;
  var loss = 0.0;
  if (SVM) {
    for (var c = 0u; c < params.classes; c++) {
      let y = select(-1.0, 1.0, c == label);
      let short = max(0.0, 1.0 - y * scores[base + c]);
      loss += short * short;
      slopes[base + c] = -2.0 * y * short;
    }
  } else {
    var top = scores[base];
    for (var c = 1u; c < params.classes; c++) {
      top = max(top, scores[base + c]);
    }
    var total = 0.0;
    for (var c = 0u; c < params.classes; c++) {
      total += exp(scores[base + c] - top);
    }
    for (var c = 0u; c < params.classes; c++) {
      let p = exp(scores[base + c] - top) / total;
      slopes[base + c] = p - select(0.0, 1.0, c == label);
    }
    loss = log(total) + top - scores[base + label];
  }
  losses[i] = loss;
}
