/** Puts scenes and their views together into a batch whose every region is one segment of rows. */

import { DataError, UsageError } from "../../base/errors.ts";
import type { Batch, BatchLevel, BatchView } from "./batch.ts";
import { cutTree, inversePermutation } from "../region_tree.ts";
import type { RegionTree, Scene } from "../scene.ts";
import type { SceneView } from "../views/views.ts";

/** One scene of a batch with the view of each branch, both in the scene's own point order. */
export interface BatchItem {
  /** Gives the points their tree and order. */
  readonly scene: Scene;
  /** What G2L sees. */
  readonly view1: SceneView;
  /** What L2G sees. */
  readonly view2: SceneView;
}

/**
 * Builds the batch of `items`. Each scene keeps a block of rows of its own, permuted by its tree;
 * regions stand level by level in depth-first pre-order, scenes in the order given. Regions at
 * level `maxHierarchyDepth` become leaves (null: no limit). The arrays of the scenes and views are
 * copied, not kept.
 *
 * Throws UsageError for an empty batch or scenes of different feature widths, DataError for a scene
 * whose tree or views do not fit its number of points.
 */
export function buildBatch(
  items: readonly BatchItem[],
  { maxHierarchyDepth }: { maxHierarchyDepth: number | null },
): Batch {
  if (items.length === 0) throw new UsageError("Cannot build a batch: there are no scenes in it");
  const featureWidth = items[0].scene.feats.length / (items[0].scene.coords.length / 3);
  const pointOffsets = new Uint32Array(items.length + 1);
  items.forEach((item, index) => {
    checkItem(item, featureWidth, items[0].scene.id);
    pointOffsets[index + 1] = pointOffsets[index] + item.scene.coords.length / 3;
  });
  const pointCount = pointOffsets[items.length];

  const order = new Uint32Array(pointCount);
  const view1 = emptyView(pointCount, featureWidth), view2 = emptyView(pointCount, featureWidth);
  const levels: LevelLists[] = [];
  items.forEach(({ scene, ...views }, index) => {
    const tree = cutTree(scene.tree, maxHierarchyDepth), offset = pointOffsets[index];
    for (let row = 0; row < tree.order.length; row++) {
      order[offset + row] = offset + tree.order[row];
    }
    permuteInto(view1, views.view1, tree.order, offset, featureWidth);
    permuteInto(view2, views.view2, tree.order, offset, featureWidth);
    appendRegions(levels, tree, offset, index);
  });
  return {
    sceneIds: items.map(({ scene }) => scene.id),
    pointCount,
    featureWidth,
    pointOffsets,
    order,
    view1,
    view2,
    // The level below the deepest regions was opened, but is empty.
    levels: levels.slice(0, -1).map((lists) => finishLevel(lists, items.length)),
  };
}

function checkItem(
  { scene, view1, view2 }: BatchItem,
  featureWidth: number,
  firstId: string,
): void {
  const points = scene.coords.length / 3, width = scene.feats.length / points;
  if (scene.tree.order.length !== points) {
    throw new DataError(
      `Cannot batch scene ${scene.id}: its tree orders ${scene.tree.order.length} points, it has ${points}`,
    );
  }
  if (!Number.isInteger(width)) {
    throw new DataError(
      `Cannot batch scene ${scene.id}: ${scene.feats.length} feature values do not divide among ${points} points`,
    );
  }
  if (width !== featureWidth) {
    throw new UsageError(
      `Cannot batch scene ${scene.id}: it has ${width} features a point, scene ${firstId} of the same batch ` +
        `${featureWidth}; expected the same features for all scenes`,
    );
  }
  for (const [name, view] of Object.entries({ view1, view2 })) {
    if (view.coords.length === 3 * points && view.feats.length === width * points) continue;
    throw new DataError(
      `Cannot batch scene ${scene.id}: ${name} holds ${view.coords.length} coordinates and ` +
        `${view.feats.length} features; expected ${3 * points} and ${width * points}`,
    );
  }
}

function emptyView(points: number, featureWidth: number): BatchView {
  return { coords: new Float32Array(3 * points), feats: new Float32Array(featureWidth * points) };
}

function permuteInto(
  out: BatchView,
  view: SceneView,
  order: Uint32Array,
  offset: number,
  featureWidth: number,
): void {
  permuteRows(out.coords, view.coords, order, offset, 3);
  permuteRows(out.feats, view.feats, order, offset, featureWidth);
}

function permuteRows(
  out: Float32Array,
  rows: Float32Array,
  order: Uint32Array,
  offset: number,
  width: number,
): void {
  let to = offset * width;
  for (let row = 0; row < order.length; row++) {
    const from = order[row] * width;
    for (let k = 0; k < width; k++) out[to++] = rows[from + k];
  }
}

/** A level while its regions are collected. */
interface LevelLists {
  readonly start: number[];
  readonly end: number[];
  readonly center: number[];
  readonly parent: number[];
  readonly childStart: number[];
  readonly childCount: number[];
  /** Scene of each region. */
  readonly scene: number[];
}

function appendRegions(
  levels: LevelLists[],
  tree: RegionTree,
  offset: number,
  scene: number,
): void {
  const rowOf = inversePermutation(tree.order);
  const place = new Uint32Array(tree.level.length); // index within its level
  for (let region = 0; region < tree.level.length; region++) {
    const depth = tree.level[region];
    for (let missing = levels.length; missing <= depth + 1; missing++) levels.push(emptyLevel());
    const level = levels[depth];
    place[region] = level.start.length;
    level.start.push(offset + tree.start[region]);
    level.end.push(offset + tree.end[region]);
    level.center.push(offset + rowOf[tree.center[region]]);
    level.scene.push(scene);
    // In pre-order, what the level below holds so far is exactly what comes before this region's
    // children.
    level.childStart.push(levels[depth + 1].start.length);
    level.childCount.push(0);
    const over = region === 0 ? 0 : place[tree.parent[region]];
    level.parent.push(over);
    if (region > 0) levels[depth - 1].childCount[over]++;
  }
}

function emptyLevel(): LevelLists {
  return { start: [], end: [], center: [], parent: [], childStart: [], childCount: [], scene: [] };
}

function finishLevel(lists: LevelLists, scenes: number): BatchLevel {
  const offsets = new Uint32Array(scenes + 1);
  for (const scene of lists.scene) offsets[scene + 1]++;
  for (let scene = 0; scene < scenes; scene++) offsets[scene + 1] += offsets[scene];
  return {
    start: Uint32Array.from(lists.start),
    end: Uint32Array.from(lists.end),
    center: Uint32Array.from(lists.center),
    parent: Uint32Array.from(lists.parent),
    childStart: Uint32Array.from(lists.childStart),
    childEnd: Uint32Array.from(lists.childStart, (start, i) => start + lists.childCount[i]),
    offsets,
  };
}
