/** From points to voxels: the cells that hold points, and the points of each. */

import { DataError } from "../../base/errors.ts";

/** Cells an axis may have: coordinates of voxels then fit into 21 bits. */
export const MOST_CELLS = 2 ** 21;

/** Occupied cells, ascending by x, then y, then z. */
export interface Cells {
  readonly count: number;
  /** (V) each, from 0. */
  readonly x: Int32Array;
  readonly y: Int32Array;
  readonly z: Int32Array;
}

/** The voxels of a scene's points. */
export interface Voxelized {
  readonly cells: Cells;
  /** (N) points voxel by voxel, within a voxel in their own order. */
  readonly order: Uint32Array;
  /** (V + 1) where each voxel's points begin in `order`. */
  readonly start: Uint32Array;
}

const DIGIT_BITS = 11, DIGITS = 1 << DIGIT_BITS;

/** One stable pass of a radix sort: `from` by a digit of `keys` into `to`. */
function sortByDigit(keys: Int32Array, shift: number, from: Uint32Array, to: Uint32Array): void {
  const next = new Uint32Array(DIGITS);
  for (let i = 0; i < keys.length; i++) next[(keys[i] >>> shift) & (DIGITS - 1)]++;
  let sum = 0;
  for (let d = 0; d < DIGITS; d++) {
    const count = next[d];
    next[d] = sum;
    sum += count;
  }
  for (let i = 0; i < from.length; i++) {
    const at = from[i];
    to[next[(keys[at] >>> shift) & (DIGITS - 1)]++] = at;
  }
}

/** Positions of cells in ascending order by x, then y, then z; equal ones in their own order. */
export function sortedCells(axes: readonly Int32Array[]): Uint32Array {
  const count = axes[0].length;
  let from = new Uint32Array(count), to = new Uint32Array(count);
  for (let i = 0; i < count; i++) from[i] = i;
  for (const keys of [...axes].reverse()) {
    let most = 0;
    for (let i = 0; i < count; i++) most |= keys[i];
    for (let shift = 0; most >>> shift > 0; shift += DIGIT_BITS) {
      sortByDigit(keys, shift, from, to);
      [from, to] = [to, from];
    }
  }
  return from;
}

/** Cells of points, each once, and the points of each. */
export function groupByCell(axes: readonly [Int32Array, Int32Array, Int32Array]): Voxelized {
  const [x, y, z] = axes;
  const order = sortedCells(axes);
  const start = new Uint32Array(order.length + 1);
  let count = 0;
  for (let i = 0; i < order.length; i++) {
    const at = order[i], before = order[i - 1];
    if (i === 0 || x[at] !== x[before] || y[at] !== y[before] || z[at] !== z[before]) {
      start[count++] = i;
    }
  }
  start[count] = order.length;
  const of = (keys: Int32Array) => {
    const own = new Int32Array(count);
    for (let v = 0; v < count; v++) own[v] = keys[order[start[v]]];
    return own;
  };
  return {
    cells: { count, x: of(x), y: of(y), z: of(z) },
    order,
    start: start.slice(0, count + 1),
  };
}

/**
 * The voxels of a scene: cell = ⌊x / size⌋ in float32, less the scene's smallest cell of each axis.
 *
 * @param coords (N, 3) metres
 * @param size edge of a voxel, metres
 * @param scene names it in messages
 * @throws {DataError} The scene is more than 2²¹ cells long, or a coordinate is no finite number.
 */
export function voxelize(coords: Float32Array, size: number, scene: string): Voxelized {
  const count = coords.length / 3;
  const edge = Math.fround(size);
  const axes = [0, 1, 2].map((axis) => {
    const cells = new Float64Array(count);
    let least = Infinity, most = -Infinity;
    for (let i = 0; i < count; i++) {
      // The quotient of two float32 numbers, rounded once more, is the float32 quotient.
      const cell = Math.floor(Math.fround(coords[3 * i + axis] / edge));
      cells[i] = cell;
      if (cell < least) least = cell;
      if (cell > most) most = cell;
      if (cell - cell !== 0) {
        throw new DataError(
          `Cannot make voxels of scene ${scene}: point ${i} lies at ${coords[3 * i + axis]}.`,
        );
      }
    }
    if (most - least >= MOST_CELLS) {
      throw new DataError(
        `Cannot make voxels of scene ${scene}: it is ${
          most - least + 1
        } voxels of ${size} m long ` +
          `along ${
            "xyz"[axis]
          }; expected at most ${MOST_CELLS}. Use a larger voxel_size, or leave ` +
          `out points that lie far off.`,
      );
    }
    const own = new Int32Array(count);
    for (let i = 0; i < count; i++) own[i] = cells[i] - least;
    return own;
  }) as [Int32Array, Int32Array, Int32Array];
  return groupByCell(axes);
}
