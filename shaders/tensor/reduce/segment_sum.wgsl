// Sums over segments: out[s, c] = Σ x[row, c] over positions p in [run_start[s], run_end[s]); row
// is p, or list[p] with INDIRECT. x is bound from row first_row on; of the segments bound,
// first_run … first_run + runs − 1 are done. One invocation an output.
struct Params { runs: u32, first_run: u32, cols: u32, first_row: u32 }
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> list: array<u32>;
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
  if (i >= params.runs * params.cols) {
    return;
  }
  let s = params.first_run + i / params.cols;
  let c = i % params.cols;
  var total = 0.0;
  for (var p = run_start[s]; p < run_end[s]; p++) {
    var row = p;
    if (INDIRECT) {
      row = list[p];
    }
    total += x[(row - params.first_row) * params.cols + c];
  }
  out[s * params.cols + c] = total;
}
