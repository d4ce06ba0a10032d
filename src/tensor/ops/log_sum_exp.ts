/** log Σ exp over each row. */

import backwardWgsl from "../../../shaders/tensor/reduce/log_sum_exp_backward.wgsl" with {
  type: "text",
};
import forwardWgsl from "../../../shaders/tensor/reduce/log_sum_exp.wgsl" with { type: "text" };
import { checkInputs } from "../inputs.ts";
import { empty, record, type Tensor } from "../tensor.ts";

/** log Σ_c exp(x[r, c]) for each row r: (rows, cols) → [rows, 1], safe for large values. */
export function logSumExp(x: Tensor): Tensor {
  const device = checkInputs("logSumExp", [x]);
  const { rows, cols } = x;
  if (cols === 0) throw new TypeError("Cannot take the log-sum-exp of rows without columns.");
  const out = empty(device, [rows, 1]);
  device.runRows(device.kernel("log_sum_exp", forwardWgsl), {
    rows,
    rowsPerGroup: 1,
    byRow: { x: [x.slice, cols * 4], out: [out.slice, 4] },
    params: { cols },
  });
  return record("logSumExp", out, [x], (gradient) => {
    const dx = empty(device, x.shape);
    device.runRows(device.kernel("log_sum_exp_backward", backwardWgsl), {
      rows,
      rowsPerGroup: 256 / cols,
      byRow: {
        x: [x.slice, cols * 4],
        lse: [out.slice, 4],
        gradient: [gradient.slice, 4],
        out: [dx.slice, cols * 4],
      },
      params: { cols },
    });
    return [dx];
  });
}
