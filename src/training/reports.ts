/** What a training run tells of itself: validations, steps, epochs, and how it went. */

import type { StepMetrics } from "./step_metrics.ts";

/** A validation pass: means over its batches. */
export interface ValidationMetrics extends Omit<StepMetrics, "step"> {
  /** How many batches. */
  readonly batches: number;
}

/** What a probe measured. */
export interface ProbeScores {
  /** The score that best_by: probe goes by, larger is better: accuracy, of points the mean IoU. */
  readonly score: number;
  /** All that was measured, by name, such as `linear_accuracy`. */
  readonly values: Readonly<Record<string, number>>;
}

/** What `fit` tells of an epoch. */
export interface EpochSummary {
  /** From 0. */
  readonly epoch: number;
  /** Mean loss of its steps. */
  readonly trainLoss: number;
  /** The learning rate its steps had. */
  readonly learningRate: number;
  /** Null in epochs without validation. */
  readonly validation: ValidationMetrics | null;
  /** Null in epochs without a probe. */
  readonly probe: ProbeScores | null;
  /**
   * Whether this is the best epoch so far: by the validation loss (training loss, where there is no
   * validation set), or, with best_by: probe, by the probe's score.
   */
  readonly best: boolean;
}

/** Where a step stands in the run, for progress. */
export interface StepReport extends StepMetrics {
  /** From 0. */
  readonly epoch: number;
  /** From 0. */
  readonly stepInEpoch: number;
  /** Steps of an epoch. */
  readonly stepsPerEpoch: number;
  /** The learning rate the step had. */
  readonly learningRate: number;
  /** Points trained on per second since the last report. */
  readonly pointsPerSecond: number;
}

/** What became of a run that an error ended: a checkpoint to go on from, or why there is none. */
export type Rescue = { readonly path: string } | { readonly why: string };

/** How a run went. */
export interface FitSummary {
  /** One entry for each epoch that this call completed. */
  readonly epochs: readonly EpochSummary[];
  /** Loss of this call's first step; NaN when there was none. */
  readonly firstLoss: number;
  /** Loss of this call's last step; NaN when there was none. */
  readonly lastLoss: number;
  /** Steps of this call. */
  readonly steps: number;
  /** Duration of this call. */
  readonly seconds: number;
  /** Whether the signal ended it before the last epoch. */
  readonly interrupted: boolean;
  /** The checkpoint written last; null where none was. */
  readonly checkpoint: string | null;
}

/** Means over validation batches. */
export function meanMetrics(all: readonly StepMetrics[]): ValidationMetrics {
  const mean = (value: (metrics: StepMetrics) => number, of = all) =>
    of.reduce((sum, metrics) => sum + value(metrics), 0) / of.length;
  const names = new Set(all.flatMap(({ scalars }) => Object.keys(scalars)));
  return {
    batches: all.length,
    loss: mean((m) => m.loss),
    // A batch that is shallower than others has no loss at the deepest levels: the mean is over
    // those that do.
    scalars: Object.fromEntries(
      [...names].map((name) => [
        name,
        mean((m) => m.scalars[name], all.filter(({ scalars }) => name in scalars)),
      ]),
    ),
    alignment: mean((m) => m.alignment),
    featStd: mean((m) => m.featStd),
    featNorm: mean((m) => m.featNorm),
    gradientIsFinite: all.every((m) => m.gradientIsFinite),
  };
}
