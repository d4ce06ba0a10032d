/** A training run as the command line does it: device line, logs, progress, summary, Ctrl-C. */

import { say as sayOnOutput, warn } from "../../base/terminal.ts";
import { Device } from "../../gpu/device.ts";
import type { TrainArguments } from "./arguments.ts";
import { TrainingConfig } from "../../run/config.ts";
import { readConfigFile } from "../../run/config_file.ts";
import { openDatasets } from "../../run/datasets.ts";
import { Progress } from "./progress.ts";
import { openProbe } from "../../evaluation/probe.ts";
import type { Hook } from "../../training/hooks.ts";
import { Logging } from "../../training/logging.ts";
import type { EpochSummary, FitSummary } from "../../training/reports.ts";
import { checkFolder } from "../../base/folder_lock.ts";
import { INTERRUPTED, interruptSignal } from "./interrupt.ts";
import { checkpointToResume, configOfCheckpoint, logFolderOf, startFrom } from "./resume.ts";
import { RunLog } from "../../training/run_log.ts";
import { Trainer } from "../../training/trainer.ts";

/** How a run ended, as an exit code. What is thrown instead, `reportError` turns into 1 or 2. */
const EXIT = { done: 0, interrupted: INTERRUPTED } as const;

/** The settings of a run, and the checkpoint that it goes on from; null: it starts anew. */
interface Start {
  readonly config: TrainingConfig;
  readonly checkpoint: string | null;
}

async function readStart(args: TrainArguments, say: (line: string) => void): Promise<Start> {
  const { config: file, overrides } = args;
  const own = file === undefined ? null : await readConfigFile(file, overrides);
  const settings = own ?? TrainingConfig.fromYaml("", { overrides });
  const checkpoint = await checkpointToResume(args, settings.checkpoint_dir, say);
  if (own || checkpoint === null) return { config: settings, checkpoint };
  return { config: await configOfCheckpoint(checkpoint, overrides, say), checkpoint };
}

/** What the configuration asks for and this program does otherwise, said once. */
function sayDifferences(config: TrainingConfig, say: (line: string) => void): void {
  if (config.use_amp && config.explicit.has("use_amp")) {
    say("use_amp: computing in float32; these kernels have no half-precision form.");
  }
  if (config.explicit.has("tune")) {
    say("tune: accepted for older files' sake; kernels are no longer measured.");
  }
  const keepsActivations = config.fused === "off";
  if (
    config.explicit.has("use_gradient_checkpoint") &&
    config.use_gradient_checkpoint === keepsActivations
  ) {
    say(
      `use_gradient_checkpoint: ${config.use_gradient_checkpoint} has no effect: ` +
        (keepsActivations
          ? "the plain operations (fused: off) keep activations."
          : "the fused kernels always recompute; fused: off keeps activations."),
    );
  }
}

function describeEpoch({ epoch, trainLoss, validation, probe }: EpochSummary): string {
  const line = `Epoch ${epoch + 1}: loss ${trainLoss.toFixed(4)}`;
  const probed = Object.entries(probe?.values ?? {}).slice(0, 1)
    .map(([name, value]) => `, probe ${name.replaceAll("_", " ")} ${(100 * value).toFixed(1)} %`)
    .join("");
  if (!validation) return line + probed;
  const { loss, alignment, featStd } = validation;
  return `${line}, validation ${loss.toFixed(4)}, alignment ${alignment.toFixed(3)}, ` +
    `feat_std ${featStd.toFixed(3)}${probed}`;
}

/** The hook that shows progress. */
function progressHook(progress: Progress): Hook {
  return {
    name: "progress",
    afterStep({ epoch, step, loss, pointsPerSecond }) {
      progress.step({ epoch: epoch + 1, step: step + 1, loss, pointsPerSecond });
    },
    afterEpoch(summary) {
      progress.message(describeEpoch(summary));
    },
  };
}

