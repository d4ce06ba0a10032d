/**
 * Steps of a training, where it stands, and how its epochs are judged. It knows no files, no hooks
 * and no log.
 */

import { Random } from "../base/random.ts";
import type { Device } from "../gpu/device.ts";
import { featureMetrics } from "../model/metrics.ts";
import type { Model } from "../model/model.ts";
import { uploadBatch } from "../model/region_batch.ts";
import { AdamW, type AdamWState } from "../nn/adamw.ts";
import { learningRate } from "../nn/schedule.ts";
import type { Counters } from "../run/checkpoint.ts";
import type { TrainingConfig } from "../run/config.ts";
import type { Loaders } from "../run/datasets.ts";
import type { Batch } from "../scenes/batches/batch.ts";
import { type RowIndex, rowIndex } from "../tensor/mod.ts";
import { UsageError } from "../base/errors.ts";
import { type Divergence, firstDiverged, requireFinite } from "./diverged.ts";
import type { EpochSummary, ProbeScores, ValidationMetrics } from "./reports.ts";
import { MetricsRing, type StepMetrics } from "./step_metrics.ts";
import { validateModel } from "./validation.ts";

/** Where a training stands, every counter given. */
export type Position = {
  -readonly [K in keyof Counters]-?: NonNullable<Counters[K]> | Extract<Counters[K], null>;
};

const START: Position = {
  epoch: 0,
  stepInEpoch: 0,
  step: 0,
  epochLossSum: 0,
  bestLoss: null,
  bestProbe: null,
  unsaved: [],
};

/** Trains a model on batches, step by step. */
export class Engine implements Disposable {
  readonly config: TrainingConfig;
  readonly device: Device;
  readonly model: Model;
  readonly ring: MetricsRing;
  /**
   * Whether epochs are to be saved: then `at.unsaved` names the checkpoints that each is saved as
   * besides `last`.
   */
  savesEpochs = false;
  /** Where it stands. */
  at: Position = { ...START };
  readonly #loaders: Loaders;
  readonly #optimizer: AdamW;

  constructor(config: TrainingConfig, model: Model, loaders: Loaders) {
    this.config = config;
    this.device = model.device;
    this.model = model;
    this.#loaders = loaders;
    this.#optimizer = new AdamW(model.parameters, { weightDecay: config.weight_decay });
    this.ring = new MetricsRing(model.device);
  }

  /**
   * Steps of the epoch under way. Only max_points_per_batch makes them differ from epoch to epoch.
   */
  get stepsPerEpoch(): number {
    return this.#loaders.train.steps(this.at.epoch);
  }

  /** Steps of the whole run. */
  get totalSteps(): number {
    const { num_epochs, max_points_per_batch } = this.config;
    if (max_points_per_batch === null) return num_epochs * this.stepsPerEpoch;
    let total = 0;
    for (let epoch = 0; epoch < num_epochs; epoch++) total += this.#loaders.train.steps(epoch);
    return total;
  }

  /** The learning rate of the epoch under way. */
  get learningRate(): number {
    return learningRate(this.config, this.at.epoch);
  }

  /** Whether all steps of the epoch under way are done, and the epoch is still to be finished. */
  get epochIsThrough(): boolean {
    return this.at.stepInEpoch === this.stepsPerEpoch;
  }

  /** Whether all epochs are done. */
  get isDone(): boolean {
    return this.at.epoch >= this.config.num_epochs;
  }

  /** The batch that the next step trains on, made from seed and counters alone. */
  nextBatch(): Promise<Batch> {
    return this.#loaders.train.batch(this.at.epoch, this.at.stepInEpoch);
  }

  /** The batch of the next step, in this epoch or the next; null: there is none. */
  upcoming(): Promise<Batch> | null {
    if (this.isDone) return null;
    if (!this.epochIsThrough) return this.nextBatch();
    const next = this.at.epoch + 1;
    return next < this.config.num_epochs ? this.#loaders.train.batch(next, 0) : null;
  }

