/** The directions in which features vary most, and colours by them. */

import { symmetricEigen } from "../../base/symmetric_eigen.ts";

/** Rows that the directions are fitted to; of more, every k-th. */
const FIT_ROWS = 20_000;
/** Shares of the points that are darker and brighter than any colour tells apart. */
const PERCENTILES = [0.01, 0.99] as const;

/** A mean and the directions of most variance around it. */
export interface Components {
  /** (D) */
  readonly mean: Float64Array;
  /**
   * Each (D), of length 1 and orthogonal, the most variance first; the largest entry by amount is
   * positive.
   */
  readonly directions: readonly Float64Array[];
  /** Variance along each. */
  readonly variances: readonly number[];
}

/**
 * The first `count` principal components of rows of `width` values. `rows` are those that count
 * (default all); of more than 20,000 an even selection is taken. Fewer than `count` come back where
 * `width` is less.
 */
export function principalComponents(
  values: Float32Array,
  width: number,
  count: number,
  rows: Uint32Array = Uint32Array.from({ length: values.length / width }, (_, row) => row),
): Components {
  const fitted = Math.min(FIT_ROWS, rows.length);
  const at = (i: number) => width * rows[Math.floor(i * rows.length / fitted)];
  const mean = new Float64Array(width);
  for (let i = 0; i < fitted; i++) {
    for (let k = 0, from = at(i); k < width; k++) mean[k] += values[from + k] / fitted;
  }
  const covariance = new Float64Array(width * width);
  const centred = new Float64Array(width);
  for (let i = 0; i < fitted; i++) {
    for (let k = 0, from = at(i); k < width; k++) centred[k] = values[from + k] - mean[k];
    for (let a = 0; a < width; a++) {
      const factor = centred[a] / fitted;
      for (let b = a; b < width; b++) covariance[a * width + b] += factor * centred[b];
    }
  }
  for (let a = 0; a < width; a++) {
    for (let b = 0; b < a; b++) covariance[a * width + b] = covariance[b * width + a];
  }
  const { values: variances, vectors } = symmetricEigen(covariance, width);
  const first = [...variances.keys()].sort((a, b) => variances[b] - variances[a] || a - b)
    .slice(0, count);
  return {
    mean,
    directions: first.map((row) => signed(vectors.slice(row * width, (row + 1) * width))),
    variances: first.map((row) => variances[row]),
  };
}

/** Of a direction and its opposite, the one whose largest entry by amount is positive. */
function signed(direction: Float64Array): Float64Array {
  const largest = direction.reduce((most, value) =>
    Math.abs(value) > Math.abs(most) ? value : most
  );
  return largest < 0 ? direction.map((value) => -value) : direction;
}

/**
 * A colour for each row of `values`, (rows, 3) from 0 to 255: red, green and blue are the first
 * three principal components, each from its 1st to its 99th percentile. Rows of zeros alone, which
 * points in no leaf have, are grey and count for nothing.
 */
export function componentColors(values: Float32Array, width: number): Uint8Array<ArrayBuffer> {
  const count = values.length / width;
  const rows = new Uint32Array(count);
  let used = 0;
  for (let row = 0; row < count; row++) {
    for (let k = row * width; k < (row + 1) * width; k++) {
      if (values[k] !== 0) {
        rows[used++] = row;
        break;
      }
    }
  }
  const chosen = rows.subarray(0, used);
  const colors = new Uint8Array(3 * count).fill(128);
  const { mean, directions } = principalComponents(values, width, 3, chosen);
  // Rounding alone is no variance.
  const least = 1e-6 * Math.sqrt(mean.reduce((sum, value) => sum + value * value, 0)) + 1e-12;
  directions.forEach((direction, channel) => {
    const along = new Float64Array(used);
    chosen.forEach((row, i) => {
      for (let k = 0; k < width; k++) {
        along[i] += direction[k] * (values[row * width + k] - mean[k]);
      }
    });
    const sorted = along.toSorted();
    const [low, high] = PERCENTILES.map((share) => sorted[Math.round(share * (used - 1))]);
    if (!(high - low > least)) return;
    chosen.forEach((row, i) => {
      const share = Math.min(1, Math.max(0, (along[i] - low) / (high - low)));
      colors[3 * row + channel] = Math.round(255 * share);
    });
  });
  return colors;
}
