/** Parts of scenes that a bootstrap resamples where there are too few scenes. */

import type { RegionTree, Scene } from "../scenes/scene.ts";

/** From this many scenes on, scenes themselves are resampled. */
const ENOUGH_SCENES = 10;
/** Otherwise regions of the first level that has this many in all the scenes together. */
const ENOUGH_REGIONS = 100;

/** What is resampled. */
export interface Units {
  /** In words. */
  readonly text: string;
  /** The level; 0: whole scenes. */
  readonly level: number;
}

/** What to resample for scenes with these numbers of regions by level, summed over the scenes. */
export function unitsOf(scenes: number, regionsByLevel: readonly number[]): Units {
  if (scenes >= ENOUGH_SCENES) return { text: "scenes", level: 0 };
  const enough = regionsByLevel.findIndex((count) => count >= ENOUGH_REGIONS);
  const level = enough < 0 ? regionsByLevel.length - 1 : enough;
  return level <= 0 ? { text: "scenes", level: 0 } : { text: `regions of level ${level}`, level };
}

/** Adds a tree's regions to counts by level. */
export function countRegions(tree: RegionTree, regionsByLevel: number[]): void {
  for (const level of tree.level) regionsByLevel[level] = (regionsByLevel[level] ?? 0) + 1;
}

/**
 * For each point of the scene its unit, numbered from `first`: the deepest region that holds it and
 * is no deeper than `level`. Gives the number after the last too.
 */
export function unitOfPoints(
  { tree, coords }: Scene,
  level: number,
  first: number,
): { units: Uint32Array; next: number } {
  const units = new Uint32Array(coords.length / 3);
  let next = first;
  for (let region = 0; region < tree.level.length; region++) {
    if (tree.level[region] > level) continue;
    for (let at = tree.start[region]; at < tree.end[region]; at++) units[tree.order[at]] = next;
    next++;
  }
  return { units, next };
}
