/** The transpose of a matrix. */

import wgsl from "../../../shaders/tensor/transpose.wgsl" with { type: "text" };
import { rowsOf } from "../../gpu/device.ts";
import { checkInputs } from "../inputs.ts";
import { empty, record, type Tensor } from "../tensor.ts";

/**
 * (rows, cols) → (cols, rows). `matmul` takes transposed operands as they are, without this copy.
 */
export function transpose(x: Tensor): Tensor {
  const device = checkInputs("transpose", [x]);
  const { rows, cols } = x;
  const out = empty(device, [cols, rows]);
  const window = (width: number) =>
    Math.max(64, Math.floor(device.maxBindingBytes / 4 / width / 64) * 64);
  for (let row = 0; row < rows; row += window(cols)) {
    const blockRows = Math.min(window(cols), rows - row);
    for (let col = 0; col < cols; col += window(rows)) {
      const blockCols = Math.min(window(rows), cols - col);
      device.run(
        device.kernel("transpose", wgsl),
        {
          x: rowsOf(x.slice, row, blockRows, cols * 4),
          out: rowsOf(out.slice, col, blockCols, rows * 4),
        },
        {
          rows,
          cols,
          block_rows: blockRows,
          block_cols: blockCols,
          first_row: row,
          first_col: col,
        },
        Math.ceil(blockRows * blockCols / 256),
      );
    }
  }
  return record("transpose", out, [x], (gradient) => [transpose(gradient)]);
}
