/**
 * A call of `fit`: steps and epochs until all are done or the run is stopped, hooks told of each.
 */

import type { Batch } from "../scenes/batches/batch.ts";
import type { Engine } from "./engine.ts";
import { callHooks, type Hook, measureEpoch, type Training, type Upcoming } from "./hooks.ts";
import { Pace } from "./pace.ts";
import type { EpochSummary, FitSummary } from "./reports.ts";
import { RING_STEPS } from "./step_metrics.ts";

/** Runs epochs, once. */
export class Fit {
  readonly #engine: Engine;
  readonly #hooks: readonly Hook[];
  readonly #training: Training;
  readonly #stopped: () => boolean;
  readonly #pace = new Pace(RING_STEPS);
  readonly #epochs: EpochSummary[] = [];
  readonly #firstStep: number;
  #firstLoss = NaN;
  #lastLoss = NaN;

  /** @param stopped whether the run shall end after the step under way */
  constructor(
    engine: Engine,
    hooks: readonly Hook[],
    training: Training,
    stopped: () => boolean,
  ) {
    this.#engine = engine;
    this.#hooks = hooks;
    this.#training = training;
    this.#stopped = stopped;
    this.#firstStep = engine.at.step;
  }

  get #at(): Upcoming {
    const { epoch, step } = this.#engine.at;
    return { epoch, step };
  }

  /**
   * Until all epochs are done or the run is stopped.
   * @param checkpoint the one written last, asked when hooks have been told of the end
   */
  async run(checkpoint: () => string | null): Promise<FitSummary> {
    const engine = this.#engine;
    const started = performance.now();
    try {
      await callHooks(this.#hooks, "beforeRun", this.#at, this.#training);
      await this.#steps();
      const summary: FitSummary = {
        epochs: this.#epochs,
        firstLoss: this.#firstLoss,
        lastLoss: this.#lastLoss,
        steps: engine.at.step - this.#firstStep,
        seconds: (performance.now() - started) / 1000,
        interrupted: this.#stopped() && !engine.isDone,
        checkpoint: null,
      };
      await callHooks(this.#hooks, "afterRun", summary, this.#training);
      return { ...summary, checkpoint: checkpoint() };
    } catch (error) {
      await callHooks(this.#hooks, "onError", error, this.#training);
      throw error;
    }
  }

  async #steps(): Promise<void> {
    const engine = this.#engine;
    let next = this.#stopped() ? null : engine.upcoming();
    let begun = -1;
    try {
      while (!this.#stopped() && !engine.isDone) {
        if (begun !== engine.at.epoch) {
          begun = engine.at.epoch;
          await callHooks(this.#hooks, "beforeEpoch", this.#at, this.#training);
        }
        if (!engine.epochIsThrough) {
          await this.#step(await next!);
          // The next batch is prepared while the device works on this one.
          next = engine.upcoming();
          next?.catch(() => {}); // its error shows where it is awaited, not before
          const waits = this.#pace.due(engine.ring.waiting);
          if (waits || engine.epochIsThrough || this.#stopped()) await this.#report();
        }
        if (engine.epochIsThrough) await this.#endEpoch();
      }
    } finally {
      await next?.catch(() => {});
    }
  }

  async #step(batch: Batch): Promise<void> {
    await callHooks(this.#hooks, "beforeStep", this.#at, this.#training);
    this.#engine.submit(batch);
    this.#pace.submitted(batch.pointCount);
  }

  /** Read the numbers of the steps that wait, and tell them. */
  async #report(): Promise<void> {
    const engine = this.#engine;
    // Losses are added up before anybody is told, who may throw: what is saved then has all of them
    // in its sum.
    const { arrived, diverged } = await engine.read();
    const pointsPerSecond = this.#pace.read(arrived.length);
    const { epoch, stepInEpoch } = engine.at;
    for (const [i, metrics] of arrived.entries()) {
      if (metrics.step === this.#firstStep) this.#firstLoss = metrics.loss;
      this.#lastLoss = metrics.loss;
      const report = {
        ...metrics,
        epoch,
        stepInEpoch: stepInEpoch - arrived.length + i,
        stepsPerEpoch: engine.stepsPerEpoch,
        learningRate: engine.learningRate,
        pointsPerSecond,
      };
      await callHooks(this.#hooks, "afterStep", report, this.#training);
      if (metrics.step === diverged?.step) throw diverged.error;
    }
  }

  async #endEpoch(): Promise<void> {
    const engine = this.#engine;
    const { epoch } = engine.at;
    const summary = await engine.finishEpoch(() =>
      measureEpoch(this.#hooks, epoch, this.#training)
    );
    this.#epochs.push(summary);
    await callHooks(this.#hooks, "afterEpoch", summary, this.#training);
    this.#pace.restart();
  }
}
