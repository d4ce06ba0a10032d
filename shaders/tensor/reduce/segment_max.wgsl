// Per-channel maxima over segments, with the row each came from: value[s, c] = max x[p, c] over p
// in [run_start[s], run_end[s]), arg[s, c] = the first p that reaches it. With LATER, x holds
// maxima of pieces of the segments and piece_arg their rows, which are passed on. An empty segment
// gives 0 and no row (0xffffffff). x and piece_arg are bound from row first_row on; of the segments
// bound, first_run … first_run + runs − 1 are done. One invocation an output, or with VEC4 four
// neighbouring ones; cols counts them. No branch around the loads but the loop: on the software
// device each would cost more than the comparison.
struct Params { runs: u32, first_run: u32, cols: u32, first_row: u32 }
//! if VEC4
alias Value = vec4f;
alias Rows = vec4u;
alias Flags = vec4<bool>;
//! end
//! if !VEC4
alias Value = f32;
alias Rows = u32;
alias Flags = bool;
//! end
@group(0) @binding(0) var<storage, read> x: array<Value>;
@group(0) @binding(1) var<storage, read> piece_arg: array<Rows>;
@group(0) @binding(2) var<storage, read> run_start: array<u32>;
@group(0) @binding(3) var<storage, read> run_end: array<u32>;
@group(0) @binding(4) var<storage, read_write> value: array<Value>;
@group(0) @binding(5) var<storage, read_write> arg: array<Rows>;
@group(0) @binding(6) var<uniform> params: Params;

// NaN loses every comparison: it has to win, so that it is seen.
fn is_nan(v: Value) -> Flags {
  return (bitcast<Rows>(v) & Rows(0x7fffffffu)) > Rows(0x7f800000u);
}

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = linear_group(group, groups) * 256u + lane;
  let inside = i < params.runs * params.cols;
  let s = params.first_run + min(i / params.cols, params.runs - 1u);
  let c = i % params.cols;
  let first = run_start[s];
  let last = run_end[s];
  var best = Value();
  var row = Rows(0xffffffffu);
  // Two rows a turn: an odd segment's last turn takes its last row twice.
  for (var p = first; p < last; p += 2u) {
    let q = min(p + 1u, last - 1u);
    let at = (p - params.first_row) * params.cols + c;
    let next = (q - params.first_row) * params.cols + c;
    let u = x[at];
    let v = x[next];
    let later = (v > u) | is_nan(v);
    let w = select(u, v, later);
    let take = (w > best) | is_nan(w) | Flags(p == first);
    best = select(best, w, take);
//! if LATER
    row = select(row, select(piece_arg[at], piece_arg[next], later), take);
//! end
//! if !LATER
    row = select(row, select(Rows(p), Rows(q), later), take);
//! end
  }
  if (inside) {
    value[s * params.cols + c] = best;
    arg[s * params.cols + c] = row;
  }
}
