/** Positions and features in few bytes, with an error that no picture shows. */

import { principalComponents } from "../inference/embed/principal_components.ts";

/** Positions as integers: a coordinate is `origin[k] + scale * values[3 * i + k]`. */
export interface QuantisedPositions {
  readonly origin: readonly [number, number, number];
  /** Twice the largest error. */
  readonly scale: number;
  /** (N, 3). */
  readonly values: Int16Array;
}

const INT16_MAX = 32767;
const INT8_MAX = 127;

/**
 * The positions of `points` among `coords` (N, 3), to 1/65534 of the longest side of all their
 * bounds.
 */
export function quantisePositions(coords: Float32Array, points: Uint32Array): QuantisedPositions {
  const low = [Infinity, Infinity, Infinity], high = [-Infinity, -Infinity, -Infinity];
  for (const point of points) {
    for (let k = 0; k < 3; k++) {
      low[k] = Math.min(low[k], coords[3 * point + k]);
      high[k] = Math.max(high[k], coords[3 * point + k]);
    }
  }
  const origin = low.map((value, k) => (value + high[k]) / 2) as [number, number, number];
  const longest = Math.max(...high.map((value, k) => value - low[k]));
  const scale = longest > 0 ? longest / (2 * INT16_MAX) : 1;
  const values = new Int16Array(3 * points.length);
  for (const [i, point] of points.entries()) {
    for (let k = 0; k < 3; k++) {
      values[3 * i + k] = Math.round((coords[3 * point + k] - origin[k]) / scale);
    }
  }
  return { origin, scale, values };
}

/** Directions that hold most of a set of unit vectors. */
export interface Axes {
  /** D, values of a feature. */
  readonly dimension: number;
  /** Each (D), of length 1 and orthogonal, the one that holds most first. */
  readonly directions: readonly Float64Array[];
  /** Share of the vectors' squared length that they hold, 0 to 1. */
  readonly kept: number;
}

/** Rows that axes are found from. */
const AXES_ROWS = 10_000;

/**
 * The fewest axes through the origin that keep `enough` of the squared length of the rows'
 * directions, at most `most`. They do not pass through the mean: products on them are the features'
 * own, not those of deviations.
 *
 * @param features (N, dimension), several tables of them; rows of zeros count for nothing.
 */
export function findAxes(
  features: readonly Float32Array[],
  dimension: number,
  { most = 32, enough = 0.999 }: { readonly most?: number; readonly enough?: number } = {},
): Axes {
  const all = features.reduce((sum, table) => sum + table.length / dimension, 0);
  const stride = Math.max(1, Math.ceil(all / AXES_ROWS));
  const rows: Float32Array[] = [];
  for (const table of features) {
    for (let at = 0; at < table.length; at += stride * dimension) {
      const row = table.subarray(at, at + dimension);
      const length = Math.hypot(...row);
      if (length > 0) rows.push(row.map((value) => value / length));
    }
  }
  // Each row and its opposite: their mean is 0, so the components go through the origin.
  const mirrored = new Float32Array(2 * rows.length * dimension);
  for (const [i, row] of rows.entries()) {
    mirrored.set(row, 2 * i * dimension);
    mirrored.set(row.map((value) => -value), (2 * i + 1) * dimension);
  }
  const { directions, variances } = principalComponents(mirrored, dimension, most);
  let width = 0, kept = 0;
  while (width < directions.length && (width === 0 || kept < enough)) kept += variances[width++];
  return {
    dimension,
    directions: directions.slice(0, width),
    kept: rows.length === 0 ? 1 : Math.min(1, kept),
  };
}

/**
 * Directions of rows of features (N, D) on the axes, 127 to a unit; (N, width). A row of zeros
 * stays one.
 */
export function quantiseFeatures(
  features: Float32Array,
  { dimension, directions }: Axes,
): Int8Array {
  const width = directions.length;
  const count = features.length / dimension;
  const out = new Int8Array(count * width);
  const onAxes = new Float64Array(width);
  for (let i = 0; i < count; i++) {
    let square = 0;
    for (let a = 0; a < width; a++) {
      let product = 0;
      for (let k = 0; k < dimension; k++) {
        product += features[i * dimension + k] * directions[a][k];
      }
      onAxes[a] = product;
      square += product * product;
    }
    const unit = square > 0 ? INT8_MAX / Math.sqrt(square) : 0;
    for (let a = 0; a < width; a++) out[i * width + a] = Math.round(onAxes[a] * unit);
  }
  return out;
}
