/** Which points of a cloud stay, and which of those stands for each that does not. */

import { innerBounds } from "./bounds.ts";
import { DataError } from "../base/errors.ts";
import { nearestTo } from "./neighbors.ts";
import { groupPoints } from "./point_groups.ts";
import type { PointCloud } from "./point_cloud.ts";

/** One step of thinning. */
export interface Kept {
  /** (M) the points that stay, in order. */
  readonly chosen: Uint32Array;
  /**
   * Gives (N) for each point before the place in `chosen` of that which stands for it. Absent:
   * those that go have none.
   */
  standIn?(): Uint32Array;
  /** What a person should know of the step. */
  readonly note?: string;
}

/** How the points of a prepared cloud and the rows that were read belong together. */
export interface SourceRows {
  /**
   * (kept) the row that each point was; null where points were drawn from a mesh's surface and are
   * no rows.
   */
  readonly sourceIndex: Uint32Array | null;
  /**
   * (read) for each row the point that stands for it: itself, that in its place, that of its voxel,
   * or, where a limit or the drawing from a mesh kept none, the nearest. -1 for a row whose
   * coordinates are not finite.
   */
  keptIndex(): Int32Array;
}

/**
 * Follows rows through the steps of thinning.
 * @param steps null where the points are no rows of `read`
 */
export function traceRows(
  read: PointCloud,
  kept: PointCloud,
  steps: readonly Kept[] | null,
): SourceRows {
  const sourceIndex = steps === null ? null : chosenRows(read.count, steps);
  const keptIndex = (): Int32Array => {
    const out = new Int32Array(read.count).fill(-1);
    if (steps !== null) {
      let before = Int32Array.from(out, (_, row) => row);
      for (const step of steps) before = followed(before, step);
      out.set(before);
    }
    const { coords } = read;
    const open: number[] = [];
    for (let row = 0; row < out.length; row++) {
      if (out[row] < 0 && isFinitePoint(coords, row)) open.push(row);
    }
    const queries = new Float32Array(3 * open.length);
    open.forEach((row, i) => queries.set(coords.subarray(3 * row, 3 * row + 3), 3 * i));
    nearestTo(kept.coords, queries).forEach((point, i) => out[open[i]] = point);
    return out;
  };
  return { sourceIndex, keptIndex };
}

function chosenRows(count: number, steps: readonly Kept[]): Uint32Array {
  let rows = new Uint32Array(count);
  for (let row = 0; row < count; row++) rows[row] = row;
  for (const { chosen } of steps) {
    if (chosen.length === rows.length) continue;
    const next = new Uint32Array(chosen.length);
    for (let i = 0; i < next.length; i++) next[i] = rows[chosen[i]];
    rows = next;
  }
  return rows;
}

/** Where each row is after a step; -1 where nothing stands for it. */
function followed(
  rows: Int32Array<ArrayBuffer>,
  { chosen, standIn }: Kept,
): Int32Array<ArrayBuffer> {
  const places = standIn?.() ?? placesOf(chosen, rows.length);
  return rows.map((at) => at < 0 ? -1 : places[at]);
}

/** For each point its place among the chosen, -1 for the others. */
function placesOf(chosen: Uint32Array, count: number): Int32Array {
  const places = new Int32Array(count).fill(-1);
  for (let place = 0; place < chosen.length; place++) places[chosen[place]] = place;
  return places;
}

// A sum of three float32 in float64 is finite exactly when all are.
function isFinitePoint(coords: Float32Array, i: number): boolean {
  return Number.isFinite(coords[3 * i] + coords[3 * i + 1] + coords[3 * i + 2]);
}

/** Points whose coordinates are finite. */
export function finitePoints(coords: Float32Array): Kept {
  const chosen = new Uint32Array(coords.length / 3);
  let count = 0;
  for (let i = 0; i < chosen.length; i++) if (isFinitePoint(coords, i)) chosen[count++] = i;
  return { chosen: chosen.subarray(0, count) };
}

