/** Encoded scenes as the page shows them. */

import { Random } from "../base/random.ts";
import type { RegionTree, Scene } from "../scenes/scene.ts";
import { componentColors } from "../inference/embed/principal_components.ts";
import { ByteCollector } from "./bytes.ts";
import { findAxes, quantiseFeatures, quantisePositions } from "./quantise.ts";
import type { BranchData, LevelData, SceneData } from "./report_data.ts";

/** What the page is to show of a scene. */
export interface ShownScene {
  readonly scene: Scene;
  /** (N, 3), 0 to 1; null: it has none. */
  readonly colors: ArrayLike<number> | null;
  /** (n) the points that are shown, in the order of the scene's tree. */
  readonly points: Uint32Array;
  /** (n, D) features of those. */
  readonly g2l: Float32Array;
  /** (n, D) features of those. */
  readonly l2g: Float32Array;
}

/**
 * At most `most` of a scene's points, drawn at random, always the same; in the order of its tree.
 * 0: all.
 */
export function choosePoints({ order }: RegionTree, most: number): Uint32Array {
  if (most === 0 || order.length <= most) return order;
  const places = new Random(0, "report").sampleWithoutReplacement(order.length, most).sort();
  return Uint32Array.from(places, (place) => order[place]);
}

/** Rows of a table (N, width). */
export function rowsOf(table: Float32Array, width: number, rows: Uint32Array): Float32Array {
  const out = new Float32Array(rows.length * width);
  for (const [i, row] of rows.entries()) {
    out.set(table.subarray(row * width, (row + 1) * width), i * width);
  }
  return out;
}

/**
 * What stands in the page of each scene, and its bytes. Axes and colours are common to all scenes.
 *
 * @param width D.
 */
export function packScenes(
  scenes: readonly ShownScene[],
  width: number,
): { data: SceneData; bytes: Uint8Array<ArrayBuffer> }[] {
  const branches = (["g2l", "l2g"] as const).map((branch) => {
    const tables = scenes.map((scene) => scene[branch]);
    return { branch, axes: findAxes(tables, width), colors: colorsOfAll(tables, width) };
  });
  return scenes.map((shown, i) => {
    const { scene, points, colors } = shown;
    const collector = new ByteCollector();
    const { origin, scale, values } = quantisePositions(scene.coords, points);
    const data: SceneData = {
      id: scene.id,
      points: points.length,
      pointsOfScene: scene.coords.length / 3,
      origin,
      scale,
      positions: collector.add(values),
      branches: branches.map(({ branch, axes, colors }): BranchData => ({
        name: branch === "g2l" ? "G2L" : "L2G",
        colors: collector.add(colors[i]),
        features: collector.add(quantiseFeatures(shown[branch], axes)),
        width: axes.directions.length,
        kept: axes.kept,
      })),
      levels: levelsOf(scene.tree, points, collector),
      colors: colors === null ? null : collector.add(bytesOf(colors, points)),
      labels: scene.pointLabels === undefined
        ? null
        : collector.add(Int32Array.from(points, (point) => scene.pointLabels![point])),
    };
    return { data, bytes: collector.bytes() };
  });
}

/** Colours of each scene's features by the principal components of all scenes'. */
function colorsOfAll(tables: readonly Float32Array[], width: number): Uint8Array[] {
  const all = new Float32Array(tables.reduce((sum, table) => sum + table.length, 0));
  const starts: number[] = [];
  let at = 0;
  for (const table of tables) {
    all.set(table, at);
    starts.push(at);
    at += table.length;
  }
  const colors = componentColors(all, width);
  return tables.map(({ length }, i) =>
    colors.subarray(3 * starts[i] / width, 3 * (starts[i] + length) / width)
  );
}

function bytesOf(colors: ArrayLike<number>, points: Uint32Array): Uint8Array {
  const out = new Uint8ClampedArray(3 * points.length); // rounds, too
  for (const [i, point] of points.entries()) {
    for (let k = 0; k < 3; k++) out[3 * i + k] = 255 * colors[3 * point + k];
  }
  return new Uint8Array(out.buffer);
}

/** Every level's regions as segments of the points shown. */
function levelsOf(
  tree: RegionTree,
  points: Uint32Array,
  collector: ByteCollector,
): LevelData[] {
  const count = tree.order.length;
  const place = new Uint32Array(count);
  for (const [i, point] of tree.order.entries()) place[point] = i;
  const deepest = tree.level.reduce((most, level) => Math.max(most, level), 0);
  return Array.from({ length: deepest + 1 }, (_, level) => {
    const regionAt = new Uint32Array(count);
    let regions = 0;
    // Parents come before their children, so the deepest region is written last.
    for (let r = 0; r < tree.level.length; r++) {
      if (tree.level[r] <= level) regionAt.fill(r, tree.start[r], tree.end[r]);
      if (tree.level[r] === level) regions++;
    }
    const starts: number[] = [], region: number[] = [];
    for (const [i, point] of points.entries()) {
      const r = regionAt[place[point]];
      if (region.length > 0 && region.at(-1) === r) continue;
      starts.push(i);
      region.push(r);
    }
    return {
      level,
      regions,
      start: collector.add(Uint32Array.from(starts)),
      region: collector.add(Uint32Array.from(region)),
    };
  });
}
