import type { Tensor } from "../../tensor.ts";
import { elementwise } from "./elementwise.ts";

/** Natural logarithm. */
export function log(x: Tensor): Tensor {
  return elementwise("log", { forward: "log(v)", gradient: "g / v" }, x);
}
