/** Sums and means over rows, over columns and over everything, and their opposite, `expand`. */

import expandWgsl from "../../../shaders/expand.wgsl" with { type: "text" };
import sumColsWgsl from "../../../shaders/sum_cols.wgsl" with { type: "text" };
import sumRowsWgsl from "../../../shaders/sum_rows.wgsl" with { type: "text" };
import { empty, record, reshape, type Tensor, zeros } from "../tensor.ts";
import { scale } from "./binary.ts";

/** Rows that one invocation adds up. */
const ROWS_PER_SUM = 64;

/** Add up rows without recording. Windows of a tensor larger than a binding give partial rows of their own. */
function addRows(x: Tensor, rows: number, cols: number): Tensor {
  const { device } = x;
  if (rows === 0) return zeros(device, [cols]);
  const kernel = device.kernel("sum_rows", sumRowsWgsl);
  const windowRows = Math.max(64, Math.floor(device.maxBindingBytes / 4 / cols / 64) * 64);
  while (rows > 1) {
    const windows: { first: number; count: number; chunks: number }[] = [];
    for (let first = 0; first < rows; first += windowRows) {
      const count = Math.min(windowRows, rows - first);
      // A multiple of 64 rows keeps the next window's output aligned.
      let chunks = Math.ceil(count / ROWS_PER_SUM);
      if (first + count < rows) chunks = Math.ceil(chunks / 64) * 64;
      windows.push({ first, count, chunks });
    }
    const total = windows.reduce((sum, window) => sum + window.chunks, 0);
    const out = empty(device, [total, cols]);
    let outRow = 0;
    for (const { first, count, chunks } of windows) {
      device.run(
        kernel,
        {
          x: {
            buffer: x.slice.buffer,
            offset: x.slice.offset + first * cols * 4,
            size: count * cols * 4,
          },
          out: { buffer: out.slice.buffer, offset: outRow * cols * 4, size: chunks * cols * 4 },
        },
        { rows: count, cols, chunks },
        Math.ceil(chunks * cols / 256),
      );
      outRow += chunks;
    }
    x = out;
    rows = total;
  }
  return reshape(x.detach(), [cols]);
}

/** Column sums: (rows, cols) → [cols]. */
export function sumRows(x: Tensor): Tensor {
  return record("sumRows", addRows(x, x.rows, x.cols), [x], (gradient) => [
    expand(gradient, x.shape),
  ]);
}

/** Row sums: (rows, cols) → [rows, 1]. */
export function sumCols(x: Tensor): Tensor {
  const { device, rows, cols } = x;
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
  return record("sum", reshape(addRows(x, x.size, 1), []).detach(), [x], (gradient) => [
    expand(gradient, x.shape),
  ]);
}

/** The mean of all elements, a scalar. */
export function mean(x: Tensor): Tensor {
  return scale(sum(x), 1 / x.size);
}

/** Repeat a row [cols], a column [rows, 1] or a single value over `shape`. */
export function expand(x: Tensor, shape: readonly number[]): Tensor {
  const { device } = x;
  const out = empty(device, shape);
  const { rows, cols } = out;
  const kind = x.size === 1 ? "scalar" : x.size === cols && x.cols === cols ? "row" : "column";
  if (kind === "column" && x.size !== rows) {
    throw new TypeError(`Cannot expand [${x.shape}] to [${shape}].`);
  }
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
