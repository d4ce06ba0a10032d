/** The hook that writes a run's log. */

import type { Hook, Training } from "./hooks.ts";
import type { EpochSummary, StepReport } from "./reports.ts";
import type { RunLog } from "./run_log.ts";
import type { StepMetrics } from "./step_metrics.ts";

/** A step's scalars under their log names. */
function logged(metrics: Omit<StepMetrics, "step">, prefix = ""): Record<string, number> {
  const { loss, scalars, alignment, featStd, featNorm } = metrics;
  return {
    [`${prefix}total`]: loss,
    ...Object.fromEntries(
      Object.entries(scalars).map(([name, value]) => [`${prefix}${name}`, value]),
    ),
    [`${prefix}alignment`]: alignment,
    [`${prefix}feat_std`]: featStd,
    [`${prefix}feat_norm`]: featNorm,
  };
}

/** Writes every log_interval-th step, and every epoch with its validation and probe. */
export class Logging implements Hook {
  readonly name = "log";
  readonly #log: RunLog;

  /**
   * A hook for one run.
   * @param log stays the caller's to close
   */
  constructor(log: RunLog) {
    this.#log = log;
  }

  /** Writes a step that is due, or whose loss is not a number. */
  afterStep(report: StepReport, { config }: Training): void {
    const { step, learningRate, pointsPerSecond, loss } = report;
    if ((step + 1) % config.log_interval !== 0 && Number.isFinite(loss)) return;
    this.#log.log(step, {
      ...logged(report),
      learning_rate: learningRate,
      points_per_second: pointsPerSecond,
    });
  }

  /** Writes an epoch. */
  afterEpoch(summary: EpochSummary, training: Training): void {
    const { epoch, trainLoss, learningRate, validation, probe } = summary;
    this.#log.log(training.step - 1, {
      epoch: epoch + 1,
      "epoch/train_loss": trainLoss,
      "epoch/learning_rate": learningRate,
      ...(validation ? logged(validation, "validation/") : {}),
      ...Object.fromEntries(
        Object.entries(probe?.values ?? {}).map(([name, value]) => [`probe/${name}`, value]),
      ),
    });
  }
}
