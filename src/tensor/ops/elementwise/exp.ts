import type { Tensor } from "../../tensor.ts";
import { elementwise } from "./elementwise.ts";

/** eˣ */
export function exp(x: Tensor): Tensor {
  return elementwise("exp", { forward: "exp(v)", gradient: "g * exp(v)" }, x);
}
