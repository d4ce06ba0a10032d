/** A sum of a few scalars with weights: what losses are put together by. */

import backwardWgsl from "../../../shaders/tensor/weighted_sum_backward.wgsl" with { type: "text" };
import forwardWgsl from "../../../shaders/tensor/weighted_sum.wgsl" with { type: "text" };
import { checkInputs } from "../inputs.ts";
import { empty, record, Tensor } from "../tensor.ts";

/** Scalars that one dispatch reads: with the result, as many buffers as every device binds. */
const TOGETHER = 7;
/** Values from one scalar to the next where each is to be bound: 256 bytes. */
const SLOT = 64;

/** Σ_k weights[k] · scalars[k], plain numbers times one-element tensors. At least one. */
export function weightedSum(scalars: readonly Tensor[], weights: readonly number[]): Tensor {
  if (scalars.length === 0 || scalars.length !== weights.length) {
    throw new TypeError(`Cannot add ${scalars.length} values with ${weights.length} weights.`);
  }
  const device = checkInputs("weightedSum", scalars);
  const wide = scalars.find(({ size }) => size !== 1);
  if (wide) throw new TypeError(`Cannot add values with weights: one has ${wide.size} elements.`);
  if (scalars.length > TOGETHER) {
    const first = weightedSum(scalars.slice(0, TOGETHER), weights.slice(0, TOGETHER));
    return weightedSum([first, ...scalars.slice(TOGETHER)], [1, ...weights.slice(TOGETHER)]);
  }
  const constants = { COUNT: scalars.length };
  const params = Object.fromEntries(weights.map((weight, k) => [`weight_${k}`, weight]));
  const sum = empty(device, []);
  device.run(
    device.kernel("weighted_sum", forwardWgsl, constants),
    { ...Object.fromEntries(scalars.map(({ slice }, k) => [`x_${k}`, slice])), sum: sum.slice },
    params,
    1,
  );
  return record("weightedSum", sum, scalars, (gradient) => {
    const out = empty(device, [SLOT * (scalars.length - 1) + 1]);
    device.run(
      device.kernel("weighted_sum_backward", backwardWgsl, constants),
      { gradient: gradient.slice, out: out.slice },
      params,
      1,
    );
    const { buffer, offset } = out.slice;
    return scalars.map(({ shape }, k) =>
      new Tensor(device, shape, "f32", { buffer, offset: offset + 4 * SLOT * k, size: 4 })
    );
  });
}
