// Per-channel maxima over runs, with the row each came from: value[s, c] = max x[p, c] over p in
// [run_start[s], run_end[s]), arg[s, c] = the first p that reaches it. With LATER, x holds maxima of pieces of the runs
// and piece_arg their rows, which are passed on. An empty run gives 0 and no row (0xffffffff). x and piece_arg are
// bound from row first_row on; of the runs bound, first_run … first_run + runs − 1 are done. One invocation an output.
struct Params { runs: u32, first_run: u32, cols: u32, first_row: u32 }
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> piece_arg: array<u32>;
@group(0) @binding(2) var<storage, read> run_start: array<u32>;
@group(0) @binding(3) var<storage, read> run_end: array<u32>;
@group(0) @binding(4) var<storage, read_write> value: array<f32>;
@group(0) @binding(5) var<storage, read_write> arg: array<u32>;
@group(0) @binding(6) var<uniform> params: Params;

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
  let first = run_start[s];
  let last = run_end[s];
  var best = 0.0;
  var row = 0xffffffffu;
  if (first < last) {
    row = first;
    best = x[(first - params.first_row) * params.cols + c];
    for (var p = first + 1u; p < last; p++) {
      let v = x[(p - params.first_row) * params.cols + c];
      // NaN loses every comparison: let it win, so that it is seen.
      if (v > best || (bitcast<u32>(v) & 0x7fffffffu) > 0x7f800000u) {
        best = v;
        row = p;
      }
    }
    if (LATER) {
      row = piece_arg[(row - params.first_row) * params.cols + c];
    }
  }
  value[s * params.cols + c] = best;
  arg[s * params.cols + c] = row;
}
