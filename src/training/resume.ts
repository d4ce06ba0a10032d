/** Where a run of the command line starts: fresh, at a checkpoint, or with weights from a file. */

import { DataError } from "../errors.ts";
import { newestCheckpoint, readCheckpointConfig } from "./checkpoint.ts";
import type { TrainArguments } from "./cli_arguments.ts";
import { type ConfigOverride, type ConfigValues, TrainingConfig } from "./config.ts";
import type { Trainer } from "./trainer.ts";

/** Model-shaping keys: a checkpoint fits only a run that agrees on them. */
const SHAPE_KEYS: ReadonlySet<string> = new Set(
  [
    "input_feat_dim",
    "hidden_dim",
    "output_dim",
    "encoder_hidden_dims",
    "encoder_pooling",
    "backbone",
    "propagator_hidden_dim",
    "propagator_num_layers",
    "propagator_coords",
    "aggregator_mode",
    "aggregator_use_spatial",
    "projection_dim",
  ] satisfies (keyof ConfigValues)[],
);

/** Keys that may differ between a run and its continuation without a word: they don't change what is computed. */
const FREE_KEYS: ReadonlySet<string> = new Set(
  [
    "small_mode",
    "num_epochs",
    "device",
    "tune",
    "checkpoint_dir",
    "log_dir",
    "run_name",
    "save_interval",
    "log_interval",
    "eval_interval",
    "probe",
    "best_by",
    "verbose",
    "num_workers",
  ] satisfies (keyof ConfigValues)[],
);

/**
 * The configuration of a run that goes on from `path` without a file of its own: the checkpoint's, with `overrides`.
 */
export async function configOfCheckpoint(
  path: string,
  overrides: readonly ConfigOverride[],
): Promise<TrainingConfig> {
  const saved = await readCheckpointConfig(path);
  return TrainingConfig.fromObject(saved, { file: path, overrides });
}

/** The checkpoint that `--resume` means, if it was given: the path, or the newest in `directory`. */
export async function checkpointToResume(
  { resume }: TrainArguments,
  directory: string,
): Promise<string | null> {
  if (resume === undefined) return null;
  return resume === true ? await newestCheckpoint(directory) : resume;
}

/** Brings a trainer to where the arguments say it starts. */
export async function startFrom(
  trainer: Trainer,
  args: TrainArguments,
  say: (line: string) => void,
): Promise<void> {
  const path = await checkpointToResume(args, trainer.config.checkpoint_dir);
  if (path !== null) {
    const checkpoint = await trainer.loadCheckpoint(
      path,
      (saved) => compareConfigs(path, saved, trainer.config, say),
    );
    const { epoch, step } = checkpoint.counters;
    say(`Resumed from ${path}: ${epoch} epochs and ${step} steps done.`);
  } else if (args.initFrom !== undefined) {
    await trainer.loadWeights(args.initFrom);
    say(`Weights from ${args.initFrom}.`);
  }
}

/** Refuses a checkpoint of another model, and says which other settings changed. */
function compareConfigs(
  path: string,
  saved: ConfigValues,
  config: TrainingConfig,
  say: (line: string) => void,
): void {
  const before: Readonly<Record<string, unknown>> = saved;
  const changed = Object.entries(config.toObject()).filter(([key, value]) =>
    Object.hasOwn(before, key) && !FREE_KEYS.has(key) &&
    JSON.stringify(before[key]) !== JSON.stringify(value)
  );
  const list = (entries: typeof changed) =>
    entries.map(([key, value]) =>
      `  ${key}: ${JSON.stringify(before[key])} in the checkpoint, ${JSON.stringify(value)} now`
    ).join("\n");
  const shapes = changed.filter(([key]) => SHAPE_KEYS.has(key));
  if (shapes.length > 0) {
    throw new DataError(`Cannot resume from ${path}: it is of another model.\n${list(shapes)}`);
  }
  if (changed.length > 0) {
    say(
      `Settings differ from the checkpoint's; the run will not be the one that was begun:\n${
        list(changed)
      }`,
    );
  }
}
