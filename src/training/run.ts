/** A training run as the command line does it: device line, logs, progress, checkpoints, summary, Ctrl-C. */

import { join } from "@std/path";
import { DataError, UsageError } from "../errors.ts";
import { Device } from "../gpu/device.ts";
import { newestCheckpoint } from "./checkpoint.ts";
import type { TrainArguments } from "./cli_arguments.ts";
import { TrainingConfig } from "./config.ts";
import { openDatasets } from "./datasets.ts";
import { Progress } from "./progress.ts";
import { RunLog } from "./run_log.ts";
import type { StepMetrics } from "./step_metrics.ts";
import { type EpochSummary, type StepReport, Trainer, type ValidationMetrics } from "./trainer.ts";

/** How a run ended, as an exit code. */
export const EXIT = { done: 0, failed: 1, usage: 2, interrupted: 130 } as const;

/** Model-shaping keys: a checkpoint fits only a run that agrees on them. */
const SHAPE_KEYS = [
  "input_feat_dim",
  "hidden_dim",
  "output_dim",
  "encoder_hidden_dims",
  "encoder_pooling",
  "propagator_hidden_dim",
  "propagator_num_layers",
  "aggregator_mode",
  "aggregator_use_spatial",
  "projection_dim",
] as const;

/** Keys that may differ between a run and its continuation without a word. */
const FREE_KEYS = new Set([
  "num_epochs",
  "device",
  "checkpoint_dir",
  "log_dir",
  "run_name",
  "save_interval",
  "log_interval",
  "eval_interval",
  "verbose",
  "num_workers",
]);

/** SPEC §3's scalars under their log names. */
function scalars(metrics: Omit<StepMetrics, "step">, prefix = ""): Record<string, number> {
  const { loss, region, point, regionLevels, alignment, featStd, featNorm } = metrics;
  return {
    [`${prefix}total`]: loss,
    [`${prefix}region`]: region,
    [`${prefix}point`]: point,
    ...Object.fromEntries(
      regionLevels.map((value, level) => [`${prefix}region_level_${level}`, value]),
    ),
    [`${prefix}alignment`]: alignment,
    [`${prefix}feat_std`]: featStd,
    [`${prefix}feat_norm`]: featNorm,
  };
}

async function readConfig(args: TrainArguments): Promise<TrainingConfig> {
  const { config: file, overrides } = args;
  if (file === undefined) return TrainingConfig.fromYaml("", { overrides });
  let text: string;
  try {
    text = await Deno.readTextFile(file);
  } catch (error) {
    const why = error instanceof Deno.errors.NotFound
      ? "there is no such file"
      : (error as Error).message;
    throw new UsageError(`Cannot read the configuration ${file}: ${why}.`);
  }
  return TrainingConfig.fromYaml(text, { file, overrides });
}

async function makeDirectory(path: string, key: string): Promise<void> {
  try {
    await Deno.mkdir(path, { recursive: true });
  } catch (error) {
    throw new UsageError(`Cannot use ${key} ${path}: ${(error as Error).message}.`);
  }
}

/** Refuse a checkpoint of another model, and say which other settings changed. */
function compareConfigs(
  path: string,
  saved: Readonly<Record<string, unknown>>,
  config: TrainingConfig,
  say: (line: string) => void,
): void {
  const changed = Object.entries(config.toObject()).flatMap(([key, value]) => {
    const before = JSON.stringify(saved[key]);
    const now = JSON.stringify(value);
    return before === now || before === undefined || FREE_KEYS.has(key)
      ? []
      : [{ key, before, now }];
  });
  const lines = (keys: typeof changed) =>
    keys.map(({ key, before, now }) => `  ${key}: ${before} in the checkpoint, ${now} now`).join(
      "\n",
    );
  const shapes = changed.filter(({ key }) => (SHAPE_KEYS as readonly string[]).includes(key));
  if (shapes.length > 0) {
    throw new DataError(`Cannot resume from ${path}: it is of another model.\n${lines(shapes)}`);
  }
  if (changed.length > 0) {
    say(
      `Settings differ from the checkpoint's; the run will not be the one that was begun:\n${
        lines(changed)
      }`,
    );
  }
}

/** Says what half precision and fusing come to on this device, once. */
function sayPrecision(config: TrainingConfig, say: (line: string) => void): void {
  if (config.use_amp && config.explicit.has("use_amp")) {
    say("use_amp: computing in float32; half precision is not faster in these kernels.");
  }
}