/** Of points in one place, to the bit, the first. */
export function distinctPoints(coords: Float32Array): Kept {
  // + 0 turns −0, which is the same place, into 0.
  const places = new Int32Array(coords.map((value) => value + 0).buffer);
  const { count, groupOf } = groupPoints(places);
  const chosen = new Uint32Array(count);
  let next = 0;
  for (let i = 0; i < groupOf.length; i++) if (groupOf[i] === next) chosen[next++] = i;
  return { chosen, standIn: () => groupOf };
}

/**
 * Of each voxel the point nearest to the mean of its points, so that it keeps its own label and
 * colour.
 */
export function voxelPoints(coords: Float32Array, size: number, where: string): Kept {
  const { keys, beyond } = voxelsOf(coords, size, where);
  const { count, groupOf } = groupPoints(keys);
  const means = new Float64Array(3 * count);
  const sizes = new Uint32Array(count);
  for (let i = 0; i < groupOf.length; i++) {
    sizes[groupOf[i]]++;
    for (let k = 0; k < 3; k++) means[3 * groupOf[i] + k] += coords[3 * i + k];
  }
  const nearestOf = new Uint32Array(count);
  const nearest = new Float64Array(count).fill(Infinity);
  for (let i = 0; i < groupOf.length; i++) {
    const group = groupOf[i];
    let distance = 0;
    for (let k = 0; k < 3; k++) {
      const offset = coords[3 * i + k] - means[3 * group + k] / sizes[group];
      distance += offset * offset;
    }
    if (distance < nearest[group]) {
      nearest[group] = distance;
      nearestOf[group] = i;
    }
  }
  const chosen = nearestOf.toSorted();
  const standIn = (): Uint32Array => {
    const places = placesOf(chosen, groupOf.length);
    return groupOf.map((group) => places[nearestOf[group]]);
  };
  const who = beyond === 1 ? "1 point lies" : `${beyond} points lie`;
  const note =
    `${who} more than 2^31 voxels of ${size} from the others: thinned with what is as far out`;
  return { chosen, standIn, ...(beyond > 0 && { note }) };
}

/** The voxel of each point, and how many points are beyond what numbers voxels. */
function voxelsOf(
  coords: Float32Array,
  size: number,
  where: string,
): { keys: Int32Array; beyond: number } {
  const keys = new Int32Array(coords.length);
  const outside = new Set<number>();
  for (let k = 0; k < 3; k++) {
    let min = Infinity, max = -Infinity;
    for (let i = k; i < coords.length; i += 3) {
      if (coords[i] < min) min = coords[i];
      if (coords[i] > max) max = coords[i];
    }
    const isWide = (max - min) / size > MOST_CELLS;
    if (isWide) {
      // Points far off must not cost the others their voxels: they share the outermost ones.
      const [low, high] = innerBounds(coords, k) ?? [min, max];
      if (!((high - low) / size <= MOST_CELLS)) throw tooManyVoxels(coords, k, size, where);
      min = low;
    }
    for (let i = k; i < coords.length; i += 3) {
      const cell = Math.floor((coords[i] - min) / size);
      keys[i] = isWide ? Math.max(-MOST_CELLS, Math.min(MOST_CELLS, cell)) : cell;
      if (isWide && keys[i] !== cell) outside.add((i - k) / 3);
    }
  }
  return { keys, beyond: outside.size };
}

const MOST_CELLS = 0x7fffffff;

function tooManyVoxels(coords: Float32Array, k: number, size: number, where: string): DataError {
  let farthest = 0;
  for (let i = k; i < coords.length; i += 3) {
    if (Math.abs(coords[i]) > Math.abs(farthest)) farthest = coords[i];
  }
  return new DataError(
    `Cannot prepare ${where}: its extent takes more than 2^31 voxels of ${size}; take larger ones, or remove ` +
      `what lies far out, such as a point with ${"xyz"[k]} ${farthest} from the origin.`,
  );
}
