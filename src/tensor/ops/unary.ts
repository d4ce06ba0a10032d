/** Functions of one element: relu, gelu, exp, log, sqrt. */

import math from "../../../shaders/math.wgsl" with { type: "text" };
import forwardWgsl from "../../../shaders/tensor/unary.wgsl" with { type: "text" };
import backwardWgsl from "../../../shaders/tensor/unary_backward.wgsl" with { type: "text" };
import { checkInputs } from "../inputs.ts";
import { empty, record, type Tensor } from "../tensor.ts";

const OPS = { RELU: 0, GELU: 1, EXP: 2, LOG: 3, SQRT: 4 } as const;

function unary(op: keyof typeof OPS, x: Tensor): Tensor {
  const device = checkInputs(op.toLowerCase(), [x]);
  const constants = { OP: OPS[op], ...OPS };
  const out = empty(device, x.shape);
  device.runRows(device.kernel(op.toLowerCase(), [math, forwardWgsl], constants), {
    rows: x.size,
    rowsPerGroup: 256,
    byRow: { x: [x.slice, 4], out: [out.slice, 4] },
  });
  return record(op.toLowerCase(), out, [x], (gradient) => {
    const dx = empty(device, x.shape);
    const name = `${op.toLowerCase()}_backward`;
    device.runRows(device.kernel(name, [math, backwardWgsl], constants), {
      rows: x.size,
      rowsPerGroup: 256,
      byRow: { x: [x.slice, 4], gradient: [gradient.slice, 4], out: [dx.slice, 4] },
    });
    return [dx];
  });
}

/** max(x, 0). The slope at 0 is 0, as in PyTorch. */
export function relu(x: Tensor): Tensor {
  return unary("RELU", x);
}

/** x Φ(x), the exact GELU (with erf). */
export function gelu(x: Tensor): Tensor {
  return unary("GELU", x);
}

/** eˣ */
export function exp(x: Tensor): Tensor {
  return unary("EXP", x);
}

/** Natural logarithm. */
export function log(x: Tensor): Tensor {
  return unary("LOG", x);
}

/** Square root. */
export function sqrt(x: Tensor): Tensor {
  return unary("SQRT", x);
}
