// metrics = (alignment, feat_std, feat_norm) from the one joined part of feature_metrics.wgsl. One invocation.
@group(0) @binding(0) var<storage, read> parts: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> metrics: array<f32>;

@compute @workgroup_size(1)
fn main() {
  let spread = parts[0];
  let rows = max(spread.w, 1.0);
  metrics[0] = parts[1].x / rows;
  metrics[1] = sqrt(spread.z / max(spread.x - 1.0, 1.0));
  metrics[2] = parts[1].y / rows;
}
