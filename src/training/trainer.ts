/** The training loop: steps, validation, checkpoints. It knows no files but checkpoints, and no log. */

import type { Batch } from "../scenes/batches/batch.ts";
import type { SceneSettings } from "../scenes/preprocess/settings.ts";
import { Random } from "../base/random.ts";
import type { Dataset } from "../scenes/scene.ts";
import { featureMetrics } from "../model/metrics.ts";
import { Model } from "../model/model.ts";
import { uploadBatch } from "../model/region_batch.ts";
import { DataError, UsageError } from "../base/errors.ts";
import { openProbe, type Probe } from "../evaluation/probe.ts";
import { Device } from "../gpu/device.ts";
import { AdamW } from "../nn/adamw.ts";
import { learningRate } from "../nn/schedule.ts";
import { type RowIndex, rowIndex } from "../tensor/mod.ts";
import {
  type Checkpoint,
  type Counters,
  hasCheckpoint,
  readCheckpoint,
  readWeights,
  writeCheckpoint,
} from "../run/checkpoint.ts";
import { chooseKernels } from "./choose_kernels.ts";
import type { ConfigValues, TrainingConfig } from "../run/config.ts";
import {
  type Datasets,
  type Loaders,
  openDatasets,
  openLoaders,
  preparationOf,
} from "../run/datasets.ts";
import { firstDiverged, requireFinite } from "./diverged.ts";
import { Pace } from "./pace.ts";
import type { EpochSummary, FitOptions, FitSummary, ValidationMetrics } from "./reports.ts";
import { RunSaves } from "./run_saves.ts";
import { validateModel } from "./validation.ts";
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

/** What `Trainer.create` makes a trainer of. */
interface TrainerParts {
  readonly config: TrainingConfig;
  readonly device: Device;
  readonly datasets: Datasets;
  readonly preparation: SceneSettings | null;
  readonly probe: Probe | null;
  readonly loaders: Loaders;
  readonly model: Model;
  readonly optimizer: AdamW;
  readonly ring: MetricsRing;
  /** Holds all of these that want to be freed. */
  readonly owned: Disposable;
}

