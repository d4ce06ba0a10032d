// Sums of listed rows over runs of points: out[s] (+)= Σ x[row − chunk_first] over the rows of the
// list that this chunk holds and whose points lie in [run_start[s], run_end[s]); position maps
// points to rows. (runs, BLOCKS) vec4. One invocation a run and block.
struct Params { chunk_first: u32, chunk_rows: u32, runs: u32, add: u32 }
@group(0) @binding(0) var<storage, read> total: array<u32>;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read> position: array<u32>;
@group(0) @binding(3) var<storage, read> run_start: array<u32>;
@group(0) @binding(4) var<storage, read> run_end: array<u32>;
@group(0) @binding(5) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(6) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = linear_group(group, groups) * 64u + lane;
  let s = i / BLOCKS;
  let j = i % BLOCKS;
  if (s >= params.runs) {
    return;
  }
  let chunk_last = params.chunk_first + rows_here(total[0], params.chunk_first, params.chunk_rows);
  let first = max(position[run_start[s]], params.chunk_first);
  let last = min(position[run_end[s]], chunk_last);
  var sum = vec4f();
  for (var row = first; row < last; row++) {
    sum += x[(row - params.chunk_first) * BLOCKS + j];
  }
  if (params.add != 0u) {
    sum += out[i];
  }
  out[i] = sum;
}
