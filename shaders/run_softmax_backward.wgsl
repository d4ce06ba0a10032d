// Gradient of softmax y within runs: out[r, c] = y[r, c] (g[r, c] − Σ_q y[q, c] g[q, c]). One invocation a run and column.
struct Params { rows: u32, cols: u32 }
@group(0) @binding(0) var<storage, read> y: array<f32>;
@group(0) @binding(1) var<storage, read> gradient: array<f32>;
@group(0) @binding(2) var<storage, read> run_start: array<u32>;
@group(0) @binding(3) var<storage, read> run_end: array<u32>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;
@group(0) @binding(5) var<uniform> params: Params;

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
  var along = 0.0;
  for (var r = first; r < last; r++) {
    along += y[r * cols + c] * gradient[r * cols + c];
  }
  for (var r = first; r < last; r++) {
    out[r * cols + c] = y[r * cols + c] * (gradient[r * cols + c] - along);
  }
}
