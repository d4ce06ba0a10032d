/**
 * Points that a view does not see. They stay where trees and samples expect them, as copies of
 * points it does see.
 */

import type { Random } from "../../base/random.ts";
import type { RegionTree } from "../scene.ts";

/**
 * For each point the point whose coordinates and features it takes: itself where the view sees it,
 * else a random one that the view sees, out of the smallest region around it that holds one; a
 * region's centre the nearest of those, for with it moves the origin of all of the region's
 * coordinates. Null when the draw leaves nothing to see.
 *
 * @param hidden 1 for each point that the view does not see
 * @param coords (N, 3) as the view has them so far
 */
export function coverPoints(
  hidden: Uint8Array,
  tree: RegionTree,
  coords: Float32Array,
  random: Random,
): Uint32Array | null {
  const { order } = tree;
  // Seen points in tree order, and how many of them stand before each position: every region's are
  // one segment.
  const seen = order.filter((point) => hidden[point] === 0);
  if (seen.length === 0) return null;
  const before = new Uint32Array(order.length + 1);
  const source = new Uint32Array(order.length);
  for (let at = 0; at < order.length; at++) {
    before[at + 1] = before[at] + 1 - hidden[order[at]];
    source[at] = at;
  }
  const smallest = smallestRegions(tree);
  const isCenter = new Uint8Array(order.length);
  for (const center of tree.center) isCenter[center] = 1;
  for (let at = 0; at < order.length; at++) {
    const point = order[at];
    if (hidden[point] === 0) continue;
    let region = smallest[at];
    while (before[tree.end[region]] === before[tree.start[region]]) region = tree.parent[region];
    const first = before[tree.start[region]], end = before[tree.end[region]];
    source[point] = isCenter[point] === 1
      ? nearest(coords, point, seen.subarray(first, end))
      : seen[first + random.int(end - first)];
  }
  return source;
}

function nearest(coords: Float32Array, point: number, among: Uint32Array): number {
  let best = among[0], least = Infinity;
  for (const other of among) {
    let square = 0;
    for (let k = 0; k < 3; k++) square += (coords[3 * other + k] - coords[3 * point + k]) ** 2;
    if (square < least) [best, least] = [other, square];
  }
  return best;
}

/** For each position in `order` the deepest region there. */
function smallestRegions(tree: RegionTree): Uint32Array {
  const smallest = new Uint32Array(tree.order.length);
  // In pre-order a region comes before the regions inside it.
  tree.level.forEach((_, region) => smallest.fill(region, tree.start[region], tree.end[region]));
  return smallest;
}

/** Gives each row of `values` the values of its source row. */
export function takeRows(values: Float32Array, source: Uint32Array): void {
  const width = values.length / source.length;
  const from = values.slice();
  for (let at = 0; at < source.length; at++) {
    const row = source[at];
    if (row === at) continue;
    for (let k = 0; k < width; k++) values[at * width + k] = from[row * width + k];
  }
}
