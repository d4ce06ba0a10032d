/** Features as tables of rows, and what heads do to them before anything is learnt. */

import type { Device } from "../../gpu/device.ts";
import { matmul, tensor } from "../../tensor/mod.ts";
import { compute } from "./compute.ts";
import { symmetricEigen } from "../../base/symmetric_eigen.ts";

/** Feature vectors: rows side by side in one array. */
export interface Table {
  /** (rows, width) */
  readonly values: Float32Array;
  /** Values of a row. */
  readonly width: number;
}

/** A table and the class of each row, from 0. */
export interface LabelledTable extends Table {
  /** (rows) */
  readonly labels: Uint32Array;
}

/**
 * Tables of the same columns without those that repeat an earlier one in every row of every table:
 * of a tree of one level the root's feature is the pooled one and both directions are the same. A
 * head would only share one weight among copies, and take the cube of the time.
 */
export function distinctColumns<T extends Table>(tables: readonly T[]): T[] {
  const { width } = tables[0];
  const same = (a: number, b: number) =>
    tables.every(({ values }) => {
      for (let at = 0; at < values.length; at += width) {
        if (values[at + a] !== values[at + b]) return false;
      }
      return true;
    });
  const kept: number[] = [];
  // Only columns that begin alike are compared in full.
  const beginning = new Map<number, number[]>();
  for (let c = 0; c < width; c++) {
    const alike = beginning.get(tables[0].values[c]) ?? [];
    if (alike.some((other) => same(other, c))) continue;
    kept.push(c);
    beginning.set(tables[0].values[c], [...alike, c]);
  }
  return tables.map((table) => {
    const rows = rowCount(table);
    const values = new Float32Array(rows * kept.length);
    for (let row = 0; row < rows; row++) {
      kept.forEach((c, i) => values[row * kept.length + i] = table.values[row * width + c]);
    }
    return { ...table, values, width: kept.length };
  });
}

/** The mean of each column and what to multiply its distance from the mean with. */
export interface Standardiser {
  /** (width) */
  readonly mean: Float64Array;
  /** (width) one over the standard deviation; 0 for a column that is constant. */
  readonly scale: Float64Array;
}

/** Deviations below this part of the mean are rounding. */
const CONSTANT = 1e-6;

/** Rows of a table. */
export function rowCount({ values, width }: Table): number {
  return values.length / width;
}

/** The rows `rows` of a table, in that order. */
export function takeRows(table: LabelledTable, rows: ArrayLike<number>): LabelledTable {
  const { values, width, labels } = table;
  const taken = new Float32Array(rows.length * width);
  for (let i = 0; i < rows.length; i++) {
    taken.set(values.subarray(rows[i] * width, (rows[i] + 1) * width), i * width);
  }
  return { values: taken, width, labels: Uint32Array.from(rows, (row) => labels[row]) };
}

/** What makes the columns of `table` have mean 0 and deviation 1. */
export function standardiserOf({ values, width }: Table): Standardiser {
  const rows = values.length / width;
  const mean = new Float64Array(width), scale = new Float64Array(width);
  for (let at = 0; at < values.length; at += width) {
    for (let c = 0; c < width; c++) mean[c] += values[at + c];
  }
  for (let c = 0; c < width; c++) mean[c] /= rows;
  for (let at = 0; at < values.length; at += width) {
    for (let c = 0; c < width; c++) scale[c] += (values[at + c] - mean[c]) ** 2;
  }
  for (let c = 0; c < width; c++) {
    const deviation = Math.sqrt(scale[c] / rows);
    scale[c] = deviation > CONSTANT * Math.abs(mean[c]) && deviation > 1e-30 ? 1 / deviation : 0;
  }
  return { mean, scale };
}

/** The table with its columns shifted and scaled. */
export function standardise({ values, width }: Table, { mean, scale }: Standardiser): Float32Array {
  const out = new Float32Array(values.length);
  for (let at = 0; at < values.length; at += width) {
    for (let c = 0; c < width; c++) out[at + c] = (values[at + c] - mean[c]) * scale[c];
  }
  return out;
}

/**
 * The principal axes of a table's standardised columns: (width, width), row i the i-th axis. A head
 * fitted along them has the same optimum as along the columns, L2 regularisation being the same in
 * every direction, and reaches it in far fewer steps.
 */
export async function principalAxes(device: Device, table: Table): Promise<Float32Array> {
  const { width } = table;
  const data = standardise(table, standardiserOf(table));
  const rows = rowCount(table);
  const [products] = await compute(device, () => {
    const x = tensor(device, data, [rows, width]);
    return [matmul(x, x, { transposeA: true })];
  });
  const symmetric = new Float64Array(width * width);
  for (let i = 0; i < width; i++) {
    for (let j = 0; j < width; j++) {
      symmetric[i * width + j] = (products[i * width + j] + products[j * width + i]) / (2 * rows);
    }
  }
  return Float32Array.from(symmetricEigen(symmetric, width).vectors);
}
