/** Where a run of the command line starts: fresh, at a checkpoint, or with weights from a file. */

import { basename, dirname, join, resolve } from "@std/path";
import { DataError, UsageError } from "../../base/errors.ts";
import { readCheckpointPlaces } from "../../run/checkpoint.ts";
import { newestCheckpoint } from "../../run/newest_checkpoint.ts";
import type { TrainArguments } from "./arguments.ts";
import { type ConfigOverride, type ConfigValues, TrainingConfig } from "../../run/config.ts";
import { CONFIG_KEY_NAMES, CONFIG_KEYS } from "../../run/config_keys.ts";
import type { Trainer } from "../../training/trainer.ts";

/**
 * The configuration of a run that goes on from `path` without a file of its own: the checkpoint's,
 * with `overrides`. Folders that a file names are not written to on its word: checkpoints go into
 * the folder that `path` lies in, logs into the run's folder if that is indeed this run's
 * (`logFolderOf`), else into log_dir's default.
 *
 * @param say Told where logs do not go where the checkpoint says.
 */
export async function configOfCheckpoint(
  path: string,
  overrides: readonly ConfigOverride[],
  say: (line: string) => void = () => {},
): Promise<TrainingConfig> {
  const { config: saved, runDirectory } = await readCheckpointPlaces(path);
  const own: ConfigOverride[] = [];
  const give = (key: "checkpoint_dir" | "log_dir", text: string) => {
    if (!overrides.some((override) => override.key === key)) own.push({ key, text, where: path });
  };
  const folder = dirname(path);
  if (resolve(String(saved.checkpoint_dir)) !== resolve(folder)) give("checkpoint_dir", folder);
  if (await logFolderOf(path, runDirectory, String(saved.log_dir)) === null) {
    const { log_dir } = TrainingConfig.defaults();
    if (saved.log_dir !== log_dir && !overrides.some(({ key }) => key === "log_dir")) {
      say(
        `Logs go into ${log_dir}: the folder that the checkpoint names is not known to be this run's. ` +
          `--set log_dir=DIR chooses another.`,
      );
    }
    give("log_dir", log_dir);
  }
  return TrainingConfig.fromObject(saved, { file: path, overrides: [...overrides, ...own] });
}

/**
 * The folder in `logDir` in which the log of a checkpoint's run can go on; null: there is none. It
 * has to be one that such a run has made: its config.yaml names the folder that the checkpoint lies
 * in, or the checkpoint lies in it itself, saved there when checkpoint_dir took none.
 *
 * @param runDirectory As the checkpoint says. Of it only the last name counts, a plain one.
 */
export async function logFolderOf(
  checkpoint: string,
  runDirectory: string | null,
  logDir: string,
): Promise<string | null> {
  const name = runDirectory === null ? "" : basename(runDirectory);
  if (name === "" || /^\.*$/.test(name) || resolve(dirname(runDirectory!)) !== resolve(logDir)) {
    return null;
  }
  const folder = join(logDir, name);
  const text = await Deno.readTextFile(join(folder, "config.yaml")).catch(() => null);
  if (text === null) return null;
  try {
    const { checkpoint_dir } = TrainingConfig.fromYaml(text);
    const own = [resolve(checkpoint_dir), resolve(folder)];
    return own.includes(resolve(dirname(checkpoint))) ? folder : null;
  } catch (error) {
    if (error instanceof UsageError) return null;
    throw error;
  }
}

/**
 * The checkpoint that `--resume` means, if it was given: the path, or the newest in `directory`.
 */
export async function checkpointToResume(
  { resume }: TrainArguments,
  directory: string,
  say: (line: string) => void,
): Promise<string | null> {
  if (resume === undefined) return null;
  return resume === true ? await newestCheckpoint(directory, say) : resume;
}

/**
 * Brings a trainer to where it starts.
 *
 * @param path The checkpoint to go on from; null: none.
 */
export async function startFrom(
  trainer: Trainer,
  path: string | null,
  args: TrainArguments,
  say: (line: string) => void,
): Promise<void> {
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
  const changed = CONFIG_KEY_NAMES.filter((key) =>
    Object.hasOwn(saved, key) && CONFIG_KEYS[key].resume !== "free" &&
    JSON.stringify(saved[key]) !== JSON.stringify(config[key])
  );
  const list = (keys: typeof changed) =>
    keys.map((key) =>
      `  ${key}: ${JSON.stringify(saved[key])} in the checkpoint, ${
        JSON.stringify(config[key])
      } now`
    ).join("\n");
  const fixed = changed.filter((key) => CONFIG_KEYS[key].resume === "fixed");
  if (fixed.length > 0) {
    throw new DataError(`Cannot resume from ${path}: it is of another model.\n${list(fixed)}`);
  }
  if (changed.length > 0) {
    say(
      `Settings differ from the checkpoint's; the run will not be the one that was begun:\n${
        list(changed)
      }`,
    );
  }
}
