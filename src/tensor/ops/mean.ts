/** The mean of all elements. */

import { checkInputs } from "../inputs.ts";
import { formatShape } from "../shapes.ts";
import type { Tensor } from "../tensor.ts";
import { scale } from "./binary.ts";
import { sum } from "./sum.ts";

/** The mean of all elements, of which there is at least one: a scalar. */
export function mean(x: Tensor): Tensor {
  checkInputs("mean", [x]);
  if (x.size === 0) {
    throw new TypeError(`Cannot take the mean of a tensor of shape ${formatShape(x.shape)}.`);
  }
  return scale(sum(x), 1 / x.size);
}
