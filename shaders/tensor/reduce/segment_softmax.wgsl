// The steps of a softmax within segments: out[r, c] = combined(x[r, c], per_run[s, c]) with s =
// run_of_row[r]; src/tensor/ops/segments.ts puts the function before this: exp(x − v) with v the
// segment's maximum, x / v with v its sum, x − v for the gradient. 0 where run_of_row is
// 0xffffffff. One invocation an element; the segments themselves are reduced by segment_max and
// segment_sum.
struct Params { rows: u32, cols: u32 }
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> per_run: array<f32>;
@group(0) @binding(2) var<storage, read> run_of_row: array<u32>;
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
  let run = run_of_row[i / params.cols];
  if (run == 0xffffffffu) {
    out[i] = 0.0;
    return;
  }
  let v = per_run[run * params.cols + i % params.cols];
  out[i] = combined(x[i], v);
}
