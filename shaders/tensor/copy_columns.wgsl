// out[r, out_first + c] = x[r, x_first + c] for c below width: a block of columns. One invocation
// an element.
struct Params { rows: u32, width: u32, x_cols: u32, x_first: u32, out_cols: u32, out_first: u32 }
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = linear_group(group, groups) * 256u + lane;
  if (i < params.rows * params.width) {
    let r = i / params.width;
    let c = i % params.width;
    out[r * params.out_cols + params.out_first + c] = x[r * params.x_cols + params.x_first + c];
  }
}
