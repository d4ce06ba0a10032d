/** Views that draw some of a scene's points, each its own, over a tree that both share. */

import type { Random } from "../../base/random.ts";
import type { RegionTree } from "../scene.ts";

/** Neighbouring rows of the thinned tree that are drawn from points of the same smallest region. */
export interface DrawnGroup {
  /** First row. */
  readonly first: number;
  /** How many. */
  readonly count: number;
  /** First position in the whole tree's `order` that they are drawn from. */
  readonly start: number;
  /** Position after the last. */
  readonly end: number;
  /** Points that are in any case among them, in the first rows: centres of regions. */
  readonly centers: Uint32Array;
}

/** A tree over fewer points, and how a view draws them. */
export interface ThinnedTree {
  /** Regions as in the whole tree, over M points in the order of their rows. */
  readonly tree: RegionTree;
  /** M */
  readonly count: number;
  /** All rows, in their order. */
  readonly groups: readonly DrawnGroup[];
}

/**
 * Thins a tree to about `points` points: from each leaf, and from what stands in no leaf, the same
 * share, one point and all centres at least. Null when it has no more points than that.
 */
export function thinTree(tree: RegionTree, points: number): ThinnedTree | null {
  const total = tree.order.length;
  if (total <= points) return null;
  const isCenter = new Uint8Array(total);
  for (const center of tree.center) isCenter[center] = 1;
  // Where regions begin or end, segments of one smallest region do.
  const cuts = [...new Set([0, total, ...tree.start, ...tree.end])].sort((a, b) => a - b);
  const rowAt = new Map<number, number>([[0, 0]]);
  const rowOf = new Map<number, number>();
  const groups: DrawnGroup[] = [];
  let first = 0;
  for (let cut = 0; cut + 1 < cuts.length; cut++) {
    const [start, end] = [cuts[cut], cuts[cut + 1]];
    const centers = tree.order.slice(start, end).filter((point) => isCenter[point] === 1);
    const share = Math.round((end - start) * points / total);
    const count = Math.max(1, centers.length, share);
    centers.forEach((point, i) => rowOf.set(point, first + i));
    groups.push({ first, count, start, end, centers });
    first += count;
    rowAt.set(end, first);
  }
  const rows = (positions: Uint32Array) => positions.map((position) => rowAt.get(position)!);
  return {
    count: first,
    groups,
    tree: {
      order: Uint32Array.from({ length: first }, (_, row) => row),
      level: tree.level,
      parent: tree.parent,
      start: rows(tree.start),
      end: rows(tree.end),
      center: tree.center.map((point) => rowOf.get(point)!),
    },
  };
}

/**
 * The point of the scene in each row of a thinned tree: in each group its centres and, at random
 * and each once, points that the view sees, hidden ones only where there are too few.
 *
 * @param order of the whole tree
 * @param seen (N) 1 for points that the view sees
 * @returns (M)
 */
export function drawPoints(
  { groups, count }: ThinnedTree,
  order: Uint32Array,
  seen: Uint8Array,
  random: Random,
): Uint32Array {
  const drawn = new Uint32Array(count);
  const taken = new Uint8Array(order.length);
  for (const group of groups) {
    let row = group.first;
    for (const center of group.centers) {
      drawn[row++] = center;
      taken[center] = 1;
    }
    const end = group.first + group.count;
    for (const wanted of [1, 0]) {
      if (row === end) break;
      const rest = order.slice(group.start, group.end)
        .filter((point) => taken[point] === 0 && seen[point] === wanted);
      for (let i = 0; i < rest.length && row < end; i++) {
        const other = i + random.int(rest.length - i);
        drawn[row++] = rest[other];
        rest[other] = rest[i];
      }
    }
  }
  return drawn;
}
