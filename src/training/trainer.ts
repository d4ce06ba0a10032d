/** The training loop: steps, validation, checkpoints. It knows no files but checkpoints, and no log. */

import type { Batch } from "../data/batch.ts";
import type { SceneSettings } from "../data/preprocess/settings.ts";
import { Random } from "../data/random.ts";
import type { Dataset } from "../data/scene.ts";
import { featureMetrics } from "../dbbd/metrics.ts";
import { Model, type ModelOptions } from "../dbbd/model.ts";
import { uploadBatch } from "../dbbd/region_batch.ts";
import { DataError, UsageError } from "../errors.ts";
import { openProbe, type Probe } from "../evaluation/probe.ts";
import { Device } from "../gpu/device.ts";
import { AdamW } from "../nn/adamw.ts";
import { learningRate } from "../nn/schedule.ts";
import { noGrad, type RowIndex, rowIndex } from "../tensor/mod.ts";
import {
  type Checkpoint,
  checkpointPath,
  type Counters,
  makeCheckpointDirectory,
  readCheckpoint,
  readWeights,
  writeCheckpoint,
} from "./checkpoint.ts";
import { chooseKernels } from "./choose_kernels.ts";
import type { ConfigValues, TrainingConfig } from "./config.ts";
import {
  type Datasets,
  type Loaders,
  openDatasets,
  openLoaders,
  preparationOf,
} from "./datasets.ts";
import { Pace } from "./pace.ts";
import {
  type EpochSummary,
  type FitOptions,
  type FitSummary,
  meanMetrics,
  type ValidationMetrics,
} from "./reports.ts";
import { MetricsRing, RING_STEPS, type StepMetrics } from "./step_metrics.ts";

/** What `Trainer.create` may be given instead of what the config says. */
export interface TrainerOptions {
  /** Default: opened as config.device asks; then the trainer closes it. */
  readonly device?: Device;
  /** Default: as the config says (dataset, data_root). */
  readonly train?: Dataset;
  /** Default: as the config says; null where only `train` is given. */
  readonly validation?: Dataset | null;
}

/**
 * Trains a model on a dataset.
 *
 * ```ts
 * using trainer = await Trainer.create(TrainingConfig.fromObject({ small_mode: true }));
 * const { epochs } = await trainer.fit();
 * await trainer.saveCheckpoint("encoder.safetensors");
 * ```
 */
export class Trainer implements Disposable {
  /** The settings. */
  readonly config: TrainingConfig;
  /** Where it computes. */
  readonly device: Device;
  /** What is trained; `model.parameters` holds the weights. */
  readonly model: Model;
  /** Training scenes. */
  readonly train: Dataset;
  /** Validation scenes; null: none. */
  readonly validation: Dataset | null;
  /** How the training scenes were made of clouds; null: they do not say. Put into checkpoints. */
  readonly preparation: SceneSettings | null;
  /** What is measured every few epochs; null: nothing. */
  readonly probe: Probe | null;
  /** Put into checkpoints, so that a resumed run goes on in the same place. */
  runDirectory: string | null = null;

