/**
 * Small trainings for tests: narrow widths, rooms of a few hundred points, one step in a fraction
 * of a second.
 */

import { SyntheticDataset } from "../../src/scenes/synthetic/synthetic.ts";
import type { Dataset } from "../../src/scenes/scene.ts";
import type { ConfigValues } from "../../src/run/config.ts";
import { Trainer, type TrainerOptions } from "../../src/training/trainer.ts";
import { testDevice } from "./device.ts";
import { tinyConfig } from "./tiny_config.ts";

export { TINY, TINY_SPUNET, tinyConfig } from "./tiny_config.ts";

/** Rooms of `points` points in trees of depth 2, down to regions of 9 points. */
export function tinyRooms(scenes = 5, start = 0, points = 203): Dataset {
  return new SyntheticDataset({ scenes, start, points, maxDepth: 2, minPoints: 9, branching: 3 });
}

/**
 * A trainer on this file's device: 5 rooms for training (3 steps an epoch), 3 for validation (2
 * batches).
 */
export async function tinyTrainer(
  values: Partial<ConfigValues> = {},
  options: TrainerOptions = {},
): Promise<Trainer> {
  return await Trainer.create(tinyConfig(values), {
    device: await testDevice(),
    train: tinyRooms(),
    validation: tinyRooms(3, 100),
    ...options,
  });
}

/** All weights of a trainer by name, one array each. */
export function weights(trainer: Trainer): Promise<Map<string, Float32Array>> {
  return trainer.model.parameters.read();
}
