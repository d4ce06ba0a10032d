// Softmax of each column within each run: out[r, c] = exp(x[r, c] − m) / Σ exp(x[q, c] − m) over the run's rows q,
// m their maximum. One invocation a run and column.
struct Params { rows: u32, cols: u32 }
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> run_start: array<u32>;
@group(0) @binding(2) var<storage, read> run_end: array<u32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = linear_group(group, groups) * 256u + lane;
  if (i >= params.rows * params.cols) {
    return;
  }
  let first = run_start[i / params.cols];
  let last = run_end[i / params.cols];
  let cols = params.cols;
  let c = i % cols;
  var largest = -3.4028234e38;
  for (var r = first; r < last; r++) {
    largest = max(largest, x[r * cols + c]);
  }
  var total = 0.0;
  for (var r = first; r < last; r++) {
    total += exp(x[r * cols + c] - largest);
  }
  for (var r = first; r < last; r++) {
    out[r * cols + c] = exp(x[r * cols + c] - largest) / total;
  }
}
