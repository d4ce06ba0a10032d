// Gradient of segment maxima: out[arg[s, c], c] = gradient[s, c]. out was zero; segments are
// disjoint, so no two write the same place. out is bound from row first_out on and has out_rows
// rows. One invocation an entry of gradient.
struct Params { rows: u32, cols: u32, first_out: u32, out_rows: u32 }
@group(0) @binding(0) var<storage, read> gradient: array<f32>;
@group(0) @binding(1) var<storage, read> arg: array<u32>;
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
  let row = arg[i] - params.first_out;
  if (arg[i] != 0xffffffffu && arg[i] >= params.first_out && row < params.out_rows) {
    out[row * params.cols + i % params.cols] = gradient[i];
  }
}
