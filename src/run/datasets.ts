/** Opens the datasets a configuration names. */

import { settingsOfScene } from "../scenes/preprocess/make_scene.ts";
import type { SceneSettings } from "../scenes/preprocess/settings.ts";
import type { AugmentationRule } from "../scenes/views/augmentations/rule.ts";
import type { Dataset } from "../scenes/scene.ts";
import { openScenes, ScenesDataset } from "../scenes/scenes_dataset.ts";
import { SyntheticDataset } from "../scenes/synthetic/synthetic.ts";
import { BatchLoader, type LoaderOptions } from "../scenes/batches/worker_loader.ts";
import { UsageError } from "../base/errors.ts";
import { warn } from "../base/terminal.ts";
import type { TrainingConfig } from "./config.ts";

/** Training scenes and, where there are any, validation scenes. */
export interface Datasets {
  /** What steps are made of. */
  readonly train: Dataset;
  /** What `validate` sees; null: none. */
  readonly validation: Dataset | null;
}

/**
 * Synthetic rooms, or the scenes under `data_root`. A data_root that is missing is an error, never
 * a silent switch to synthetic scenes.
 *
 * Scenes that cannot be read are left out and told on standard error.
 *
 * Throws UsageError for a folder that is not there or holds no scenes, and for features that the
 * scenes do not have; DataError where none of the scenes can be read.
 */
export async function openDatasets(config: TrainingConfig): Promise<Datasets> {
  return config.dataset === "synthetic" ? syntheticRooms(config) : await scenes(config);
}

async function scenes(config: TrainingConfig): Promise<Datasets> {
  const { train, validation } = await openScenes(config.data_root, {
    features: config.features,
    maxHierarchyDepth: config.max_hierarchy_depth,
    maxTrainScenes: config.max_train_scenes,
    maxValScenes: config.max_val_scenes,
    cacheBytes: config.cache_mb * 1e6,
    onLeftOut: (reason) => warn(`Scene left out: ${reason}`),
  });
  await train.checkFeatures(config.input_feat_dim);
  return { train, validation };
}

function syntheticRooms(config: TrainingConfig): Datasets {
  if (config.input_feat_dim !== 3) {
    throw new UsageError(
      `Cannot make synthetic scenes with input_feat_dim ${config.input_feat_dim}: expected 3, their normals.`,
    );
  }
  const train = Math.min(config.synthetic_scenes, config.max_train_scenes ?? Infinity);
  const validation = Math.min(config.synthetic_val_scenes, config.max_val_scenes ?? Infinity);
  const shared = {
    seed: config.seed,
    points: config.synthetic_points,
    maxDepth: config.max_hierarchy_depth ?? 4,
  };
  return {
    train: new SyntheticDataset({ ...shared, scenes: train }),
    // Scene numbers go on after the training scenes, whatever max_train_scenes cuts off.
    validation: new SyntheticDataset({
      ...shared,
      scenes: validation,
      start: config.synthetic_scenes,
    }),
  };
}

/**
 * How the scenes of a dataset were made of clouds, by what the first of them says; null where it
 * does not say, as synthetic ones, pickled ones and a user's own do not.
 */
export async function preparationOf(dataset: Dataset): Promise<SceneSettings | null> {
  if (!(dataset instanceof ScenesDataset) || dataset.length === 0) return null;
  return await settingsOfScene(dataset.source.files[0]);
}

/** The batches of both. */
export interface Loaders extends Disposable {
  /** Two augmented views of each scene, shuffled anew each epoch. */
  readonly train: BatchLoader;
  /** The scenes as they are; null: none. */
  readonly validation: BatchLoader | null;
}

/**
 * Starts what makes batches of datasets as the configuration says: num_workers for training, one
 * for validation.
 * @param augmentations of a person's own, which training views go through behind the
 * configuration's
 */
export async function openLoaders(
  config: TrainingConfig,
  { train, validation }: Datasets,
  augmentations: readonly AugmentationRule[] = [],
): Promise<Loaders> {
  const shared = {
    batchSize: config.batch_size,
    maxPointsPerBatch: config.max_points_per_batch,
    seed: config.seed,
    maxHierarchyDepth: config.max_hierarchy_depth,
    featureWidth: config.input_feat_dim,
  } satisfies Partial<LoaderOptions>;
  const training = await BatchLoader.create(train, {
    ...shared,
    augmentation: [...config.augmentation, ...augmentations.map(({ type }) => ({ type }))],
    augmentations,
    pointsPerView: config.points_per_view,
    numWorkers: config.num_workers,
    epochs: config.num_epochs,
  });
  const validating = validation === null || validation.length === 0
    ? null
    : await BatchLoader.create(validation, {
      ...shared,
      augmentation: null,
      // A validation reads each scene once and computes less: one keeps up.
      numWorkers: Math.min(config.num_workers, 1),
      epochs: 1,
    });
  return {
    train: training,
    validation: validating,
    [Symbol.dispose]() {
      training.close();
      validating?.close();
    },
  };
}
