/** What a training's model is told about its kernels. */

import type { Dataset } from "../scenes/scene.ts";
import {
  linearWork,
  manyRows,
  stepRows,
  tuneRows,
  worthTuning,
} from "../model/fused/loops/tuner.ts";
import type { ModelOptions } from "../model/model.ts";
import { DataError, UsageError } from "../base/errors.ts";
import type { Device } from "../gpu/device.ts";
import type { TrainingConfig } from "../run/config.ts";

/**
 * How the model of a training computes: by the configuration, the work ahead, and what is measured where that pays.
 *
 * @param stepsPerEpoch of the first epoch
 */
export async function chooseKernels(
  device: Device,
  config: TrainingConfig,
  train: Dataset,
  stepsPerEpoch: number,
): Promise<ModelOptions> {
  const options: ModelOptions = {
    fused: config.fused === "auto" ? undefined : config.fused === "on",
    // By the schedule's length, not num_epochs: a run that is resumed for more epochs makes the same choice as one
    // that was begun with them.
    steps: config.T_max * stepsPerEpoch,
  };
  if (!config.tune || options.fused === false) return options;
  const scenes = train.length / stepsPerEpoch;
  const many = manyRows(scenes, config);
  // A short run does not read a scene for this.
  if (worthTuning(linearWork(device, config, many, options), device.kind).length === 0) {
    return { ...options, tiles: await tuneRows(device, config, many, options) };
  }
  const scene = await train.get(0).catch((error) => {
    // The step that needs the scene tells what is wrong with it.
    if (error instanceof DataError || error instanceof UsageError) return null;
    throw error;
  });
  if (scene === null) return options;
  const rows = stepRows(scene, scenes, config);
  return { ...options, tiles: await tuneRows(device, config, rows, options) };
}