  readonly #optimizer: AdamW;
  readonly #ring: MetricsRing;
  readonly #loaders: Loaders;
  /** The loaders, and the device if it was opened here. */
  readonly #owned: Disposable;
  #at: { -readonly [K in keyof Counters]: Counters[K] } = {
    epoch: 0,
    stepInEpoch: 0,
    step: 0,
    epochLossSum: 0,
    bestLoss: null,
    bestProbe: null,
  };

  private constructor(
    config: TrainingConfig,
    device: Device,
    datasets: Datasets,
    preparation: SceneSettings | null,
    probe: Probe | null,
    loaders: Loaders,
    modelOptions: ModelOptions,
    owned: Disposable,
  ) {
    this.config = config;
    this.device = device;
    this.train = datasets.train;
    this.validation = datasets.validation;
    this.preparation = preparation;
    this.probe = probe;
    this.#loaders = loaders;
    this.#owned = owned;
    this.model = new Model(device, config, modelOptions);
    this.model.parameters.initialise(config.seed);
    this.#optimizer = new AdamW(this.model.parameters, { weightDecay: config.weight_decay });
    this.#ring = new MetricsRing(device);
  }

  /**
   * A trainer with freshly initialised weights.
   *
   * Throws UsageError or DataError for data that cannot be opened, NoDeviceError where there is no device.
   */
  static async create(config: TrainingConfig, options: TrainerOptions = {}): Promise<Trainer> {
    const datasets = options.train
      ? { train: options.train, validation: options.validation ?? null }
      : await openDatasets(config);
    if (datasets.train.length === 0) {
      throw new DataError("Cannot train: there are no training scenes.");
    }
    using owned = new DisposableStack();
    const device = options.device ?? owned.use(await Device.create({ request: config.device }));
    const loaders = owned.use(await openLoaders(config, datasets));
    const preparation = await preparationOf(datasets.train);
    const probe = config.probe === null ? null : await openProbe(config, config.probe);
    const modelOptions = await chooseKernels(
      device,
      config,
      datasets.train,
      loaders.train.steps(0),
    );
    return new Trainer(
      config,
      device,
      datasets,
      preparation,
      probe,
      loaders,
      modelOptions,
      owned.move(),
    );
  }

  /** Epochs completed. */
  get epoch(): number {
    return this.#at.epoch;
  }

  /** Steps completed, over all epochs. */
  get step(): number {
    return this.#at.step;
  }

  /** Steps of the epoch under way. Only max_points_per_batch makes them differ from epoch to epoch. */
  get stepsPerEpoch(): number {
    return this.#loaders.train.steps(this.#at.epoch);
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
    return learningRate(this.config, this.#at.epoch);
  }

  /** The batch that the next step trains on, made from seed and counters alone. */
  nextBatch(): Promise<Batch> {
    return this.#loaders.train.batch(this.#at.epoch, this.#at.stepInEpoch);
  }

  /** Rows for the point loss; null when there are no more points than samples. */
  #sample(points: number, purpose: string, counter: number): RowIndex | null {
    const { point_num_samples: count, seed } = this.config;
    if (points <= count) return null;
    const rows = new Random(seed, purpose, counter).sampleWithoutReplacement(points, count);
    return rowIndex(this.device, rows, points);
  }

  /** Record and submit one step; nothing waits. */
  #submit(batch: Batch): void {
    const { device, model } = this;
    device.check();
    using _ = device.scope();
    const deviceBatch = uploadBatch(device, batch);
    model.parameters.zeroGradients();
    const output = model.encode(deviceBatch);
    const losses = model.losses(
      output,
      this.#sample(batch.pointCount, "point sample", this.#at.step),
    );
    const touched = losses.total.backward();
    this.#optimizer.step(this.learningRate, touched);
    this.#ring.push(
      this.#at.step,
      losses,
      featureMetrics(output.g2l.points, output.l2g.points),
      this.#optimizer.notFinite,
    );
    device.flush();
    device.pool.tick();
    this.#at.step++;
    this.#at.stepInEpoch++;
  }

  /** Train on one batch and wait for its numbers. `fit` is faster: it reads several steps at a time. */
  async trainStep(batch: Batch): Promise<StepMetrics> {
    this.#submit(batch);
    const [metrics] = await this.#read();
    if (this.#at.stepInEpoch >= this.stepsPerEpoch) this.#endEpoch();
    return metrics;
  }

  async #read(): Promise<StepMetrics[]> {
    const all = await this.#ring.read();
    for (const metrics of all) this.#account(metrics);
    return all;
  }

  #account({ step, loss, gradientIsFinite }: StepMetrics): void {
    if (!Number.isFinite(loss) || !gradientIsFinite) {
      const what = Number.isFinite(loss)
        ? `a gradient of step ${step + 1} is NaN or infinite (its loss is ${loss})`
        : `the loss of step ${step + 1} is ${loss}`;
      throw new DataError(
        `Training diverged: ${what}. No checkpoint was written after it. ` +
          `Try a lower learning_rate or a higher temperature, and look at the scenes of that step.`,
      );
    }
    this.#at.epochLossSum += loss;
  }

  #endEpoch(): number {
    const mean = this.#at.epochLossSum / this.stepsPerEpoch;
    this.#at.epoch++;
    this.#at.stepInEpoch = 0;
    this.#at.epochLossSum = 0;
    return mean;
  }

  /** Losses on the validation set: no augmentation, no gradients, no change of any parameter. */
  async validate(): Promise<ValidationMetrics> {
    const loader = this.#loaders.validation;
    if (!loader) throw new UsageError("Cannot validate: there are no validation scenes.");
    const ring = this.#ring;
    if (ring.waiting > 0) throw new Error("Steps are still waiting to be read");
    const all: StepMetrics[] = [];
    let k = 0;
    for await (const batch of loader.epoch(0)) {
      this.#submitValidation(batch, k++);
      if (ring.waiting === RING_STEPS) all.push(...await ring.read());
    }
    all.push(...await ring.read());
    return meanMetrics(all);
  }

  /** Record and submit a validation batch. Nothing waits in here, so nobody else computes without gradients. */
  #submitValidation(batch: Batch, k: number): void {
    const { device, model } = this;
    using _off = noGrad(device);
    using _scope = device.scope();
    const output = model.encode(uploadBatch(device, batch));
    const losses = model.losses(output, this.#sample(batch.pointCount, "validation sample", k));
    this.#ring.push(k, losses, featureMetrics(output.g2l.points, output.l2g.points), null);
    device.flush();
  }

  /**
   * Train until `num_epochs` epochs are complete, from wherever the trainer stands. Validates every eval_interval
   * epochs and after the last. Writes into checkpoint_dir: `last` after every epoch and when interrupted, `best` when
   * the validation loss is the lowest so far (best_by: probe: when its score is the highest), `epoch_0010` and so on every save_interval epochs, `final` at the end.
   *
   * Throws UsageError if checkpoint_dir cannot be made, DataError when the loss is no longer finite.
   */
  async fit(options: FitOptions = {}): Promise<FitSummary> {
    const { config } = this;
    const { checkpoints = true, onStep, onEpoch, signal } = options;
    if (checkpoints) await makeCheckpointDirectory(config.checkpoint_dir);
    const started = performance.now();
    const epochs: EpochSummary[] = [];
    const firstStep = this.#at.step;
    const pace = new Pace(RING_STEPS);
    let firstLoss = NaN;
    let lastLoss = NaN;
    let checkpoint: string | null = null;
    const save = async (name: string) => {
      if (!checkpoints) return;
      const path = checkpointPath(config.checkpoint_dir, name);
      await this.saveCheckpoint(path);
      checkpoint = path;
    };
    let interrupted = signal?.aborted ?? false;
    let next = interrupted || this.#at.epoch >= config.num_epochs ? null : this.nextBatch();
    while (next && !interrupted) {
      const batch = await next.catch(async (error) => {
        // A scene that cannot be read does not cost the steps before it.
        if (this.#at.stepInEpoch > 0) await save("last");
        throw error;
      });
      this.#submit(batch);
      pace.submitted(batch.pointCount);
      const { stepsPerEpoch } = this;
      const epochDone = this.#at.stepInEpoch === stepsPerEpoch;
      // The next batch is prepared while the device works on this one.
      next = this.#prefetch(epochDone);
      next?.catch(() => {}); // its error shows where it is awaited, not before
      interrupted = signal?.aborted ?? false;
      if (pace.due(this.#ring.waiting) || epochDone || interrupted) {
        const arrived = await this.#ring.read();
        const pointsPerSecond = pace.read(arrived.length);
        for (const [i, metrics] of arrived.entries()) {
          if (metrics.step === firstStep) firstLoss = metrics.loss;
          lastLoss = metrics.loss;
          await onStep?.({
            ...metrics,
            epoch: this.#at.epoch,
            stepInEpoch: this.#at.stepInEpoch - arrived.length + i,
            stepsPerEpoch,
            learningRate: this.learningRate,
            pointsPerSecond,
          });
          this.#account(metrics);
        }
      }
      if (epochDone) {
        const summary = await this.#finishEpoch();
        epochs.push(summary);
        await onEpoch?.(summary);
        if (summary.best) await save("best");
        if (this.#at.epoch % config.save_interval === 0) {
          await save(`epoch_${String(this.#at.epoch).padStart(4, "0")}`);
        }
        await save("last");
        interrupted ||= signal?.aborted ?? false;
        pace.restart();
      }
    }
    await next?.catch(() => {});
    const complete = this.#at.epoch >= config.num_epochs;
    const steps = this.#at.step - firstStep;
    if (steps > 0 && complete) await save("final");
    else if (this.#at.stepInEpoch > 0) await save("last");
    const seconds = (performance.now() - started) / 1000;
    return {
      epochs,
      firstLoss,
      lastLoss,
      steps,
      seconds,
      interrupted: interrupted && !complete,
      checkpoint,
    };
  }

  #prefetch(epochDone: boolean): Promise<Batch> | null {
    if (!epochDone) return this.nextBatch();
    const next = this.#at.epoch + 1;
    return next < this.config.num_epochs ? this.#loaders.train.batch(next, 0) : null;
  }

  async #finishEpoch(): Promise<EpochSummary> {
    const { config } = this;
    const rate = this.learningRate;
    const epoch = this.#at.epoch;
    const trainLoss = this.#endEpoch();
    const last = this.#at.epoch >= config.num_epochs;
    const due = this.#at.epoch % config.eval_interval === 0 || last;
    const validates = this.#loaders.validation !== null;
    const validation = validates && due ? await this.validate() : null;
    const judged = validates ? validation?.loss : trainLoss;
    const lowest = judged !== undefined && judged < (this.#at.bestLoss ?? Infinity);
    if (lowest) this.#at.bestLoss = judged;
    const probes = config.probe !== null && (this.#at.epoch % config.probe.every === 0 || last);
    const probe = probes && this.probe ? await this.probe.measure(this.model) : null;
    const highest = probe !== null && probe.score > (this.#at.bestProbe ?? -Infinity);
    if (highest) this.#at.bestProbe = probe.score;
    const best = config.best_by === "probe" ? highest : lowest;
    return { epoch, trainLoss, learningRate: rate, validation, probe, best };
  }

  /**
   * Write everything needed to go on as if the run had never stopped. The file is the old one or the whole new one.
   *
   * Throws DataError when the weights are no longer finite: a checkpoint that nobody could use would take the place
   * of a good one.
   */
  async saveCheckpoint(path: string): Promise<void> {
    await this.#read();
    await writeCheckpoint(path, this.model.parameters.specs, {
      parameters: await this.model.parameters.read(),
      optimizer: await this.#optimizer.state(),
      counters: { ...this.#at },
      config: this.config.toObject(),
      runDirectory: this.runDirectory,
      preparation: this.preparation,
    });
  }

  /**
   * Go on from a checkpoint: weights, optimiser and counters. Nothing changes if the file does not fit.
   * @param check is shown the checkpoint's config before its weights are looked at, and may refuse it
   */
  async loadCheckpoint(
    path: string,
    check: (saved: ConfigValues) => void = () => {},
  ): Promise<Checkpoint> {
    const checkpoint = await readCheckpoint(path, this.model.parameters.specs, check);
    const { counters } = checkpoint;
    const steps = this.#loaders.train.steps(counters.epoch);
    if (counters.stepInEpoch >= steps) {
      throw new DataError(
        `Cannot resume from ${path}: it stands at step ${counters.stepInEpoch} of an epoch that has ${steps} steps ` +
          `now. Use the same scenes, batch_size and max_points_per_batch.`,
      );
    }
    await this.#read();
    this.model.parameters.writeFlat(this.model.parameters.values, checkpoint.parameters);
    this.#optimizer.restore(checkpoint.optimizer);
    this.#at = { ...counters };
    this.runDirectory = checkpoint.runDirectory;
    return checkpoint;
  }

  /** Take weights alone, also from a file written by PyTorch; counters and optimiser stay fresh. */
  async loadWeights(path: string): Promise<void> {
    const { parameters } = this.model;
    parameters.writeFlat(parameters.values, await readWeights(path, parameters.specs));
  }

  /** End the workers; free the model, and the device if the trainer opened it. */
  [Symbol.dispose](): void {
    this.#optimizer[Symbol.dispose]();
    this.#ring[Symbol.dispose]();
    this.model[Symbol.dispose]();
    this.#owned[Symbol.dispose]();
  }
}
