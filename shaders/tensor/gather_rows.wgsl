// out[r] = x[index[r]], or zeros where index[r] is 0xffffffff. x is bound from row first_source on
// and has source_rows rows; rows of out whose source lies elsewhere are left alone. One invocation
// an element.
struct Params { rows: u32, cols: u32, first_source: u32, source_rows: u32 }
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> index: array<u32>;
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
  let source = index[i / params.cols];
  let row = source - params.first_source;
  if (source == 0xffffffffu) {
    out[i] = 0.0;
  } else if (source >= params.first_source && row < params.source_rows) {
    out[i] = x[row * params.cols + i % params.cols];
  }
}
