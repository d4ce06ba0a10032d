// Joins parts of feature_metrics.wgsl, `count` of them, to one a workgroup by Chan's formula (Chan,
// Golub, LeVeque 1979), which does not cancel: out[2 · (first_out + group)] and the one behind it.
// METRICS: there is one workgroup, and out[0] becomes (alignment, feat_std, feat_norm, 0). Each
// lane takes every groups · 64th part; the order is fixed.
struct Params { count: u32, groups: u32, first_out: u32 }
@group(0) @binding(0) var<storage, read> parts: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(2) var<uniform> params: Params;

var<workgroup> spreads: array<vec4f, 64>;
var<workgroup> sums: array<vec4f, 64>;

fn join(p: vec4f, q: vec4f) -> vec4f {
  let n = p.x + q.x;
  let delta = q.y - p.y;
  let joined = vec4f(
    n,
    p.y + delta * (q.x / n),
    p.z + q.z + delta * delta * (p.x * q.x / n),
    p.w + q.w,
  );
  return select(joined, p, n == 0.0);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  var spread = vec4f();
  var sum = vec4f();
  for (var i = group.x * 64u + lane; i < params.count; i += params.groups * 64u) {
    spread = join(spread, parts[2u * i]);
    sum += parts[2u * i + 1u];
  }
  spreads[lane] = spread;
  sums[lane] = sum;
  workgroupBarrier();
  if (lane % 8u == 0u) {
    for (var i = lane + 1u; i < lane + 8u; i++) {
      spread = join(spread, spreads[i]);
      sum += sums[i];
    }
    spreads[lane] = spread;
    sums[lane] = sum;
  }
  workgroupBarrier();
  if (lane == 0u) {
    for (var i = 8u; i < 64u; i += 8u) {
      spread = join(spread, spreads[i]);
      sum += sums[i];
    }
    if (METRICS) {
      let rows = max(spread.w, 1.0);
      out[0] = vec4f(
        sum.x / rows,
        sqrt(spread.z / max(spread.x - 1.0, 1.0)),
        sum.y / rows,
        0.0,
      );
    } else {
      out[2u * (params.first_out + group.x)] = spread;
      out[2u * (params.first_out + group.x) + 1u] = sum;
    }
  }
}