function describeEnd(trainer: Trainer, summary: FitSummary, log: RunLog): string {
  const { checkpoint, firstLoss, lastLoss, steps, seconds } = summary;
  if (summary.interrupted) {
    return checkpoint === null
      ? `Interrupted before the first step; nothing to save.`
      : `Interrupted after step ${trainer.step}; everything is saved. Go on with\n` +
        `  deno task train --resume ${checkpoint}`;
  }
  return `Done: loss ${firstLoss.toFixed(4)} → ${lastLoss.toFixed(4)} in ${steps} steps, ` +
    `${(steps / seconds).toFixed(2)} steps/s.\nCheckpoint: ${checkpoint}\nLogs: ${log.directory}`;
}

function describeStart({ train, validation, model }: Trainer): string {
  return `Data: ${train.length} training scenes, ${validation?.length ?? 0} for validation. ` +
    `Model: ${model.parameters.count.toLocaleString("en")} parameters.`;
}

/** All epochs are done: writes what a run that was killed between its last saves has left to write. */
async function completeRun(trainer: Trainer, say: (line: string) => void): Promise<number> {
  const done = `${trainer.epoch} of ${trainer.config.num_epochs} epochs are done`;
  const { checkpoint } = await trainer.fit();
  say(
    checkpoint
      ? `Completed: ${done}.\nCheckpoint: ${checkpoint}`
      : `Nothing to do: ${done}. Raise num_epochs to go on.`,
  );
  return EXIT.done;
}

/**
 * Run what the arguments of `train.ts` ask for. Returns the exit code; throws what `reportError`
 * explains.
 */
export async function runTraining(
  args: TrainArguments,
  say: (line: string) => void = sayOnOutput,
): Promise<number> {
  const { config, checkpoint } = await readStart(args, say);
  const datasets = await openDatasets(config);
  // Found out now, not after the first epoch: whether checkpoints can be written, and nobody else
  // writes there.
  await checkFolder(config.checkpoint_dir, "checkpoint_dir");
  using device = await Device.create({ request: config.device });
  say(`Device: ${device.description}`);
  sayDifferences(config, say);
  const probe = config.probe === null ? null : await openProbe(config, config.probe);
  const measures = probe ? [probe] : [];
  using trainer = await Trainer.create(config, { device, ...datasets, hooks: measures });
  await startFrom(trainer, checkpoint, args, say);
  say(describeStart(trainer));
  if (probe) say(probe.description);
  if (trainer.epoch >= config.num_epochs) return await completeRun(trainer, say);
  const before = checkpoint === null
    ? null
    : await logFolderOf(checkpoint, trainer.runDirectory, config.log_dir);
  using log = await RunLog.create({
    config,
    device: device.description,
    resume: before === null ? undefined : { directory: before, firstStep: trainer.step },
  });
  trainer.runDirectory = log.directory;
  const progress = config.verbose
    ? new Progress({
      epochs: config.num_epochs,
      steps: trainer.totalSteps,
      stepsBefore: trainer.step,
      logInterval: config.log_interval,
    })
    : null;
  using interrupt = interruptSignal(() =>
    progress?.message("Stopping after this step … (Ctrl-C again to stop at once)")
  );
  try {
    const summary = await trainer.fit({
      hooks: [new Logging(log), ...(progress ? [progressHook(progress)] : [])],
      signal: interrupt.signal,
      onSaved(rescue) {
        progress?.finish();
        warn(
          "path" in rescue
            ? `Everything up to step ${trainer.step} is saved. Go on with\n  deno task train --resume ${rescue.path}`
            : `What was computed since the last checkpoint could not be saved: ${rescue.why}`,
        );
      },
    });
    progress?.finish();
    say(describeEnd(trainer, summary, log));
    return summary.interrupted ? EXIT.interrupted : EXIT.done;
  } catch (error) {
    progress?.finish();
    throw error;
  }
}
