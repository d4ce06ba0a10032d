/** What follows a training beside it: logs, progress, probes, checkpoints, a person's own. */

import type { Model } from "../model/model.ts";
import type { TrainingConfig } from "../run/config.ts";
import type {
  EpochSummary,
  FitSummary,
  ProbeScores,
  Rescue,
  StepReport,
  ValidationMetrics,
} from "./reports.ts";

/** A training under way, as its hooks see it. */
export interface Training {
  /** The settings. */
  readonly config: TrainingConfig;
  /** What is trained. */
  readonly model: Model;
  /** Epochs completed. */
  readonly epoch: number;
  /** Steps completed, over all epochs. */
  readonly step: number;
  /** Where logs go, if anywhere; put into checkpoints. */
  runDirectory: string | null;
  /** Losses on the validation set. */
  validate(): Promise<ValidationMetrics>;
  /** Writes everything needed to go on. */
  saveCheckpoint(path: string): Promise<void>;
  /** Asks `fit` to end after the step under way, everything saved, as an aborted signal does. */
  stop(): void;
}

/** Told before something begins. */
export interface Upcoming {
  /** Epochs completed. */
  readonly epoch: number;
  /** Steps completed, over all epochs. */
  readonly step: number;
}

/**
 * Called while `fit` runs, hooks in their order, each awaited. What a hook throws ends the run,
 * after one try to save it.
 *
 * ```ts
 * import type { Hook } from "@dbbd/dbbd";
 *
 * const stopWhenGood: Hook = {
 *   name: "stop when good",
 *   afterEpoch({ trainLoss }, training) {
 *     if (trainLoss < 1) training.stop();
 *   },
 * };
 * console.log(stopWhenGood.name);
 * ```
 */
export interface Hook {
  /** Names it in messages. */
  readonly name: string;
  /** When `fit` begins, before the first step. */
  beforeRun?(at: Upcoming, training: Training): void | Promise<void>;
  /** Before an epoch's first step of this call. */
  beforeEpoch?(at: Upcoming, training: Training): void | Promise<void>;
  /** Before a step is submitted. */
  beforeStep?(at: Upcoming, training: Training): void | Promise<void>;
  /** For every step, in order, when its numbers have arrived: some steps late. */
  afterStep?(report: StepReport, training: Training): void | Promise<void>;
  /**
   * What is measured of the epoch (from 0) whose steps are done, for its summary; null: nothing
   * this time.
   */
  measure?(
    epoch: number,
    training: Training,
  ): ProbeScores | null | Promise<ProbeScores | null>;
  /** After every epoch, before its checkpoints are written. */
  afterEpoch?(summary: EpochSummary, training: Training): void | Promise<void>;
  /** When all is done, or the run was stopped; not where an error ends it. */
  afterRun?(summary: FitSummary, training: Training): void | Promise<void>;
  /** When an error ends the run, before `fit` throws it. */
  onError?(error: unknown, training: Training): void | Promise<void>;
}

/**
 * Options of `fit`. What is called is awaited; what it throws ends the run, after one try to save
 * it.
 */
export interface FitOptions {
  /** Write checkpoints into the config's checkpoint_dir; default true. */
  readonly checkpoints?: boolean;
  /** What follows this call, behind the trainer's own hooks. */
  readonly hooks?: readonly Hook[];
  /** For every step, in order, when its numbers have arrived: some steps late. */
  readonly onStep?: (report: StepReport) => void | Promise<void>;
  /** After every epoch, before its checkpoints are written. */
  readonly onEpoch?: (summary: EpochSummary) => void | Promise<void>;
  /**
   * When an error has ended the run and one try was made to save it, before `fit` throws that
   * error.
   */
  readonly onSaved?: (rescue: Rescue) => void;
  /** When aborted the step under way is finished and saved, then `fit` returns. */
  readonly signal?: AbortSignal;
}

/** The moments at which hooks are called and give nothing back. */
type Moment = Exclude<keyof Hook, "name" | "measure">;

/** Calls all hooks that follow a moment, in their order. */
export async function callHooks<M extends Moment>(
  hooks: readonly Hook[],
  moment: M,
  told: Parameters<NonNullable<Hook[M]>>[0],
  training: Training,
): Promise<void> {
  for (const hook of hooks) {
    const call = hook[moment] as
      | ((told: unknown, training: Training) => void | Promise<void>)
      | undefined;
    if (call) await call.call(hook, told, training);
  }
}

/** What the first hook that measures gives of an epoch; null: none measures. */
export async function measureEpoch(
  hooks: readonly Hook[],
  epoch: number,
  training: Training,
): Promise<ProbeScores | null> {
  for (const hook of hooks) {
    const scores = await hook.measure?.(epoch, training);
    if (scores) return scores;
  }
  return null;
}
