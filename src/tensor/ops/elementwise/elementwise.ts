/** Functions of each element by itself, made of two expressions. */

import math from "../../../../shaders/math.wgsl" with { type: "text" };
import forwardWgsl from "../../../../shaders/tensor/unary.wgsl" with { type: "text" };
import backwardWgsl from "../../../../shaders/tensor/unary_backward.wgsl" with { type: "text" };
import { checkInputs } from "../../inputs.ts";
import { empty, record, type Tensor } from "../../tensor.ts";

/** A function of v in WGSL, which may use what shaders/math.wgsl has. */
export interface ElementwiseRule {
  /** Its value. */
  readonly forward: string;
  /** With g the gradient of the value, that of v. */
  readonly gradient: string;
}

/**
 * The function of each element of x.
 * @param name of the operation, in messages and of its kernels
 */
export function elementwise(name: string, rule: ElementwiseRule, x: Tensor): Tensor {
  const device = checkInputs(name, [x]);
  const out = empty(device, x.shape);
  const value = `fn value(v: f32) -> f32 { return ${rule.forward}; }\n`;
  device.runRows(device.kernel(name, [math, value, forwardWgsl]), {
    rows: x.size,
    rowsPerGroup: 256,
    byRow: { x: [x.slice, 4], out: [out.slice, 4] },
  });
  return record(name, out, [x], (gradient) => {
    const dx = empty(device, x.shape);
    const slope = `fn slope(v: f32, g: f32) -> f32 { return ${rule.gradient}; }\n`;
    device.runRows(device.kernel(`${name}_backward`, [math, slope, backwardWgsl]), {
      rows: x.size,
      rowsPerGroup: 256,
      byRow: { x: [x.slice, 4], gradient: [gradient.slice, 4], out: [dx.slice, 4] },
    });
    return [dx];
  });
}
