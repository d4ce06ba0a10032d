/**
 * The region tree of a point cloud (docs/model.md, Scene and region tree), built without recursion
 * in time linear in points × depth × branching.
 *
 * Farthest point sampling already computes what the assignment needs: while centres are picked,
 * each point keeps the distance to its nearest centre so far and that centre's number, so the last
 * pass leaves the split done. Points are kept permuted, coordinates apart, so that every region is
 * one contiguous segment of memory; a split is a stable counting sort of its segment.
 *
 * Squared distances are float64. Differences of float32 coordinates and their squares are then
 * exact to 1 part in 10^15, so a tie is a true tie (symmetric scenes are full of them) and the tree
 * does not hang on the order of three additions; JavaScript's own arithmetic is float64, so this is
 * also the fastest.
 */

import { DataError, UsageError } from "../base/errors.ts";
import type { RegionTree } from "./scene.ts";

/** How finely a cloud is cut into regions. */
export interface TreeOptions {
  /** Most children of a region, 2 to 65,535; 8 when absent. */
  readonly branching?: number;
  /** Level below which nothing is split; the root's is 0. 4 when absent. */
  readonly maxDepth?: number;
  /** A region is split when it holds at least twice this many points; 32 when absent. */
  readonly minPoints?: number;
}

/**
 * Cuts `coords` (N, 3) into a region tree. The root's centre is the point nearest the centroid; a
 * region with at least 2 `minPoints` points above level `maxDepth` is split by farthest point
 * sampling that starts at its own centre, each point going to its nearest centre. On a tie the
 * lowest point index is the farthest, and the centre picked first is the nearest. Deterministic.
 * Within a region without children, points stand in ascending order.
 *
 * Where fewer than `branching` places differ, there are fewer children: picking a point that
 * coincides with a centre would make an empty child. So a region whose points all coincide has one
 * child, equal to itself.
 *
 * Throws DataError for no points or a coordinate that is not finite, UsageError for options out of
 * range.
 */
export function buildTree(coords: Float32Array, options: TreeOptions = {}): RegionTree {
  const { branching = 8, maxDepth = 4, minPoints = 32 } = options;
  checkOption("branching", branching, 2, 65535);
  checkOption("max_depth", maxDepth, 0, 65535);
  checkOption("min_points", minPoints, 1, 2 ** 31);
  if (coords.length % 3 !== 0) {
    throw new DataError(
      `Cannot build a region tree: expected 3 coordinates a point, got ${coords.length} values`,
    );
  }
  const count = coords.length / 3;
  if (count === 0) throw new DataError("Cannot build a region tree: there are no points");

  const work = new Workspace(coords, branching);
  const level: number[] = [], parent: number[] = [];
  const start: number[] = [], end: number[] = [], center: number[] = [];
  // Regions yet to be numbered, five values each; a stack, so that numbers come out in pre-order.
  const pending: number[] = [-1, 0, 0, count, nearestToCentroid(coords)];
  while (pending.length > 0) {
    const middle = pending.pop()!, last = pending.pop()!, first = pending.pop()!;
    const depth = pending.pop()!;
    const region = parent.push(pending.pop()!) - 1;
    level.push(depth);
    start.push(first);
    end.push(last);
    center.push(middle);
    if (depth >= maxDepth || last - first < 2 * minPoints) continue;
    const children = work.split(first, last, middle);
    for (let child = children - 1; child >= 0; child--) {
      pending.push(region, depth + 1, work.childStart[child], work.childStart[child + 1]);
      pending.push(work.childCenter[child]);
    }
  }
  return {
    order: work.order,
    level: Uint32Array.from(level),
    parent: Int32Array.from(parent),
    start: Uint32Array.from(start),
    end: Uint32Array.from(end),
    center: Uint32Array.from(center),
  };
}

function checkOption(name: string, value: number, least: number, most: number): void {
  if (Number.isInteger(value) && value >= least && value <= most) return;
  throw new UsageError(
    `Cannot build a region tree: ${name}: expected an integer from ${least} to ${most}, got ${value}`,
  );
}

/**
 * The point nearest the mean of all points, the lowest index on a tie. Refuses coordinates that are
 * not finite.
 */
