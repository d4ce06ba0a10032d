/** Put matrices side by side, and take blocks of columns. */

import wgsl from "../../../shaders/tensor/copy_columns.wgsl" with { type: "text" };
import { formatShape } from "../shapes.ts";
import { checkInputs } from "../inputs.ts";
import { isCount } from "../shapes.ts";
import { empty, record, type Tensor, zeros } from "../tensor.ts";

function copyColumns(
  x: Tensor,
  xFirst: number,
  out: Tensor,
  outFirst: number,
  width: number,
): void {
  const { device } = x;
  if (width === 0) return;
  device.runRows(device.kernel("copy_columns", wgsl), {
    rows: x.rows,
    rowsPerGroup: 256 / width,
    byRow: { x: [x.slice, x.cols * 4], out: [out.slice, out.cols * 4] },
    params: { width, x_cols: x.cols, x_first: xFirst, out_cols: out.cols, out_first: outFirst },
  });
}

/** [a, b, …] along the columns: (rows, Σ cols). */
export function concat(parts: readonly Tensor[]): Tensor {
  const device = checkInputs("concat", parts);
  const { rows } = parts[0];
  const wrong = parts.find((part) => part.rows !== rows);
  if (wrong) {
    throw new TypeError(
      `Cannot put ${
        parts.map((part) => formatShape(part.shape)).join(" and ")
      } side by side: rows differ.`,
    );
  }
  const out = empty(device, [rows, parts.reduce((total, part) => total + part.cols, 0)]);
  const firsts: number[] = [];
  let first = 0;
  for (const part of parts) {
    copyColumns(part, 0, out, first, part.cols);
    firsts.push(first);
    first += part.cols;
  }
  return record("concat", out, parts, (gradient) =>
    parts.map((part, i) => {
      if (!part.tracked) return null;
      const dx = empty(device, part.shape);
      copyColumns(gradient, firsts[i], dx, 0, part.cols);
      return dx;
    }));
}

/** Columns [first, first + width) of a matrix. */
export function columns(x: Tensor, first: number, width: number): Tensor {
  const device = checkInputs("columns", [x]);
  const { rows, cols } = x;
  if (!isCount(first) || !isCount(width) || first + width > cols) {
    throw new TypeError(
      `Cannot take columns ${first} to ${first + width} of ${formatShape(x.shape)}.`,
    );
  }
  const out = empty(device, [rows, width]);
  copyColumns(x, first, out, 0, width);
  return record("columns", out, [x], (gradient) => {
    const dx = zeros(device, x.shape);
    copyColumns(gradient, 0, dx, first, width);
    return [dx];
  });
}
