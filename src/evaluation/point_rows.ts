/** A row of features for each point of scenes, by every encoder. */

import type { Scene } from "../scenes/scene.ts";
import { DataError } from "../base/errors.ts";
import type { SceneEncoder } from "../inference/encoder.ts";
import type { Branch, Branches } from "../inference/features.ts";
import { chunksOf, type Encoders, type OnScenes } from "./gather.ts";
import type { Table } from "./heads/table.ts";
import type { PointScenes } from "./point_labels.ts";
import { rawPointFeatures } from "./raw_features.ts";
import type { FeatureChoice } from "./vectors.ts";

/** By what a point is described. */
export interface PointRowOptions {
  /** Encoders by name; null: the raw inputs. */
  readonly encoders: Encoders;
  /** Directions, and whether the regions around a point count. */
  readonly choice: FeatureChoice;
  /** The deepest level of regions that counts. */
  readonly depth: number;
}

/** Encodes scenes and hands over each one with its number and its points' rows by every encoder. */
export async function eachEncoded(
  { encoders, choice, depth }: PointRowOptions,
  { dataset, indices }: PointScenes,
  onScenes: OnScenes,
  take: (
    scene: Scene,
    unit: number,
    features: ReadonlyMap<string, Table>,
  ) => void | Promise<void>,
): Promise<void> {
  for await (const { first, scenes } of chunksOf(dataset, indices)) {
    const byName = new Map<string, Table[]>();
    for (const [name, encoder] of encoders) {
      const tables = encoder === null
        ? scenes.map(rawPointFeatures)
        : await encodedRows(encoder, scenes, choice, depth);
      tables.forEach(({ values }, i) => {
        if (values.every(Number.isFinite)) return;
        throw new DataError(
          `Cannot probe points: the ${name} features of scene ${scenes[i].id} are not finite`,
        );
      });
      byName.set(name, tables);
    }
    for (const [i, scene] of scenes.entries()) {
      const own = new Map([...byName].map(([name, tables]) => [name, tables[i]]));
      await take(scene, first + i, own);
    }
    onScenes(first + scenes.length, indices.length);
  }
}

async function encodedRows(
  encoder: SceneEncoder,
  scenes: readonly Scene[],
  { branches, regions: around }: FeatureChoice,
  depth: number,
): Promise<Table[]> {
  const encoded = await encoder.encode<Branch | "regions">(scenes, [...branches, "regions"]);
  return encoded.map(({ points, regions, count, width }, i) => {
    const all = width * branches.length * (around ? 1 + depth : 1);
    const values = new Float32Array(count * all);
    branches.forEach((branch, b) => copyColumns(values, all, b * width, points[branch], width));
    if (around) surroundings(values, all, branches, regions, width, depth, scenes[i]);
    return { values, width: all };
  });
}

function copyColumns(
  out: Float32Array,
  outWidth: number,
  column: number,
  rows: Float32Array,
  width: number,
): void {
  for (let from = 0, to = column; from < rows.length; from += width, to += outWidth) {
    out.set(rows.subarray(from, from + width), to);
  }
}

/**
 * The features of the regions around each point from level 1 (the root is the same for all points)
 * to `depth`, behind its own; where a point has no region of a level, those of the deepest one that
 * it has.
 */
function surroundings(
  out: Float32Array,
  outWidth: number,
  branches: readonly Branch[],
  regions: readonly Branches[],
  width: number,
  depth: number,
  { tree }: Scene,
): void {
  const place = new Uint32Array(tree.level.length);
  const counts = new Uint32Array(regions.length);
  for (let region = 0; region < place.length; region++) {
    const own = tree.level[region];
    place[region] = counts[own]++;
    // In pre-order: a deeper region overwrites, at its own level and below, what its parent wrote.
    for (let level = Math.max(1, own); level <= depth; level++) {
      branches.forEach((branch, b) => {
        const from = place[region] * width;
        const feature = regions[own][branch].subarray(from, from + width);
        const column = (level * branches.length + b) * width;
        for (let at = tree.start[region]; at < tree.end[region]; at++) {
          out.set(feature, tree.order[at] * outWidth + column);
        }
      });
    }
  }
}
