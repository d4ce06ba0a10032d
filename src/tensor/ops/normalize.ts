/** Rows scaled to unit length. */

import backwardWgsl from "../../../shaders/tensor/reduce/normalize_backward.wgsl" with {
  type: "text",
};
import forwardWgsl from "../../../shaders/tensor/reduce/normalize.wgsl" with { type: "text" };
import { checkInputs } from "../inputs.ts";
import { empty, record, type Tensor } from "../tensor.ts";

/** x / max(‖x‖₂, floor) for each row; floor default 1e-12, as PyTorch's `normalize`. */
export function normalize(x: Tensor, floor = 1e-12): Tensor {
  const device = checkInputs("normalize", [x]);
  const { rows, cols } = x;
  const out = empty(device, x.shape);
  const norms = empty(device, [rows]);
  device.runRows(device.kernel("normalize", forwardWgsl), {
    rows,
    rowsPerGroup: 64,
    byRow: { x: [x.slice, cols * 4], out: [out.slice, cols * 4], norms: [norms.slice, 4] },
    params: { cols, floor_norm: floor },
  });
  return record("normalize", out, [x], (gradient) => {
    const dx = empty(device, x.shape);
    device.runRows(device.kernel("normalize_backward", backwardWgsl), {
      rows,
      rowsPerGroup: 64,
      byRow: {
        y: [out.slice, cols * 4],
        norms: [norms.slice, 4],
        gradient: [gradient.slice, cols * 4],
        out: [dx.slice, cols * 4],
      },
      params: { cols, floor_norm: floor },
    });
    return [dx];
  });
}