function nearestToCentroid(coords: Float32Array): number {
  const count = coords.length / 3;
  let sumX = 0, sumY = 0, sumZ = 0;
  for (let at = 0; at < coords.length; at += 3) {
    sumX += coords[at];
    sumY += coords[at + 1];
    sumZ += coords[at + 2];
  }
  if (!Number.isFinite(sumX + sumY + sumZ)) {
    const at = coords.findIndex((value) => !Number.isFinite(value));
    throw new DataError(
      `Cannot build a region tree: point ${Math.floor(at / 3)} has ${"xyz"[at % 3]} = ${
        coords[at]
      }; ` +
        "expected finite coordinates (remove such points first)",
    );
  }
  const x = sumX / count, y = sumY / count, z = sumZ / count;
  let nearest = 0, least = Infinity;
  for (let point = 0, at = 0; point < count; point++, at += 3) {
    const dx = coords[at] - x, dy = coords[at + 1] - y, dz = coords[at + 2] - z;
    const distance = dx * dx + dy * dy + dz * dz;
    if (distance < least) {
      least = distance;
      nearest = point;
    }
  }
  return nearest;
}

/** The permuted points, and room for one split. */
class Workspace {
  /** (N) the permutation so far. */
  readonly order: Uint32Array;
  /**
   * After a split: where each child's segment starts, and behind the last child where the region
   * ends.
   */
  readonly childStart: Uint32Array;
  /** After a split: each child's centre as a point index. */
  readonly childCenter: Uint32Array;
  readonly #coords: Float32Array;
  /** Coordinates in the permutation's order. */
  readonly #x: Float32Array;
  readonly #y: Float32Array;
  readonly #z: Float32Array;
  /** Squared distance to the nearest centre so far, and which that is. */
  readonly #distance: Float64Array;
  readonly #nearest: Uint16Array;
  readonly #spareOrder: Uint32Array;
  readonly #cursor: Uint32Array;

  constructor(coords: Float32Array, branching: number) {
    const count = coords.length / 3;
    this.#coords = coords;
    this.order = new Uint32Array(count);
    this.#x = new Float32Array(count);
    this.#y = new Float32Array(count);
    this.#z = new Float32Array(count);
    for (let point = 0, at = 0; point < count; point++, at += 3) {
      this.order[point] = point;
      this.#x[point] = coords[at];
      this.#y[point] = coords[at + 1];
      this.#z[point] = coords[at + 2];
    }
    this.#distance = new Float64Array(count);
    this.#nearest = new Uint16Array(count);
    this.#spareOrder = new Uint32Array(count);
    this.#cursor = new Uint32Array(branching);
    this.childStart = new Uint32Array(branching + 1);
    this.childCenter = new Uint32Array(branching);
  }

  /**
   * Splits the segment [first, last) around `center` and further centres; gives the number of
   * children.
   */
  split(first: number, last: number, center: number): number {
    const { childCenter } = this;
    childCenter[0] = center;
    this.#distance.fill(Infinity, first, last);
    let children = 1;
    let farthest = this.#measure(first, last, center, 0);
    while (children < childCenter.length && this.#distance[farthest] > 0) {
      const pick = this.order[farthest];
      childCenter[children] = pick;
      farthest = this.#measure(first, last, pick, children);
      children++;
    }
    this.#partition(first, last, children);
    return children;
  }

  /**
   * Takes centre number `label` into account; gives the row whose nearest centre is now farthest
   * off.
   */
  #measure(first: number, last: number, center: number, label: number): number {
    const x = this.#x, y = this.#y, z = this.#z, distance = this.#distance, nearest = this.#nearest;
    const cx = this.#coords[3 * center];
    const cy = this.#coords[3 * center + 1];
    const cz = this.#coords[3 * center + 2];
    let farthest = first, most = -1;
    for (let row = first; row < last; row++) {
      const dx = x[row] - cx, dy = y[row] - cy, dz = z[row] - cz;
      const here = dx * dx + dy * dy + dz * dz;
      let least = distance[row];
      if (here < least) {
        distance[row] = least = here;
        nearest[row] = label;
      }
      if (least > most) {
        most = least;
        farthest = row;
      }
    }
    return farthest;
  }

  /**
   * Sorts the segment by nearest centre, keeping the order of equals. No child is empty: it holds
   * its centre.
   */
  #partition(first: number, last: number, children: number): void {
    const { childStart, order } = this;
    const nearest = this.#nearest, cursor = this.#cursor, rows = this.#spareOrder;
    cursor.fill(0, 0, children);
    for (let row = first; row < last; row++) cursor[nearest[row]]++;
    for (let child = 0, at = first; child < children; child++) {
      childStart[child] = at;
      at += cursor[child];
      cursor[child] = childStart[child];
    }
    childStart[children] = last;
    if (children === 1) return;
    for (let row = first; row < last; row++) rows[cursor[nearest[row]]++] = order[row];
    for (let row = first; row < last; row++) order[row] = rows[row];
    const coords = this.#coords, x = this.#x, y = this.#y, z = this.#z;
    for (let row = first; row < last; row++) {
      const at = 3 * order[row];
      x[row] = coords[at];
      y[row] = coords[at + 1];
      z[row] = coords[at + 2];
    }
  }
}
