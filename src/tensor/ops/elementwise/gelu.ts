import type { Tensor } from "../../tensor.ts";
import { elementwise } from "./elementwise.ts";

/** x Φ(x), the exact GELU (Hendrycks and Gimpel 2016), with erf. */
export function gelu(x: Tensor): Tensor {
  return elementwise("gelu", { forward: "gelu(v)", gradient: "g * gelu_slope(v)" }, x);
}
