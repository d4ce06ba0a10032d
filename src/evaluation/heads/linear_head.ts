/**
 * Linear classifiers on frozen features: multinomial logistic regression and linear SVM, fitted on
 * the device.
 */

import headLossWgsl from "../../../shaders/evaluation/head_loss.wgsl" with { type: "text" };
import type { Device } from "../../gpu/device.ts";
import { empty, matmul, type Tensor, tensor } from "../../tensor/mod.ts";
import { compute, hold } from "./compute.ts";
import { minimizeAll, type MinimizeOptions, type Slope, type Trial } from "./minimize.ts";
import {
  type LabelledTable,
  rowCount,
  standardise,
  type Standardiser,
  standardiserOf,
  type Table,
} from "./table.ts";

/** `logistic`: softmax cross-entropy. `svm`: one against the rest with squared hinges. */
export type LinearKind = "logistic" | "svm";

/** A fitted classifier. */
export interface LinearHead {
  /** The weight λ of ½ λ ‖W‖² beside the mean loss. */
  readonly strength: number;
  /** What is done to features first. */
  readonly standardiser: Standardiser;
  /** (width, classes) on standardised features. */
  readonly weights: Float32Array;
  /** (classes) */
  readonly bias: Float32Array;
  /** Classes it tells apart. */
  readonly classes: number;
  /** The objective: mean loss + ½ λ ‖W‖². */
  readonly objective: number;
  /** Steps of the optimiser. */
  readonly iterations: number;
  /** Whether the stopping rule was met. */
  readonly converged: boolean;
}

/** How heads are fitted. */
export interface FitOptions extends MinimizeOptions {
  /**
   * Axes of `principalAxes`, of these rows or of a larger table they were taken from: any
   * orthogonal axes give the same optimum. Default: none, the columns themselves.
   */
  readonly axes?: Float32Array;
}

/**
 * Largest curvature of a loss along a score: of the softmax ½ (Böhning 1992), of a squared hinge 2.
 */
const CURVATURE = { logistic: 0.5, svm: 2 } as const;

/**
 * One head for each of `strengths`, all fitted together: a step of all of them is two matrix
 * products. The objective is convex; the optimiser is L-BFGS from zero (see `minimizeAll` for the
 * stopping rule). The bias is not regularised. Standardisation is of the rows given here.
 */
export async function fitLinear(
  device: Device,
  kind: LinearKind,
  table: LabelledTable,
  classes: number,
  strengths: readonly number[],
  { axes, ...options }: FitOptions = {},
): Promise<LinearHead[]> {
  const { width, labels } = table;
  const rows = rowCount(table), size = width + 1;
  const standardiser = standardiserOf(table);
  const design = await alongAxes(device, standardise(table, standardiser), width, axes);
  const squares = meanSquares(design, size);
  const preconditioners = strengths.map((strength) =>
    Float64Array.from(
      { length: size * classes },
      (_, i) => {
        const column = Math.floor(i / classes);
        const own = column < width ? strength : 0;
        return 1 / (CURVATURE[kind] * squares[column] + own + 1e-12);
      },
    )
  );
  const evaluate = (trials: readonly Trial[]): Promise<Slope[]> =>
    slopes(device, kind, x, y, trials, classes, strengths);
  const x = hold(device, design, [rows, size]), y = hold(device, labels, [rows]);
  const minima = await minimizeAll(preconditioners, evaluate, options).finally(() => {
    x.dispose();
    y.dispose();
  });
  return minima.map(({ x: point, value, iterations, converged }, s) => ({
    strength: strengths[s],
    standardiser,
    weights: offAxes(point, width, classes, axes),
    bias: Float32Array.from(point.subarray(width * classes)),
    classes,
    objective: value,
    iterations,
    converged,
  }));
}

/** Rows along the axes, with a last column of ones for the bias. */
async function alongAxes(
  device: Device,
  standardised: Float32Array,
  width: number,
  axes: Float32Array | undefined,
): Promise<Float32Array> {
  const rows = standardised.length / width;
  let turned = standardised;
  if (axes) {
    [turned] = await compute(device, () => [
      matmul(tensor(device, standardised, [rows, width]), tensor(device, axes, [width, width]), {
        transposeB: true,
      }),
    ]);
  }
  const design = new Float32Array(rows * (width + 1)).fill(1);
  for (let row = 0; row < rows; row++) {
    design.set(turned.subarray(row * width, (row + 1) * width), row * (width + 1));
  }
  return design;
}

