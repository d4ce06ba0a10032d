/** The transpose of a matrix. */

import wgsl from "../../../shaders/transpose.wgsl" with { type: "text" };
import { empty, record, type Tensor } from "../tensor.ts";

/** (rows, cols) → (cols, rows). `matmul` takes transposed operands as they are, without this copy. */
export function transpose(x: Tensor): Tensor {
  const { device, rows, cols } = x;
  const out = empty(device, [cols, rows]);
  device.run(
    device.kernel("transpose", wgsl),
    { x: x.slice, out: out.slice },
    { rows, cols },
    Math.ceil(rows * cols / 256),
  );
  return record("transpose", out, [x], (gradient) => [transpose(gradient)]);
}
