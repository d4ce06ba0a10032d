/** LayerNorm over the last dimension. */

import backwardWgsl from "../../../shaders/tensor/reduce/layer_norm_backward.wgsl" with {
  type: "text",
};
import forwardWgsl from "../../../shaders/tensor/reduce/layer_norm.wgsl" with { type: "text" };
import scaledWgsl from "../../../shaders/tensor/reduce/layer_norm_scaled.wgsl" with {
  type: "text",
};
import { formatShape } from "../shapes.ts";
import { checkInputs } from "../inputs.ts";
import { empty, record, type Tensor } from "../tensor.ts";
import { sumRows } from "./sum.ts";

/**
 * (x − mean) / sqrt(var + eps) · weight + bias over each row, with the biased variance, as
 * PyTorch's LayerNorm. x (…, C), weight [C], bias [C].
 */
export function layerNorm(x: Tensor, weight: Tensor, bias: Tensor, eps = 1e-5): Tensor {
  const device = checkInputs("layerNorm", [x, weight, bias]);
  const { rows, cols } = x;
  if (weight.size !== cols || bias.size !== cols) {
    throw new TypeError(
      `Cannot normalise ${formatShape(x.shape)} with weight ${
        formatShape(weight.shape)
      } and bias ` +
        `${formatShape(bias.shape)}: both must be [${cols}].`,
    );
  }
  const out = empty(device, x.shape);
  const stats = empty(device, [rows, 2]);
  device.runRows(device.kernel("layer_norm", forwardWgsl), {
    rows,
    rowsPerGroup: 64,
    byRow: { x: [x.slice, cols * 4], out: [out.slice, cols * 4], stats: [stats.slice, 8] },
    whole: { weight: weight.slice, bias: bias.slice },
    params: { cols, eps },
  });
  return record("layerNorm", out, [x, weight, bias], (gradient) => {
    const dx = empty(device, x.shape);
    const shared = {
      x: [x.slice, cols * 4],
      gradient: [gradient.slice, cols * 4],
      stats: [stats.slice, 8],
    } as const;
    device.runRows(device.kernel("layer_norm_backward", backwardWgsl), {
      rows,
      rowsPerGroup: 64,
      byRow: { ...shared, out: [dx.slice, cols * 4] },
      whole: { weight: weight.slice },
      params: { cols },
    });
    const scaled = empty(device, [rows, cols]);
    device.runRows(device.kernel("layer_norm_scaled", scaledWgsl), {
      rows,
      rowsPerGroup: 256 / cols,
      byRow: { ...shared, out: [scaled.slice, cols * 4] },
      params: { cols },
    });
    return [dx, sumRows(scaled), sumRows(gradient)];
  });
}
