// out[r, c] = combined(a[r, c], b[r · b_row + c · b_col]); src/tensor/ops/binary.ts puts the
// function before this, the strides broadcast b. `rows` counts elements when COLS is 1 (nothing to
// broadcast), else rows of COLS. One invocation an element.
struct Params { rows: u32, b_row: u32, b_col: u32, cols: u32 }
@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

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
  let u = a[i];
  let v = b[(i / params.cols) * params.b_row + (i % params.cols) * params.b_col];
  out[i] = combined(u, v);
}
