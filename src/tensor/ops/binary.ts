/** add, sub, mul, div, with the second operand broadcast; scale. */

import scaleWgsl from "../../../shaders/tensor/scale.wgsl" with { type: "text" };
import wgsl from "../../../shaders/tensor/binary.wgsl" with { type: "text" };
import { elements, formatShape } from "../shapes.ts";
import { empty, record, reshape, type Tensor } from "../tensor.ts";
import { asTensor, checkInputs, checkOperands, type Operand } from "../inputs.ts";
import { expand, sum, sumCols, sumRows } from "./sum.ts";

/** Names of the operations. */
type Op = "add" | "sub" | "mul" | "div";

/**
 * How b meets a, both seen as matrices: the same shape, a row for all rows, a column for all
 * columns, one value.
 */
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
  const combined = `fn combined(u: f32, v: f32) -> f32 { return ${BINARY[op].forward}; }\n`;
  device.runRows(device.kernel(op, [combined, wgsl]), {
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

/** Operands, result, and how the second operand was broadcast. */
interface Combination {
  readonly a: Tensor;
  readonly b: Tensor;
  readonly out: Tensor;
  readonly broadcast: Broadcast;
}

/** An operation: its value in WGSL, and its gradient for each operand, of a's shape. */
interface BinaryRule {
  readonly forward: string;
  readonly gradientOfA: (gradient: Tensor, of: Combination) => Tensor;
  readonly gradientOfB: (gradient: Tensor, of: Combination) => Tensor;
}

/** The operations by name. */
const BINARY: Readonly<Record<Op, BinaryRule>> = {
  add: { forward: "u + v", gradientOfA: (g) => g, gradientOfB: (g) => g },
  sub: { forward: "u - v", gradientOfA: (g) => g, gradientOfB: (g) => scale(g, -1) },
  mul: {
    forward: "u * v",
    gradientOfA: (g, { b, broadcast }) => apply("mul", g, b, broadcast),
    gradientOfB: (g, { a }) => apply("mul", g, a, "same"),
  },
  div: {
    forward: "u / v",
    gradientOfA: (g, { b, broadcast }) => apply("div", g, b, broadcast),
    gradientOfB: (g, { b, out, broadcast }) =>
      scale(apply("div", apply("mul", g, out, "same"), b, broadcast), -1),
  },
};

function binary(op: Op, left: Operand, right: Operand): Tensor {
  const device = checkOperands(op, left, right);
  const b = asTensor(device, right);
  const a = typeof left === "number" ? expand(asTensor(device, left), b.shape) : left;
  const broadcast = broadcastOf(a, b);
  const out = apply(op, a, b, broadcast);
  const { gradientOfA, gradientOfB } = BINARY[op];
  return record(op, out, [a, b], (gradient) => {
    const of = { a, b, out, broadcast };
    // Each only where it is wanted: the second may have to be summed.
    return [
      a.tracked ? gradientOfA(gradient, of) : null,
      b.tracked ? reduceTo(gradientOfB(gradient, of), b, broadcast) : null,
    ];
  });
}

/**
 * a + b. b has a's shape, or is a row [cols], a column [rows, 1], a single value or a number; a may
 * be a number too.
 */
export function add(a: Operand, b: Operand): Tensor {
  return binary("add", a, b);
}

/** a − b, with b broadcast as in `add`. */
export function sub(a: Operand, b: Operand): Tensor {
  return binary("sub", a, b);
}

/** a · b element by element, with b broadcast as in `add`. */
export function mul(a: Operand, b: Operand): Tensor {
  return binary("mul", a, b);
}

/** a / b element by element, with b broadcast as in `add`. */
export function div(a: Operand, b: Operand): Tensor {
  return binary("div", a, b);
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
