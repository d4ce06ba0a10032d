/** Which voxels lie next to each other: tables for convolutions over occupied cells. */

import type { Cells } from "./voxelize.ts";

/** Where there is no voxel. */
export const NO_VOXEL = 0xffffffff;

/** Voxels of equal x and y, which follow each other in ascending z. */
interface Columns {
  readonly count: number;
  /** (count) each. */
  readonly x: Int32Array;
  readonly y: Int32Array;
  /** (count + 1) first voxel. */
  readonly start: Uint32Array;
}

function columnsOf({ count, x, y }: Cells): Columns {
  const start = new Uint32Array(count + 1);
  let columns = 0;
  for (let v = 0; v < count; v++) {
    if (v === 0 || x[v] !== x[v - 1] || y[v] !== y[v - 1]) start[columns++] = v;
  }
  start[columns] = count;
  const of = (keys: Int32Array) => {
    const own = new Int32Array(columns);
    for (let c = 0; c < columns; c++) own[c] = keys[start[c]];
    return own;
  };
  return { count: columns, x: of(x), y: of(y), start: start.subarray(0, columns + 1) };
}

/**
 * For each offset of a cube of `kernel` cells an axis, and each voxel, the voxel at that offset:
 * (kernel³, total) with offsets in the order of a weight's axes, x slowest, from −⌊kernel/2⌋ on.
 *
 * Cells are sorted, so that columns and those (dx, dy) from them ascend together, and within two
 * columns the voxels: each (dx, dy) is one walk along both. Half of the offsets are walked, for if
 * b is a's neighbour at an offset, a is b's at the opposite one.
 *
 * @param kernel odd
 * @param first the scene's first voxel among `total`; neighbours are numbered from it
 * @param into the table, filled with NO_VOXEL
 */
export function fillNeighbours(
  cells: Cells,
  kernel: number,
  first: number,
  total: number,
  into: Uint32Array,
): void {
  const columns = columnsOf(cells);
  const half = (kernel - 1) / 2;
  for (let dx = 0; dx <= half; dx++) {
    for (let dy = dx === 0 ? 0 : -half; dy <= half; dy++) {
      const plane = ((dx + half) * kernel + dy + half) * kernel + half;
      const table = { into, total, first, plane, opposite: kernel ** 3 - 1 - plane };
      // Of a column's own voxels those above and itself: the others are opposite.
      walkColumns(cells.z, columns, dx, dy, dx === 0 && dy === 0 ? 0 : -half, half, table);
    }
  }
}

/** Where neighbours that lie (dx, dy, dz) apart are written: at `plane` + dz, the other way round at `opposite` − dz. */
interface Table {
  readonly into: Uint32Array;
  readonly total: number;
  readonly first: number;
  readonly plane: number;
  readonly opposite: number;
}

/** Writes down all voxels that lie (dx, dy) and `least` … `most` apart. */
function walkColumns(
  z: Int32Array,
  { count, x, y, start }: Columns,
  dx: number,
  dy: number,
  least: number,
  most: number,
  { into, total, first, plane, opposite }: Table,
): void {
  let other = 0;
  for (let column = 0; column < count; column++) {
    const toX = x[column] + dx, toY = y[column] + dy;
    while (other < count && (x[other] < toX || (x[other] === toX && y[other] < toY))) other++;
    if (other === count) return;
    if (x[other] !== toX || y[other] !== toY) continue;
    let from = start[other];
    const end = start[other + 1];
    for (let a = start[column]; a < start[column + 1]; a++) {
      const own = z[a];
      while (from < end && z[from] < own + least) from++;
      for (let b = from; b < end && z[b] <= own + most; b++) {
        const dz = z[b] - own;
        into[(plane + dz) * total + first + a] = first + b;
        into[(opposite - dz) * total + first + b] = first + a;
      }
    }
  }
}