  /** Rows for the point loss; null when there are no more points than samples. */
  #sample(points: number, purpose: string, counter: number): RowIndex | null {
    const { point_num_samples: count, seed } = this.config;
    if (points <= count) return null;
    const rows = new Random(seed, purpose, counter).sampleWithoutReplacement(points, count);
    return rowIndex(this.device, rows, points);
  }

  /** Record and submit one step; nothing waits. */
  submit(batch: Batch): void {
    const { device, model } = this;
    device.check();
    using _ = device.scope();
    const deviceBatch = uploadBatch(device, batch);
    model.parameters.zeroGradients();
    const output = model.encode(deviceBatch);
    const sample = this.#sample(batch.pointCount, "point sample", this.at.step);
    const losses = model.losses(output, sample);
    const touched = losses.total.backward();
    this.#optimizer.step(this.learningRate, touched);
    const features = featureMetrics(output.g2l.points, output.l2g.points);
    this.ring.push(this.at.step, losses, features, this.#optimizer.notFinite);
    device.flush();
    device.pool.tick();
    this.at.step++;
    this.at.stepInEpoch++;
  }

  /**
   * Waits for the numbers of the steps that were submitted, and adds up their losses.
   *
   * @returns all of them, and the first at which training diverged: what comes after it counts for
   * nothing
   */
  async read(): Promise<{ arrived: StepMetrics[]; diverged: Divergence | null }> {
    const arrived = await this.ring.read();
    const diverged = firstDiverged(arrived);
    for (const { step, loss } of arrived) {
      if (step === diverged?.step) break;
      this.at.epochLossSum += loss;
    }
    return { arrived, diverged };
  }

  /** Waits for all numbers. @throws {DivergedError} Training diverged. */
  async settle(): Promise<StepMetrics[]> {
    const { arrived, diverged } = await this.read();
    if (diverged) throw diverged.error;
    return arrived;
  }

  /** Losses on the validation set: no augmentation, no gradients, no change of any parameter. */
  async validate(): Promise<ValidationMetrics> {
    const loader = this.#loaders.validation;
    if (!loader) throw new UsageError("Cannot validate: there are no validation scenes.");
    return await validateModel(
      this.model,
      loader.epoch(0),
      this.ring,
      (points, k) => this.#sample(points, "validation sample", k),
    );
  }

  /** Goes on to the next epoch. */
  endEpoch(): void {
    this.at.epoch++;
    this.at.stepInEpoch = 0;
    this.at.epochLossSum = 0;
  }

  /**
   * Judges an epoch whose steps are done, and goes on to the next. Until that, nothing is changed:
   * where validation fails, the state that is saved has all steps and the epoch still to be
   * finished.
   * @param measure what a probe says of it
   */
  async finishEpoch(measure: () => Promise<ProbeScores | null>): Promise<EpochSummary> {
    const { config, at } = this;
    const { epoch } = at;
    const rate = this.learningRate;
    const done = epoch + 1;
    const trainLoss = at.epochLossSum / this.stepsPerEpoch;
    const due = done % config.eval_interval === 0 || done >= config.num_epochs;
    const validates = this.#loaders.validation !== null;
    const validation = validates && due ? await this.validate() : null;
    requireFinite(validation, done);
    const probe = await measure();
    const judged = validates ? validation?.loss : trainLoss;
    const lowest = judged !== undefined && judged < (at.bestLoss ?? Infinity);
    if (lowest) at.bestLoss = judged;
    const highest = probe !== null && probe.score > (at.bestProbe ?? -Infinity);
    if (highest) at.bestProbe = probe.score;
    const best = config.best_by === "probe" ? highest : lowest;
    this.endEpoch();
    at.unsaved = this.savesEpochs ? this.#namesOf(done, best) : [];
    return { epoch, trainLoss, learningRate: rate, validation, probe, best };
  }

  /** The checkpoints, besides `last`, of an epoch with so many before and with it. */
  #namesOf(done: number, best: boolean): string[] {
    const { save_interval, num_epochs } = this.config;
    return [
      ...(best ? ["best"] : []),
      ...(done % save_interval === 0 ? [`epoch_${String(done).padStart(4, "0")}`] : []),
      ...(done >= num_epochs ? ["final"] : []),
    ];
  }

  /** The optimiser's moments and steps. */
  optimizerState(): Promise<AdamWState> {
    return this.#optimizer.state();
  }

  /** The counters as checkpoints hold them. */
  counters(): Counters {
    const { unsaved, ...counters } = this.at;
    return unsaved.length > 0 ? { ...counters, unsaved } : counters;
  }

  /** Steps of an epoch, whichever. */
  stepsOf(epoch: number): number {
    return this.#loaders.train.steps(epoch);
  }

  /** Takes the state of a checkpoint. */
  restore(
    parameters: ReadonlyMap<string, Float32Array>,
    optimizer: AdamWState,
    counters: Counters,
  ): void {
    const { bestProbe = null, unsaved = [] } = counters;
    this.model.parameters.writeFlat(this.model.parameters.values, parameters);
    this.#optimizer.restore(optimizer);
    this.at = { ...counters, bestProbe, unsaved: [...unsaved] };
  }

  /** Frees the optimiser's state; model and loaders are others'. */
  [Symbol.dispose](): void {
    this.ring[Symbol.dispose]();
    this.#optimizer[Symbol.dispose]();
  }
}
