/** What a training's model is told about its kernels. */

import type { ModelOptions } from "../model/model.ts";
import type { TrainingConfig } from "../run/config.ts";

/**
 * How the model of a training computes: by the configuration and the work ahead.
 *
 * @param stepsPerEpoch of the first epoch
 */
export function chooseKernels(config: TrainingConfig, stepsPerEpoch: number): ModelOptions {
  return {
    fused: config.fused === "auto" ? undefined : config.fused === "on",
    // By the schedule's length, not num_epochs: a run that is resumed for more epochs makes the
    // same choice as one that was begun with them.
    steps: config.T_max * stepsPerEpoch,
  };
}
