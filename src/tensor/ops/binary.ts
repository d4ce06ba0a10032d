/** add, sub, mul, div, with the second operand broadcast; scale. */

import scaleWgsl from "../../../shaders/tensor/scale.wgsl" with { type: "text" };
import wgsl from "../../../shaders/tensor/binary.wgsl" with { type: "text" };
import { elements, formatShape } from "../shapes.ts";
import { empty, record, reshape, type Tensor } from "../tensor.ts";
import { asTensor, checkInputs, checkOperands, type Operand } from "../inputs.ts";
import { expand, sum, sumCols, sumRows } from "./sum.ts";

const OPS = { ADD: 0, SUB: 1, MUL: 2, DIV: 3 } as const;
type Op = keyof typeof OPS;

/** How b meets a, both seen as matrices: the same shape, a row for all rows, a column for all columns, one value. */
type Broadcast = "same" | "row" | "column" | "scalar";

function broadcastOf(a: Tensor, b: Tensor): Broadcast {
  if (b.size === a.size && b.cols === a.cols) return "same";
  if (b.size === 1) return "scalar";
  if (b.size === a.cols && b.cols === a.cols) return "row";
  if (b.size === a.rows && b.cols === 1) return "column";
  throw new TypeError(
    `Cannot combine shapes ${formatShape(a.shape)} and ${
      formatShape(b.shape)
    }: the second must have the same ` +
      `shape, be a row [${a.cols}], a column [${a.rows}, 1] or a single value.`,
  );
}

function apply(op: Op, a: Tensor, b: Tensor, broadcast: Broadcast): Tensor {
  const { device } = a;
  const out = empty(device, a.shape);
  const cols = broadcast === "same" || broadcast === "scalar" ? 1 : a.cols;
  const perRow = broadcast === "same" || broadcast === "column";
  device.runRows(device.kernel(op.toLowerCase(), wgsl, { OP: OPS[op], ...OPS }), {
    rows: cols === 1 ? elements(a.shape) : a.rows,
    rowsPerGroup: 256 / cols,
    byRow: {
      a: [a.slice, cols * 4],
      out: [out.slice, cols * 4],
      ...(perRow ? { b: [b.slice, 4] as const } : {}),
    },
    whole: perRow ? {} : { b: b.slice },
    params: { b_row: perRow ? 1 : 0, b_col: broadcast === "row" ? 1 : 0, cols },
  });
  return out;
}

/** Sum a gradient of a's shape down to b's. */
function reduceTo(gradient: Tensor, b: Tensor, broadcast: Broadcast): Tensor {
  if (broadcast === "same") return gradient;
  const summed = broadcast === "row"
    ? sumRows(gradient)
    : broadcast === "column"
    ? sumCols(gradient)
    : sum(gradient);
  return reshape(summed, b.shape);
}

/** One operand pair's rule: da is applied at once, db only where b needs a gradient. */
interface Rule {
  readonly da: (gradient: Tensor) => Tensor;
  readonly db: (gradient: Tensor) => Tensor;
}

function binary(
  op: Op,
  left: Operand,
  right: Operand,
  rule: (a: Tensor, b: Tensor, out: Tensor, broadcast: Broadcast) => Rule,
): Tensor {
  const device = checkOperands(op.toLowerCase(), left, right);
  const b = asTensor(device, right);
  const a = typeof left === "number" ? expand(asTensor(device, left), b.shape) : left;
  const broadcast = broadcastOf(a, b);
  const out = apply(op, a, b, broadcast);
  return record(op.toLowerCase(), out, [a, b], (gradient) => {
    const { da, db } = rule(a, b, out, broadcast);
    return [
      a.tracked ? da(gradient) : null,
      b.tracked ? reduceTo(db(gradient), b, broadcast) : null,
    ];
  });
}

/** a + b. b has a's shape, or is a row [cols], a column [rows, 1], a single value or a number; a may be a number too. */
export function add(a: Operand, b: Operand): Tensor {
  return binary("ADD", a, b, () => ({ da: (g) => g, db: (g) => g }));
}

/** a − b, with b broadcast as in `add`. */
export function sub(a: Operand, b: Operand): Tensor {
  return binary("SUB", a, b, () => ({ da: (g) => g, db: (g) => scale(g, -1) }));
}

/** a · b element by element, with b broadcast as in `add`. */
export function mul(left: Operand, right: Operand): Tensor {
  return binary("MUL", left, right, (a, b, _, broadcast) => ({
    da: (g) => apply("MUL", g, b, broadcast),
    db: (g) => apply("MUL", g, a, "same"),
  }));
}

/** a / b element by element, with b broadcast as in `add`. */
export function div(left: Operand, right: Operand): Tensor {
  return binary("DIV", left, right, (_, b, out, broadcast) => ({
    da: (g) => apply("DIV", g, b, broadcast),
    db: (g) => scale(apply("DIV", apply("MUL", g, out, "same"), b, broadcast), -1),
  }));
}

/** x · factor, a plain number. */
export function scale(x: Tensor, factor: number): Tensor {
  const device = checkInputs("scale", [x]);
  if (typeof factor !== "number") {
    throw new TypeError(`scale: expected a number to multiply with; mul takes a tensor.`);
  }
  const out = empty(device, x.shape);
  device.runRows(device.kernel("scale", scaleWgsl), {
    rows: x.size,
    rowsPerGroup: 256,
    byRow: { x: [x.slice, 4], out: [out.slice, 4] },
    params: { factor },
  });
  return record("scale", out, [x], (gradient) => [scale(gradient, factor)]);
}
