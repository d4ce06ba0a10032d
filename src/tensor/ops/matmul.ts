/** Matrix products. */

import wgsl from "../../../shaders/tensor/matmul.wgsl" with { type: "text" };
import { type Device, rowsOf } from "../../gpu/device.ts";
import type { Kernel } from "../../gpu/kernel.ts";
import { formatShape } from "../shapes.ts";
import { checkInputs } from "../inputs.ts";
import { empty, record, reshape, type Tensor, zeros } from "../tensor.ts";
import { addRows } from "./sum.ts";
import { add } from "./binary.ts";

/** Which operand is stored transposed. */
export interface MatmulOptions {
  /** A is given as (k, m). */
  readonly transposeA?: boolean;
  /** B is given as (n, k). */
  readonly transposeB?: boolean;
}

/**
 * The kernel for a product of these sizes, and rows and columns of its workgroups. On the software
 * device an invocation does better with 8 × 8 outputs than with 4 × 4 (two values loaded where it
 * were four), where there are enough of them.
 */
function matmulKernel(
  device: Device,
  flags: { readonly A_T: boolean; readonly B_T: boolean },
  m: number,
  n: number,
): { kernel: Kernel; side: number } {
  const fours = device.kind === "software" && Math.min(m, n) >= 32 ? 2 : 1;
  const constants = { ...flags, FOURS: fours, TILE: 4 * fours };
  const kernel = device.kernel("matmul", wgsl, constants);
  return { kernel, side: 32 * fours };
}

/** Inner lengths up to this are summed in one piece. */
const CHUNK = 256;
/** Most partial planes of a weight gradient, and their elements in all: 16 MiB. */
const MAX_CHUNKS = 256;
const MAX_PARTIAL = 1 << 22;
/** Longest inner loop: Mesa's software device ends loops without a word at 65,535 turns. */
const LONGEST = 1 << 15;

/** Aᵀ B for tall A (k, m) and B (k, n): partial products over chunks of rows, then their sum. */
function tallProduct(a: Tensor, b: Tensor, k: number, m: number, n: number): Tensor {
  const { device } = a;
  const { kernel, side } = matmulKernel(device, { A_T: true, B_T: false }, m, n);
  const room = Math.floor(Math.min(MAX_PARTIAL, device.maxBindingBytes / 4) / (m * n));
  const planesWanted = Math.max(1, Math.min(MAX_CHUNKS, room));
  const fitting = Math.floor(device.maxBindingBytes / 4 / Math.max(m, n) / 64) * 64;
  const chunk = Math.min(
    LONGEST,
    Math.max(64, fitting),
    Math.max(CHUNK, Math.ceil(k / planesWanted / 64) * 64),
  );
  const windowRows = Math.max(chunk, Math.floor(fitting / chunk) * chunk);
  const planes = Math.ceil(k / chunk);
  const partial = empty(device, [planes, m * n]);
  // Planes of one window are bound together; their offset must be aligned, so windows get their own
  // buffer.
  for (let first = 0, plane = 0; first < k; first += windowRows) {
    const count = Math.min(windowRows, k - first);
    const windowPlanes = Math.ceil(count / chunk);
    const part = first === 0 && count === k ? partial : empty(device, [windowPlanes, m * n]);
    device.run(
      kernel,
      {
        a: rowsOf(a.slice, first, count, m * 4),
        b: rowsOf(b.slice, first, count, n * 4),
        out: part.slice,
      },
      { m, n, k: count, chunk },
      [Math.ceil(n / side), Math.ceil(m / side), windowPlanes],
    );
    if (part !== partial) {
      device.copy(part.slice, rowsOf(partial.slice, plane, windowPlanes, m * n * 4));
    }
    plane += windowPlanes;
  }
  return reshape(addRows(partial), [m, n]);
}

function product(a: Tensor, b: Tensor, transposeA: boolean, transposeB: boolean): Tensor {
  const [m, k] = transposeA ? [a.cols, a.rows] : [a.rows, a.cols];
  const [kb, n] = transposeB ? [b.cols, b.rows] : [b.rows, b.cols];
  if (k !== kb) {
    throw new TypeError(
      `Cannot multiply ${formatShape(a.shape)}${transposeA ? "ᵀ" : ""} and ${
        formatShape(b.shape)
      }` +
        `${transposeB ? "ᵀ" : ""}: the inner sizes are ${k} and ${kb}.`,
    );
  }
  const { device } = a;
  if (m === 0 || n === 0 || k === 0) return zeros(device, [m, n]);
  if (transposeA && !transposeB && k > CHUNK) return tallProduct(a, b, k, m, n);
  const { kernel, side } = matmulKernel(device, { A_T: transposeA, B_T: transposeB }, m, n);
  if (k > LONGEST) {
    const planes = Math.ceil(k / LONGEST);
    const partial = empty(device, [planes, m * n]);
    device.run(
      kernel,
      { a: a.slice, b: b.slice, out: partial.slice },
      { m, n, k, chunk: LONGEST },
      [Math.ceil(n / side), Math.ceil(m / side), planes],
    );
    return reshape(addRows(partial), [m, n]);
  }
  const out = empty(device, [m, n]);
  const limit = device.limits.maxComputeWorkgroupsPerDimension;
  // Rows of A and out in windows: by the binding limit and by the grid's second dimension.
  const byBinding = Math.floor(device.maxBindingBytes / 4 / Math.max(k, n) / 64) * 64;
  const windowRows = transposeA ? m : Math.max(64, Math.min(byBinding, Math.floor(limit / 2) * 64));
  for (let first = 0; first < m; first += windowRows) {
    const count = Math.min(windowRows, m - first);
    device.run(
      kernel,
      {
        a: transposeA ? a.slice : rowsOf(a.slice, first, count, k * 4),
        b: b.slice,
        out: rowsOf(out.slice, first, count, n * 4),
      },
      { m: count, n, k, chunk: k },
      [Math.ceil(n / side), Math.ceil(count / side), 1],
    );
  }
  return out;
}

/** A · B: (m, k) · (k, n) → (m, n), either operand optionally stored transposed. */
export function matmul(a: Tensor, b: Tensor, options: MatmulOptions = {}): Tensor {
  checkInputs("matmul", [a, b]);
  const { transposeA = false, transposeB = false } = options;
  const out = product(a, b, transposeA, transposeB);
  return record("matmul", out, [a, b], (g) => {
    // With C = A B: dA = G Bᵀ, dB = Aᵀ G, transposed where the operand is.
    const da = !a.tracked
      ? null
      : transposeA
      ? product(b, g, transposeB, true)
      : product(g, b, false, !transposeB);
    const db = !b.tracked
      ? null
      : transposeB
      ? product(g, a, true, transposeA)
      : product(a, g, !transposeA, false);
    return [da && reshape(da, a.shape), db && reshape(db, b.shape)];
  });
}

/** x Wᵀ + b, weight (out, in) and bias [out] as PyTorch stores them. */
export function linear(x: Tensor, weight: Tensor, bias?: Tensor): Tensor {
  const y = matmul(x, weight, { transposeB: true });
  return bias ? add(y, bias) : y;
}
