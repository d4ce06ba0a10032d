// The diagonal of a square matrix of size n: TO_MATRIX writes x (n) to out (n, n)'s diagonal, which
// was zero; otherwise out (n) is read from x (n, n). first_row is the first row of this window. One
// invocation an entry.
struct Params { rows: u32, first_row: u32, n: u32 }
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
  if (i >= params.rows) {
    return;
  }
  let entry = i * params.n + params.first_row + i;
  if (TO_MATRIX) {
    out[entry] = x[i];
  } else {
    out[i] = x[entry];
  }
}