/** Weights along the axes back to weights of the columns. */
function offAxes(
  point: Float64Array,
  width: number,
  classes: number,
  axes: Float32Array | undefined,
): Float32Array {
  if (!axes) return Float32Array.from(point.subarray(0, width * classes));
  const weights = new Float64Array(width * classes);
  for (let axis = 0; axis < width; axis++) {
    const values = point.subarray(axis * classes, (axis + 1) * classes);
    for (let column = 0; column < width; column++) {
      const share = axes[axis * width + column];
      for (let c = 0; c < classes; c++) weights[column * classes + c] += share * values[c];
    }
  }
  return Float32Array.from(weights);
}

function meanSquares(design: Float32Array, size: number): Float64Array {
  const squares = new Float64Array(size);
  for (let at = 0; at < design.length; at += size) {
    for (let c = 0; c < size; c++) squares[c] += design[at + c] ** 2;
  }
  return squares.map((square) => square / (design.length / size));
}

/**
 * Objectives and gradients of several problems: their weights stand side by side as columns of one
 * matrix.
 */
async function slopes(
  device: Device,
  kind: LinearKind,
  x: Tensor,
  y: Tensor,
  trials: readonly Trial[],
  classes: number,
  strengths: readonly number[],
): Promise<Slope[]> {
  const { rows, cols: size } = x;
  const problems = trials.length, columns = problems * classes;
  const weights = new Float32Array(size * columns);
  trials.forEach(({ x: point }, p) => {
    for (let i = 0; i < size; i++) {
      const to = i * columns + p * classes;
      for (let c = 0; c < classes; c++) weights[to + c] = point[i * classes + c];
    }
  });
  const [gradients, values] = await compute(device, () => {
    const scores = matmul(x, tensor(device, weights, [size, columns]));
    const losses = empty(device, [rows, problems]), slope = empty(device, [rows, columns]);
    device.runRows(device.kernel("head_loss", headLossWgsl, { SVM: kind === "svm" }), {
      rows,
      rowsPerGroup: 64 / problems,
      byRow: {
        scores: [scores.slice, columns * 4],
        labels: [y.slice, 4],
        losses: [losses.slice, problems * 4],
        slopes: [slope.slice, columns * 4],
      },
      params: { problems, classes },
    });
    return [matmul(x, slope, { transposeA: true }), losses];
  });
  return trials.map(({ problem, x: point }, p) => {
    const strength = strengths[problem];
    let value = 0, square = 0;
    for (let row = 0; row < rows; row++) value += values[row * problems + p];
    const gradient = new Float64Array(point.length);
    for (let i = 0; i < size; i++) {
      const decay = i === size - 1 ? 0 : strength; // the bias is free
      for (let c = 0; c < classes; c++) {
        const at = i * classes + c;
        gradient[at] = gradients[i * columns + p * classes + c] / rows + decay * point[at];
        square += decay * point[at] * point[at];
      }
    }
    return { value: value / rows + square / 2, gradient };
  });
}

/**
 * The class of each row by each head; of equal scores the lower class wins. The heads are of one
 * fit: they share their standardiser.
 */
export async function predictLinear(
  device: Device,
  heads: readonly LinearHead[],
  table: Table,
): Promise<Uint32Array[]> {
  const rows = rowCount(table), { width } = table;
  const [{ classes, standardiser }] = heads;
  const columns = heads.length * classes;
  const weights = new Float32Array(width * columns);
  heads.forEach((head, h) => {
    for (let i = 0; i < width; i++) {
      weights.set(
        head.weights.subarray(i * classes, (i + 1) * classes),
        i * columns + h * classes,
      );
    }
  });
  const standardised = standardise(table, standardiser);
  const [scores] = await compute(device, () => [
    matmul(
      tensor(device, standardised, [rows, width]),
      tensor(device, weights, [width, columns]),
    ),
  ]);
  return heads.map(({ bias }, h) =>
    Uint32Array.from({ length: rows }, (_, row) => {
      const at = row * columns + h * classes;
      let best = 0;
      for (let c = 1; c < classes; c++) {
        if (scores[at + c] + bias[c] > scores[at + best] + bias[best]) best = c;
      }
      return best;
    })
  );
}
