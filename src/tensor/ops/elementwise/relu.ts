import type { Tensor } from "../../tensor.ts";
import { elementwise } from "./elementwise.ts";

/** max(x, 0). The slope at 0 is 0, as in PyTorch. */
export function relu(x: Tensor): Tensor {
  return elementwise("relu", {
    forward: "select(v, 0.0, v < 0.0)",
    gradient: "select(0.0, g, v > 0.0)",
  }, x);
}
