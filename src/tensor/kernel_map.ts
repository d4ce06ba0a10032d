/** Which rows a sparse convolution reads for each of its results, offset by offset. */

import type { Device } from "../gpu/device.ts";
import { NO_ROW } from "./ops/gather_rows.ts";
import { tensor } from "./create.ts";
import type { Tensor } from "./tensor.ts";

/** Some offsets of a table, as many as a binding holds. */
export interface TablePart {
  /** First offset. */
  readonly first: number;
  /** Offsets of this part. */
  readonly offsets: number;
  /** (offsets, rows) u32: a row that is read, or `NO_ROW`. */
  readonly rows: Tensor;
}

/** For each offset and each result the row that it reads. */
export interface RowTable {
  /** Together all offsets. */
  readonly parts: readonly TablePart[];
  /** Whether offset k is read at kernel − 1 − k. */
  readonly mirrored: boolean;
}

/** A sparse convolution's geometry. It lives in the scope that was open when it was made. */
export interface KernelMap {
  /** Offsets: 27 of a kernel of 3, 8 of one of 2. */
  readonly kernel: number;
  /** Rows that are read. */
  readonly inRows: number;
  /** Rows that are made. */
  readonly outRows: number;
  /** What each result reads. */
  readonly forward: RowTable;
  /** What the gradient of each row read is made of. */
  readonly backward: RowTable;
}

function upload(device: Device, table: Uint32Array, kernel: number, rows: number): TablePart[] {
  if (table.length !== kernel * rows) {
    throw new TypeError(
      `Cannot convolve by a table of ${table.length} entries: expected ${kernel} offsets of ${rows} rows.`,
    );
  }
  const most = Math.max(1, Math.floor(device.maxBindingBytes / 4 / Math.max(1, rows)));
  const parts: TablePart[] = [];
  for (let first = 0; first < kernel; first += most) {
    const offsets = Math.min(most, kernel - first);
    const own = table.subarray(first * rows, (first + offsets) * rows);
    parts.push({ first, offsets, rows: tensor(device, own, [offsets, rows]) });
  }
  return parts;
}

/**
 * A submanifold convolution (Graham et al. 2018): results at the rows that are read.
 *
 * @param neighbours (kernel, rows) the row at each offset, or `NO_ROW`; if b is a's at offset k, a is
 * b's at kernel − 1 − k
 */
export function submanifoldMap(
  device: Device,
  neighbours: Uint32Array,
  kernel: number,
  rows: number,
): KernelMap {
  const parts = upload(device, neighbours, kernel, rows);
  return {
    kernel,
    inRows: rows,
    outRows: rows,
    forward: { parts, mirrored: false },
    backward: { parts, mirrored: true },
  };
}

/**
 * A convolution that joins rows: each is part of one result, at one offset.
 *
 * @param parent (rows) the result that each row is part of
 * @param corner (rows) at which offset, below `kernel`
 * @param outRows results
 */
export function stridedMap(
  device: Device,
  parent: Uint32Array,
  corner: Uint32Array,
  kernel: number,
  outRows: number,
): KernelMap {
  const rows = parent.length;
  const parts = new Uint32Array(kernel * outRows).fill(NO_ROW);
  const whole = new Uint32Array(kernel * rows).fill(NO_ROW);
  parent.forEach((result, row) => {
    parts[corner[row] * outRows + result] = row;
    whole[corner[row] * rows + row] = result;
  });
  return {
    kernel,
    inRows: rows,
    outRows,
    forward: { parts: upload(device, parts, kernel, outRows), mirrored: false },
    backward: { parts: upload(device, whole, kernel, rows), mirrored: false },
  };
}

/** The way back: a convolution from the results of `map` to the rows that they are made of. */
export function inverseMap({ kernel, inRows, outRows, forward, backward }: KernelMap): KernelMap {
  return { kernel, inRows: outRows, outRows: inRows, forward: backward, backward: forward };
}