/** What a call of `fit` gathers. */
interface FitRun {
  readonly epochs: EpochSummary[];
  readonly firstStep: number;
  firstLoss: number;
  lastLoss: number;
  readonly pace: Pace;
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
  /** All that was made for this trainer, the device too if it was opened here. */
  readonly #owned: Disposable;
  #at: {
    -readonly [K in keyof Counters]-?: NonNullable<Counters[K]> | Extract<Counters[K], null>;
  } = {
    epoch: 0,
    stepInEpoch: 0,
    step: 0,
    epochLossSum: 0,
    bestLoss: null,
    bestProbe: null,
    unsaved: [],
  };

  private constructor(parts: TrainerParts) {
    this.config = parts.config;
    this.device = parts.device;
    this.train = parts.datasets.train;
    this.validation = parts.datasets.validation;
    this.preparation = parts.preparation;
    this.probe = parts.probe;
    this.model = parts.model;
    this.#loaders = parts.loaders;
    this.#optimizer = parts.optimizer;
    this.#ring = parts.ring;
    this.#owned = parts.owned;
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
    const { train } = datasets;
    if (train.length === 0) {
      throw new DataError("Cannot train: there are no training scenes.");
    }
    // Whatever throws on the way: what was made before, workers above all, is given back.
    using owned = new DisposableStack();
    const device = options.device ?? owned.use(await Device.create({ request: config.device }));
    const loaders = owned.use(await openLoaders(config, datasets));
    const preparation = await preparationOf(train);
    const probe = config.probe === null ? null : await openProbe(config, config.probe);
    const kernels = chooseKernels(config, loaders.train.steps(0));
    const model = owned.use(new Model(device, config, kernels));
    model.parameters.initialise(config.seed);
    const optimizer = owned.use(
      new AdamW(model.parameters, { weightDecay: config.weight_decay }),
    );
    const ring = owned.use(new MetricsRing(device));
    return new Trainer({
      config,
      device,
      datasets,
      preparation,
      probe,
      loaders,
      model,
      optimizer,
      ring,
      owned: owned.move(),
    });
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
    const diverged = this.#account(all);
    if (diverged) throw diverged.error;
    return all;
  }

  /** Adds up losses; gives the first step whose numbers are none, at which it stops. */
  #account(all: readonly StepMetrics[]): ReturnType<typeof firstDiverged> {
    const diverged = firstDiverged(all);
    for (const { step, loss } of all) {
      if (step === diverged?.step) break;
      this.#at.epochLossSum += loss;
    }
    return diverged;
  }

  #endEpoch(): void {
    this.#at.epoch++;
    this.#at.stepInEpoch = 0;
    this.#at.epochLossSum = 0;
  }

  /** Losses on the validation set: no augmentation, no gradients, no change of any parameter. */
  async validate(): Promise<ValidationMetrics> {
    const loader = this.#loaders.validation;
    if (!loader) throw new UsageError("Cannot validate: there are no validation scenes.");
    return await validateModel(
      this.model,
      loader.epoch(0),
      this.#ring,
      (points, k) => this.#sample(points, "validation sample", k),
    );
  }

  /**
   * Train until `num_epochs` epochs are complete, from wherever the trainer stands. Validates every eval_interval
   * epochs and after the last. Writes into checkpoint_dir: `last` after every epoch and when interrupted, `best` when
   * the validation loss is the lowest so far (best_by: probe: when its score is the highest), `epoch_0010` and so on every
   * save_interval epochs, `final` at the end. An error, wherever it comes from, ends the run after one try to save `last`.
   *
   * Throws UsageError if checkpoint_dir cannot be written or another run writes there, DataError when a loss or gradient is
   * no longer finite.
   */
  async fit(options: FitOptions = {}): Promise<FitSummary> {
    const { config } = this;
    const { checkpoints = true, onSaved } = options;
    using saves = await RunSaves.open(this, checkpoints && await this.#hasSavesAhead());
    const started = performance.now();
    const run: FitRun = {
      epochs: [],
      firstStep: this.#at.step,
      firstLoss: NaN,
      lastLoss: NaN,
      pace: new Pace(RING_STEPS),
    };
    let interrupted = false;
    try {
      await this.#saveLeftOver(saves);
      interrupted = await this.#steps(run, saves, options);
      if (this.#at.stepInEpoch > 0) await saves.save("last");
    } catch (error) {
      const saved = this.#at.step > 0 ? await saves.rescue(error) : null;
      if (saved) onSaved?.(saved);
      throw error;
    }
    return {
      epochs: run.epochs,
      firstLoss: run.firstLoss,
      lastLoss: run.lastLoss,
      steps: this.#at.step - run.firstStep,
      seconds: (performance.now() - started) / 1000,
      interrupted: interrupted && this.#at.epoch < config.num_epochs,
      checkpoint: saves.latest,
    };
  }

  /** Whether anything is to be written: not where all epochs are done and saved. */
  async #hasSavesAhead(): Promise<boolean> {
    const { num_epochs, checkpoint_dir } = this.config;
    return this.#at.epoch < num_epochs || this.#at.unsaved.length > 0 ||
      !await hasCheckpoint(checkpoint_dir, "final");
  }

  /** Steps and epochs until all are done (false) or `signal` stops them (true). */
  async #steps(run: FitRun, saves: RunSaves, options: FitOptions): Promise<boolean> {
    const { onStep, onEpoch, signal } = options;
    const stopped = () => signal?.aborted ?? false;
    let next = stopped() ? null : this.#upcoming();
    try {
      while (!stopped() && this.#at.epoch < this.config.num_epochs) {
        if (!this.#epochIsThrough) {
          const batch = await next!;
          this.#submit(batch);
          run.pace.submitted(batch.pointCount);
          // The next batch is prepared while the device works on this one.
          next = this.#upcoming();
          next?.catch(() => {}); // its error shows where it is awaited, not before
          const read = run.pace.due(this.#ring.waiting) || this.#epochIsThrough || stopped();
          if (read) await this.#report(run, onStep);
        }
        if (this.#epochIsThrough) {
          const summary = await this.#finishEpoch(saves.enabled);
          run.epochs.push(summary);
          await onEpoch?.(summary);
          await saves.save("last");
          await this.#saveLeftOver(saves);
          run.pace.restart();
        }
      }
    } finally {
      await next?.catch(() => {});
    }
    return stopped();
  }

  /** Whether all steps of the epoch under way are done, and the epoch is still to be finished. */
  get #epochIsThrough(): boolean {
    return this.#at.stepInEpoch === this.stepsPerEpoch;
  }

  /** The batch of the next step, in this epoch or the next; null: there is none. */
  #upcoming(): Promise<Batch> | null {
    if (this.#at.epoch >= this.config.num_epochs) return null;
    if (!this.#epochIsThrough) return this.nextBatch();
    const next = this.#at.epoch + 1;
    return next < this.config.num_epochs ? this.#loaders.train.batch(next, 0) : null;
  }

  /** Read the numbers of the steps that wait, and tell them. */
  async #report(run: FitRun, onStep: FitOptions["onStep"]): Promise<void> {
    const arrived = await this.#ring.read();
    const pointsPerSecond = run.pace.read(arrived.length);
    const { epoch } = this.#at;
    const first = this.#at.stepInEpoch - arrived.length;
    // Before anybody is told, who may throw: what is saved then has all losses in its sum.
    const diverged = this.#account(arrived);
    for (const [i, metrics] of arrived.entries()) {
      if (metrics.step === run.firstStep) run.firstLoss = metrics.loss;
      run.lastLoss = metrics.loss;
      await onStep?.({
        ...metrics,
        epoch,
        stepInEpoch: first + i,
        stepsPerEpoch: this.stepsPerEpoch,
        learningRate: this.learningRate,
        pointsPerSecond,
      });
      if (metrics.step === diverged?.step) throw diverged.error;
    }
  }

  /** Write the checkpoints that the present state is still to be saved as; `last` was written before and says so. */
  async #saveLeftOver(saves: RunSaves): Promise<void> {
    if (!saves.enabled) return;
    const complete = this.#at.epoch >= this.config.num_epochs;
    const names = this.#at.unsaved.filter((name) => name !== "final" || complete);
    // Runs of earlier versions do not say what they left.
    if (
      complete && !names.includes("final") &&
      !await hasCheckpoint(this.config.checkpoint_dir, "final")
    ) names.push("final");
    for (const [i, name] of names.entries()) {
      this.#at.unsaved = names.slice(i + 1);
      await saves.save(name);
    }
    this.#at.unsaved = [];
  }

  /**
   * Judge an epoch whose steps are done, and go on to the next. Until that, nothing is changed: where validation fails, the
   * state that is saved has all steps and the epoch still to be finished.
   */
  async #finishEpoch(saves: boolean): Promise<EpochSummary> {
    const { config } = this;
    const rate = this.learningRate;
    const { epoch } = this.#at;
    const done = epoch + 1;
    const trainLoss = this.#at.epochLossSum / this.stepsPerEpoch;
    const last = done >= config.num_epochs;
    const due = done % config.eval_interval === 0 || last;
    const validates = this.#loaders.validation !== null;
    const validation = validates && due ? await this.validate() : null;
    requireFinite(validation, done);
    const probes = config.probe !== null && (done % config.probe.every === 0 || last);
    const probe = probes && this.probe ? await this.probe.measure(this.model) : null;
    const judged = validates ? validation?.loss : trainLoss;
    const lowest = judged !== undefined && judged < (this.#at.bestLoss ?? Infinity);
    if (lowest) this.#at.bestLoss = judged;
    const highest = probe !== null && probe.score > (this.#at.bestProbe ?? -Infinity);
    if (highest) this.#at.bestProbe = probe.score;
    const best = config.best_by === "probe" ? highest : lowest;
    this.#endEpoch();
    const periodic = done % config.save_interval === 0;
    this.#at.unsaved = !saves ? [] : [
      ...(best ? ["best"] : []),
      ...(periodic ? [`epoch_${String(done).padStart(4, "0")}`] : []),
      ...(last ? ["final"] : []),
    ];
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
      counters: this.#counters(),
      config: this.config.toObject(),
      runDirectory: this.runDirectory,
      preparation: this.preparation,
    });
  }

  #counters(): Counters {
    const { unsaved, ...counters } = this.#at;
    return unsaved.length > 0 ? { ...counters, unsaved } : counters;
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
    // As many steps as there are: the epoch is through, and fit finishes it.
    if (counters.stepInEpoch > steps) {
      throw new DataError(
        `Cannot resume from ${path}: it stands at step ${counters.stepInEpoch} of an epoch that has ${steps} steps ` +
          `now. Use the same scenes, batch_size and max_points_per_batch.`,
      );
    }
    await this.#read();
    this.model.parameters.writeFlat(this.model.parameters.values, checkpoint.parameters);
    this.#optimizer.restore(checkpoint.optimizer);
    this.#at = {
      ...counters,
      bestProbe: counters.bestProbe ?? null,
      unsaved: [...counters.unsaved ?? []],
    };
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
    this.#owned[Symbol.dispose]();
  }
}
