/** Which scenes a step sees, and the batch made of them. */

import { UsageError } from "../../base/errors.ts";
import type { AugmentationRule } from "../views/augmentations/rule.ts";
import type { AugmentationList } from "../views/augmentations/types.ts";
import type { Batch } from "./batch.ts";
import { buildBatch } from "./batch_builder.ts";
import { thinTree } from "../views/drawn_points.ts";
import { Random } from "../../base/random.ts";
import { cutTree } from "../region_tree.ts";
import type { Dataset, Scene } from "../scene.ts";
import { augment, identityView } from "../views/views.ts";

/** The scene numbers of one epoch in order: shuffled from seed and epoch alone, or ascending. */
export function epochOrder(
  length: number,
  seed: number,
  epoch: number,
  shuffle: boolean,
): Uint32Array {
  const order = Uint32Array.from({ length }, (_, index) => index);
  return shuffle ? new Random(seed, "epoch order", epoch).shuffle(order) : order;
}

/** Cuts an epoch's order into batches of `batchSize` scenes; the last may be shorter. */
export function batchIndices(order: Uint32Array, batchSize: number): Uint32Array[] {
  if (!Number.isInteger(batchSize) || batchSize < 1) {
    throw new UsageError(`Cannot make batches: batch_size: expected at least 1, got ${batchSize}`);
  }
  const batches: Uint32Array[] = [];
  for (let at = 0; at < order.length; at += batchSize) {
    batches.push(order.slice(at, at + batchSize));
  }
  return batches;
}

/** What a batch needs to know of the model. */
export interface BatchOptions {
  /** Level at which regions become leaves; null: no limit. */
  readonly maxHierarchyDepth: number | null;
  /** The model's `input_feat_dim`; scenes of another width are refused. */
  readonly featureWidth: number;
}

/** What decides the views of a training batch. The same values give the same batch, to the bit. */
export interface TrainingBatchOptions extends BatchOptions {
  /** What each view goes through, in order. */
  readonly augmentation: AugmentationList;
  /** Rules of a person's own that `augmentation` may name; default none. */
  readonly augmentations?: readonly AugmentationRule[];
  /** Points of a scene that each view draws, its own ones; null, the default: all of them. */
  readonly pointsPerView?: number | null;
  /** The run's seed. */
  readonly seed: number;
  /** The epoch, from 0. */
  readonly epoch: number;
  /** The step, counted as the caller likes: it only sets streams apart. */
  readonly step: number;
}

/**
 * Loads the scenes `indices` of `dataset` and makes two independently augmented views of each. Each
 * view has a random stream of its own, so it does not matter who else is in the batch or which
 * worker makes it. With `pointsPerView` the same row of both views is a point of the same smallest
 * region, but seldom the same point.
 *
 * Throws UsageError for scenes whose features are not `featureWidth` wide, and whatever the dataset
 * throws.
 */
export async function makeTrainingBatch(
  dataset: Dataset,
  indices: ArrayLike<number>,
  options: TrainingBatchOptions,
): Promise<Batch> {
  const { seed, epoch, step, augmentation, augmentations, pointsPerView = null } = options;
  const scenes = await loadScenes(dataset, indices, options.featureWidth);
  const items = scenes.map((scene, i) => {
    const thinned = pointsPerView === null
      ? null
      : thinTree(cutTree(scene.tree, options.maxHierarchyDepth), pointsPerView);
    const view = (branch: number) =>
      augment(
        scene,
        augmentation,
        new Random(seed, "views", epoch, step, indices[i], branch),
        thinned,
        augmentations,
      );
    const [view1, view2] = [view(1), view(2)];
    return { scene: thinned ? { ...scene, ...view1, tree: thinned.tree } : scene, view1, view2 };
  });
  return buildBatch(items, options);
}

/**
 * Loads the scenes `indices` of `dataset` as they are, the same for both branches. Errors as for
 * training.
 */
export async function makeValidationBatch(
  dataset: Dataset,
  indices: ArrayLike<number>,
  options: BatchOptions,
): Promise<Batch> {
  const scenes = await loadScenes(dataset, indices, options.featureWidth);
  const items = scenes.map((scene) => ({
    scene,
    view1: identityView(scene),
    view2: identityView(scene),
  }));
  return buildBatch(items, options);
}

async function loadScenes(
  dataset: Dataset,
  indices: ArrayLike<number>,
  featureWidth: number,
): Promise<Scene[]> {
  const scenes = await Promise.all(Array.from(indices, (index) => dataset.get(index)));
  for (const { id, coords, feats, featureColumns } of scenes) {
    const width = feats.length / (coords.length / 3);
    if (width === featureWidth) continue;
    const columns = featureColumns.map((column) => `${column.name} ${column.width}`).join(", ");
    throw new UsageError(
      `Cannot use scene ${id}: expected ${featureWidth} features a point (input_feat_dim), got ${width} ` +
        `(${columns || "none named"}); set input_feat_dim to ${width} or choose other features`,
    );
  }
  return scenes;
}
