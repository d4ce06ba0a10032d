import type { Tensor } from "../../tensor.ts";
import { elementwise } from "./elementwise.ts";

/** Square root. */
export function sqrt(x: Tensor): Tensor {
  return elementwise("sqrt", { forward: "sqrt(v)", gradient: "0.5 * g / sqrt(v)" }, x);
}
