import type { Tensor } from "../../tensor.ts";
import { elementwise } from "./elementwise.ts";

/**
 * Past ±80 the value is 0 or 1 to float32's last digit but one, and shaders need not know infinity.
 */
const NEAR = "clamp(v, -80.0, 80.0)";
const SIGMOID = {
  forward: `1.0 / (1.0 + exp(-${NEAR}))`,
  gradient: `g / ((1.0 + exp(-${NEAR})) * (1.0 + exp(${NEAR})))`,
};

/** The logistic function 1 / (1 + e⁻ˣ), between 0 and 1. */
export function sigmoid(x: Tensor): Tensor {
  return elementwise("sigmoid", SIGMOID, x);
}