/** Bring a trainer to where the arguments say it starts. Returns the path resumed from. */
async function prepare(
  trainer: Trainer,
  args: TrainArguments,
  say: (line: string) => void,
): Promise<void> {
  if (args.resume !== undefined) {
    const path = args.resume === true
      ? await newestCheckpoint(trainer.config.checkpoint_dir)
      : args.resume;
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

/** The checkpoints of a run and when each is written. */
class Checkpoints {
  readonly #trainer: Trainer;
  readonly #directory: string;

  constructor(trainer: Trainer) {
    this.#trainer = trainer;
    this.#directory = trainer.config.checkpoint_dir;
  }

  path(name: string): string {
    return join(this.#directory, `${name}.safetensors`);
  }

  async save(name: string): Promise<string> {
    await this.#trainer.saveCheckpoint(this.path(name));
    return this.path(name);
  }

  async afterEpoch({ epoch, best }: EpochSummary): Promise<void> {
    const done = epoch + 1;
    if (best) await this.save("best");
    if (done % this.#trainer.config.save_interval === 0) {
      await this.save(`epoch_${String(done).padStart(4, "0")}`);
    }
    await this.save("last");
  }
}

/** Collects what the log lines need while `fit` runs. */
function logHooks(
  trainer: Trainer,
  log: RunLog,
  progress: Progress | null,
  checkpoints: Checkpoints,
) {
  const { config } = trainer;
  const line = (epoch: number, text: string) => progress?.message(`Epoch ${epoch + 1}: ${text}`);
  return {
    onStep(report: StepReport): void {
      const { step, epoch, learningRate, pointsPerSecond, loss } = report;
      if ((step + 1) % config.log_interval === 0) {
        log.log(step, {
          ...scalars(report),
          learning_rate: learningRate,
          points_per_second: pointsPerSecond,
        });
      }
      progress?.step({ epoch: epoch + 1, step: step + 1, loss, pointsPerSecond });
    },
    async onEpoch(summary: EpochSummary): Promise<void> {
      const { epoch, trainLoss, learningRate, validation } = summary;
      const last = trainer.step - 1;
      log.log(last, {
        epoch: epoch + 1,
        "epoch/train_loss": trainLoss,
        "epoch/learning_rate": learningRate,
        ...(validation ? scalars(validation, "validation/") : {}),
      });
      line(epoch, describeEpoch(trainLoss, validation));
      await checkpoints.afterEpoch(summary);
    },
  };
}

function describeEpoch(trainLoss: number, validation: ValidationMetrics | null): string {
  const parts = [`loss ${trainLoss.toFixed(4)}`];
  if (validation) {
    const { loss, alignment, featStd } = validation;
    parts.push(
      `validation ${loss.toFixed(4)}, alignment ${alignment.toFixed(3)}, feat_std ${
        featStd.toFixed(3)
      }`,
    );
  }
  return parts.join(", ");
}

/** Run what the arguments of `train.ts` ask for. Returns the exit code; throws what `reportError` explains. */
export async function runTraining(
  args: TrainArguments,
  say: (line: string) => void = console.log,
): Promise<number> {
  if (args.resume !== undefined && args.initFrom !== undefined) {
    throw new UsageError(
      "Cannot use --resume and --init-from together: one starts where the other ended.",
    );
  }
  const config = await readConfig(args);
  const { train, validation } = await openDatasets(config);
  await makeDirectory(config.checkpoint_dir, "checkpoint_dir");
  using device = await Device.create({ request: config.device });
  say(`Device: ${device.description}`);
  sayPrecision(config, say);
  using trainer = await Trainer.create(config, { device, train, validation });
  await prepare(trainer, args, say);
  say(
    `Data: ${train.length} training scenes, ${validation?.length ?? 0} for validation. ` +
      `Model: ${trainer.model.parameters.count.toLocaleString("en")} parameters.`,
  );
  if (trainer.epoch >= config.num_epochs) {
    say(
      `Nothing to do: ${trainer.epoch} of ${config.num_epochs} epochs are done. Raise num_epochs to go on.`,
    );
    return EXIT.done;
  }
  using log = await RunLog.create({
    config,
    resume: trainer.runDirectory && args.resume !== undefined
      ? { directory: trainer.runDirectory, firstStep: trainer.step }
      : undefined,
  });
  trainer.runDirectory = log.directory;
  const checkpoints = new Checkpoints(trainer);
  const progress = config.verbose
    ? new Progress({
      epochs: config.num_epochs,
      steps: config.num_epochs * trainer.stepsPerEpoch,
      stepsBefore: trainer.step,
      logInterval: config.log_interval,
    })
    : null;
  const abort = new AbortController();
  const interrupt = () => {
    if (abort.signal.aborted) Deno.exit(EXIT.interrupted); // a second Ctrl-C does not wait
    abort.abort();
    progress?.message("Stopping after this step … (Ctrl-C again to stop at once)");
  };
  const signals: Deno.Signal[] = Deno.build.os === "windows" ? ["SIGINT"] : ["SIGINT", "SIGTERM"];
  for (const signal of signals) Deno.addSignalListener(signal, interrupt);
  try {
    const summary = await trainer.fit({
      ...logHooks(trainer, log, progress, checkpoints),
      signal: abort.signal,
    });
    progress?.finish();
    const rate = (summary.steps / summary.seconds).toFixed(2);
    if (summary.interrupted) {
      const path = await checkpoints.save("last");
      say(
        `Interrupted after step ${trainer.step}; everything is saved. Go on with --resume ${path}`,
      );
      return EXIT.interrupted;
    }
    const path = await checkpoints.save("final");
    say(
      `Done: loss ${summary.firstLoss.toFixed(4)} → ${
        summary.lastLoss.toFixed(4)
      } in ${summary.steps} steps, ` +
        `${rate} steps/s.\nCheckpoint: ${path}\nLogs: ${log.directory}`,
    );
    return EXIT.done;
  } finally {
    for (const signal of signals) Deno.removeSignalListener(signal, interrupt);
  }
}
