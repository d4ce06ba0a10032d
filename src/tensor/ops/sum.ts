/** Sums over rows, over columns and over everything, and their opposite, `expand`. */

import expandWgsl from "../../../shaders/tensor/expand.wgsl" with { type: "text" };
import sumColsWgsl from "../../../shaders/tensor/reduce/sum_cols.wgsl" with { type: "text" };
import sumRowsWgsl from "../../../shaders/tensor/reduce/sum_rows.wgsl" with { type: "text" };
import { rowsOf } from "../../gpu/device.ts";
import { formatShape } from "../shapes.ts";
import { checkInputs } from "../inputs.ts";
import { empty, record, reshape, type Tensor, zeros } from "../tensor.ts";

/** Rows that one invocation adds up. */
const ROWS_PER_SUM = 64;

/**
 * Column sums [cols] without recording, of x seen as (rows, cols). A tensor larger than a binding
 * is summed in windows of rows.
 */
export function addRows(x: Tensor, rows: number = x.rows, cols: number = x.cols): Tensor {
  const { device } = x;
  if (rows === 0) return zeros(device, [cols]);
  const kernel = device.kernel("sum_rows", sumRowsWgsl);
  const windowRows = Math.max(64, Math.floor(device.maxBindingBytes / 4 / cols / 64) * 64);
  while (rows > 1) {
    const windows = Math.ceil(rows / windowRows);
    const lastRows = rows - (windows - 1) * windowRows;
    const outRows = (windows - 1) * (windowRows / ROWS_PER_SUM) +
      Math.ceil(lastRows / ROWS_PER_SUM);
    const out = empty(device, [outRows, cols]);
    for (let w = 0; w < windows; w++) {
      const count = w === windows - 1 ? lastRows : windowRows;
      const chunks = Math.ceil(count / ROWS_PER_SUM);
      device.run(
        kernel,
        { x: rowsOf(x.slice, w * windowRows, count, cols * 4), out: out.slice },
        { rows: count, cols, chunks, first_out: w * (windowRows / ROWS_PER_SUM) },
        Math.ceil(chunks * cols / 256),
      );
    }
    x = out;
    rows = outRows;
  }
  return reshape(x.detach(), [cols]);
}

/** Column sums: (rows, cols) → [cols]. */
export function sumRows(x: Tensor): Tensor {
  checkInputs("sumRows", [x]);
  return record("sumRows", addRows(x), [x], (gradient) => [
    expand(gradient, x.shape),
  ]);
}

/** Row sums: (rows, cols) → [rows, 1]. */
export function sumCols(x: Tensor): Tensor {
  const device = checkInputs("sumCols", [x]);
  const { rows, cols } = x;
  const out = empty(device, [rows, 1]);
  device.runRows(device.kernel("sum_cols", sumColsWgsl), {
    rows,
    rowsPerGroup: 256,
    byRow: { x: [x.slice, cols * 4], out: [out.slice, 4] },
    params: { cols },
  });
  return record("sumCols", out, [x], (gradient) => [expand(gradient, x.shape)]);
}

/** The sum of all elements, a scalar. */
export function sum(x: Tensor): Tensor {
  checkInputs("sum", [x]);
  return record("sum", reshape(addRows(x, x.size, 1), []).detach(), [x], (gradient) => [
    expand(gradient, x.shape),
  ]);
}

/** Repeat a row [cols], a column [rows, 1] or a single value over `shape`. */
export function expand(x: Tensor, shape: readonly number[]): Tensor {
  const device = checkInputs("expand", [x]);
  const out = empty(device, shape);
  const kind = x.size === 1
    ? "scalar"
    : x.size === out.cols && x.cols === out.cols
    ? "row"
    : "column";
  if (kind === "column" && x.size !== out.rows) {
    throw new TypeError(`Cannot expand ${formatShape(x.shape)} to ${formatShape(shape)}.`);
  }
  const [rows, cols] = kind === "scalar" ? [out.size, 1] : [out.rows, out.cols];
  device.runRows(device.kernel("expand", expandWgsl), {
    rows,
    rowsPerGroup: 256 / cols,
    byRow: {
      out: [out.slice, cols * 4],
      ...(kind === "column" ? { x: [x.slice, 4] as const } : {}),
    },
    whole: kind === "column" ? {} : { x: x.slice },
    params: { cols, x_row: kind === "column" ? 1 : 0, x_col: kind === "row" ? 1 : 0 },
  });
  return record("expand", out, [x], (gradient) => {
    const summed = kind === "scalar"
      ? sum(gradient)
      : kind === "row"
      ? sumRows(gradient)
      : sumCols(gradient);
    return [reshape(summed, x.shape)];
  });
}
