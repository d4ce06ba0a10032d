/** The diagonal of a square matrix. */

import wgsl from "../../../shaders/tensor/diagonal.wgsl" with { type: "text" };
import { formatShape } from "../shapes.ts";
import { checkInputs } from "../inputs.ts";
import { empty, record, type Tensor, zeros } from "../tensor.ts";

function run(x: Tensor, out: Tensor, n: number, toMatrix: boolean): Tensor {
  const { device } = x;
  device.runRows(device.kernel("diagonal", wgsl, { TO_MATRIX: toMatrix }), {
    rows: n,
    rowsPerGroup: 256,
    byRow: { x: [x.slice, toMatrix ? 4 : n * 4], out: [out.slice, toMatrix ? n * 4 : 4] },
    params: { n },
  });
  return out;
}

/** x[i, i] of a square matrix: (n, n) → [n, 1]. */
export function diagonal(x: Tensor): Tensor {
  checkInputs("diagonal", [x]);
  const n = x.cols;
  if (x.rows !== n) throw new TypeError(`Cannot take the diagonal of ${formatShape(x.shape)}.`);
  const out = run(x, empty(x.device, [n, 1]), n, false);
  return record("diagonal", out, [x], (gradient) => [
    run(gradient, zeros(x.device, x.shape), n, true),
  ]);
}
