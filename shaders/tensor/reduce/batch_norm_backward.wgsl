// The gradient of BatchNorm's input: out = weight / sqrt(variance + eps) · (gradient − bias_sum · share
// − n · weight_sum · share), n the normalised value, bias_sum and weight_sum the sums over all rows of
// the gradient and of gradient · n; share is 1 / rows where mean and variance are the rows' own, else 0.
// One invocation an element.
struct Params { rows: u32, cols: u32, eps: f32, share: f32 }
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> gradient: array<f32>;
@group(0) @binding(2) var<storage, read> mean: array<f32>;
@group(0) @binding(3) var<storage, read> variance: array<f32>;
@group(0) @binding(4) var<storage, read> weight: array<f32>;
@group(0) @binding(5) var<storage, read> weight_sum: array<f32>;
@group(0) @binding(6) var<storage, read> bias_sum: array<f32>;
@group(0) @binding(7) var<storage, read_write> out: array<f32>;
@group(0) @binding(8) var<uniform> params: Params;

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
  let c = i % params.cols;
  let scale = inverseSqrt(variance[c] + params.eps);
  let normal = (x[i] - mean[c]) * scale;
  let own = gradient[i] - params.share * (bias_sum[c] + normal * weight_sum[c]);
  out[i] = weight[c] * scale * own;
}
