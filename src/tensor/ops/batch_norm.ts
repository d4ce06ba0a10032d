/** BatchNorm over rows. */

import backwardWgsl from "../../../shaders/tensor/reduce/batch_norm_backward.wgsl" with {
  type: "text",
};
import forwardWgsl from "../../../shaders/tensor/reduce/batch_norm.wgsl" with { type: "text" };
import scaledWgsl from "../../../shaders/tensor/reduce/batch_norm_scaled.wgsl" with {
  type: "text",
};
import { checkInputs } from "../inputs.ts";
import { formatShape } from "../shapes.ts";
import { empty, noGrad, record, type Tensor } from "../tensor.ts";
import { mul, scale, sub } from "./binary.ts";
import { sumRows } from "./sum.ts";

/** Mean and biased variance of each column, [C] both. */
export interface Statistics {
  /** Of all rows. */
  readonly mean: Tensor;
  /** The mean of the squared distances from the mean. */
  readonly variance: Tensor;
}

/**
 * Mean and biased variance of each column of x (rows, C). No gradient flows through them.
 *
 * @throws {TypeError} There are no rows.
 */
export function columnStatistics(x: Tensor): Statistics {
  const device = checkInputs("columnStatistics", [x]);
  const { rows } = x;
  if (rows === 0) {
    throw new TypeError(`Cannot take statistics of ${formatShape(x.shape)}: no rows.`);
  }
  using _ = noGrad(device);
  const mean = scale(sumRows(x), 1 / rows);
  const centred = sub(x, mean);
  const variance = scale(sumRows(mul(centred, centred)), 1 / rows);
  centred.dispose();
  return { mean, variance };
}

/** How `batchNorm` takes its statistics. */
export interface BatchNormOptions {
  /** Added to the variance; default 1e-5, PyTorch's. */
  readonly eps?: number;
  /**
   * Whether the statistics are those of x, so that gradients flow through them (training); false:
   * they are given (running ones). Default true.
   */
  readonly own?: boolean;
}

/**
 * (x − mean) / sqrt(variance + eps) · weight + bias of each column (Ioffe and Szegedy 2015), as
 * PyTorch's BatchNorm1d. x (rows, C), weight and bias [C].
 *
 * @throws {TypeError} Shapes do not fit.
 */
export function batchNorm(
  x: Tensor,
  weight: Tensor,
  bias: Tensor,
  { mean, variance }: Statistics,
  { eps = 1e-5, own = true }: BatchNormOptions = {},
): Tensor {
  const device = checkInputs("batchNorm", [x, weight, bias, mean, variance]);
  const { rows, cols } = x;
  const wrong = [weight, bias, mean, variance].find(({ size }) => size !== cols);
  if (wrong) {
    throw new TypeError(
      `Cannot normalise ${formatShape(x.shape)} with ${formatShape(wrong.shape)}: expected ` +
        `weight, bias, mean and variance of [${cols}].`,
    );
  }
  const statistics = { mean: mean.slice, variance: variance.slice };
  const rowBytes = cols * 4;
  const out = empty(device, x.shape);
  device.runRows(device.kernel("batch_norm", forwardWgsl), {
    rows,
    rowsPerGroup: 256 / cols,
    byRow: { x: [x.slice, rowBytes], out: [out.slice, rowBytes] },
    whole: { ...statistics, weight: weight.slice, bias: bias.slice },
    params: { cols, eps },
  });
  return record("batchNorm", out, [x, weight, bias], (gradient) => {
    const both = { x: [x.slice, rowBytes], gradient: [gradient.slice, rowBytes] } as const;
    const scaled = empty(device, x.shape);
    device.runRows(device.kernel("batch_norm_scaled", scaledWgsl), {
      rows,
      rowsPerGroup: 256 / cols,
      byRow: { ...both, out: [scaled.slice, rowBytes] },
      whole: statistics,
      params: { cols, eps },
    });
    const [toWeight, toBias] = [sumRows(scaled), sumRows(gradient)];
    scaled.dispose();
    const dx = empty(device, x.shape);
    device.runRows(device.kernel("batch_norm_backward", backwardWgsl), {
      rows,
      rowsPerGroup: 256 / cols,
      byRow: { ...both, out: [dx.slice, rowBytes] },
      whole: {
        ...statistics,
        weight: weight.slice,
        weight_sum: toWeight.slice,
        bias_sum: toBias.slice,
      },
      params: { cols, eps, share: own ? 1 / rows : 0 },
    });
    return [dx, toWeight, toBias];
  });
}
