/** The training loop: steps, validation, checkpoints, hooks. */

import { DataError, UsageError } from "../base/errors.ts";
import { Device } from "../gpu/device.ts";
import { Model, type ModelParts } from "../model/model.ts";
import {
  type Checkpoint,
  readCheckpoint,
  readWeights,
  writeCheckpoint,
} from "../run/checkpoint.ts";
import type { ConfigValues, TrainingConfig } from "../run/config.ts";
import { type Datasets, openDatasets, openLoaders, preparationOf } from "../run/datasets.ts";
import type { Batch } from "../scenes/batches/batch.ts";
import type { SceneSettings } from "../scenes/preprocess/settings.ts";
import type { Dataset } from "../scenes/scene.ts";
import type { AugmentationRule } from "../scenes/views/augmentations/rule.ts";
import { chooseKernels } from "./choose_kernels.ts";
import { Engine } from "./engine.ts";
import { Fit } from "./fit.ts";
import type { FitOptions, Hook, Training } from "./hooks.ts";
import type { FitSummary, ValidationMetrics } from "./reports.ts";
import { Saving } from "./saving.ts";
import type { StepMetrics } from "./step_metrics.ts";

/** What `Trainer.create` may be given instead of what the config says, or besides. */
export interface TrainerOptions extends ModelParts {
  /** Default: opened as config.device asks; then the trainer closes it. */
  readonly device?: Device;
  /**
   * A model to train, as it stands; it stays the caller's. Default: one of the config, with fresh
   * weights.
   */
  readonly model?: Model;
  /** Default: as the config says (dataset, data_root). */
  readonly train?: Dataset;
  /** Default: as the config says; null where only `train` is given. */
  readonly validation?: Dataset | null;
  /**
   * What views go through behind the config's augmentations, each with its fields' fallbacks; needs
   * num_workers 0.
   */
  readonly augmentations?: readonly AugmentationRule[];
  /** What follows every call of `fit`. */
  readonly hooks?: readonly Hook[];
}

/** What `Trainer.create` makes a trainer of. */
interface TrainerParts {
  readonly engine: Engine;
  readonly datasets: Datasets;
  readonly preparation: SceneSettings | null;
  readonly hooks: readonly Hook[];
  /** Holds all of these that want to be freed. */
  readonly owned: Disposable;
}

/** A model of the config, with fresh weights. */
function freshModel(
  device: Device,
  config: TrainingConfig,
  parts: ModelParts,
  stepsPerEpoch: number,
): Model {
  const { backbone, objective } = parts;
  const model = new Model(device, config, {
    ...chooseKernels(config, stepsPerEpoch),
    backbone,
    objective,
  });
  model.parameters.initialise(config.seed);
  return model;
}

/** Throws where the config asks for what no hook gives. */
function checkHooks({ probe }: TrainingConfig, hooks: readonly Hook[]): void {
  if (probe === null || hooks.some(({ measure }) => measure !== undefined)) return;
  throw new UsageError(
    `Cannot probe: the config has a probe, and no hook measures. ` +
      `Give Trainer.create hooks: [await openProbe(config, config.probe)], or set probe to null.`,
  );
}

/**
 * Trains a model on a dataset.
 *
 * ```ts
 * import { Trainer, TrainingConfig } from "@dbbd/dbbd";
 *
 * const config = TrainingConfig.fromObject({ small_mode: true, num_epochs: 1 });
 * using trainer = await Trainer.create(config);
 * const { epochs } = await trainer.fit({ checkpoints: false });
 * console.log(epochs[0].trainLoss);
 * ```
 */
export class Trainer implements Training, Disposable {
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
  /** What follows every call of `fit`. */
  readonly hooks: readonly Hook[];
  /** Put into checkpoints, so that a resumed run goes on in the same place. */
  runDirectory: string | null = null;

  readonly #engine: Engine;
  /** All that was made for this trainer, the device too if it was opened here. */
  readonly #owned: Disposable;
  #stopping = false;

  private constructor({ engine, datasets, preparation, hooks, owned }: TrainerParts) {
    this.config = engine.config;
    this.device = engine.device;
    this.model = engine.model;
    this.train = datasets.train;
    this.validation = datasets.validation;
    this.preparation = preparation;
    this.hooks = hooks;
    this.#engine = engine;
    this.#owned = owned;
  }

  /**
   * A trainer with freshly initialised weights, unless a model is given.
   *
   * @throws {UsageError} Data that cannot be opened, or a probe in the config that no hook
   * measures.
   * @throws {DataError} There is nothing to train on.
   * @throws {NoDeviceError} There is no device.
   */
  static async create(config: TrainingConfig, options: TrainerOptions = {}): Promise<Trainer> {
    const { hooks = [], augmentations = [] } = options;
    checkHooks(config, hooks);
    const datasets = options.train
      ? { train: options.train, validation: options.validation ?? null }
      : await openDatasets(config);
    const { train } = datasets;
    if (train.length === 0) {
      throw new DataError("Cannot train: there are no training scenes.");
    }
    // Whatever throws on the way: what was made before, workers above all, is given back.
    using owned = new DisposableStack();
    const device = options.model?.device ?? options.device ??
      owned.use(await Device.create({ request: config.device }));
    const loaders = owned.use(await openLoaders(config, datasets, augmentations));
    const preparation = await preparationOf(train);
    const model = options.model ??
      owned.use(freshModel(device, config, options, loaders.train.steps(0)));
    const engine = owned.use(new Engine(config, model, loaders));
    return new Trainer({ engine, datasets, preparation, hooks, owned: owned.move() });
  }

  /** Epochs completed. */
  get epoch(): number {
    return this.#engine.at.epoch;
  }

  /** Steps completed, over all epochs. */
  get step(): number {
    return this.#engine.at.step;
  }

  /**
   * Steps of the epoch under way. Only max_points_per_batch makes them differ from epoch to epoch.
   */
  get stepsPerEpoch(): number {
    return this.#engine.stepsPerEpoch;
  }

  /** Steps of the whole run. */
  get totalSteps(): number {
    return this.#engine.totalSteps;
  }

  /** The learning rate of the epoch under way. */
  get learningRate(): number {
    return this.#engine.learningRate;
  }

  /** The batch that the next step trains on, made from seed and counters alone. */
  nextBatch(): Promise<Batch> {
    return this.#engine.nextBatch();
  }

  /**
   * Train on one batch and wait for its numbers. `fit` is faster: it reads several steps at a time.
   */
  async trainStep(batch: Batch): Promise<StepMetrics> {
    const engine = this.#engine;
    engine.submit(batch);
    const [metrics] = await engine.settle();
    if (engine.at.stepInEpoch >= engine.stepsPerEpoch) engine.endEpoch();
    return metrics;
  }

  /** Losses on the validation set: no augmentation, no gradients, no change of any parameter. */
  async validate(): Promise<ValidationMetrics> {
    return await this.#engine.validate();
  }

  /** Asks `fit` to end after the step under way, everything saved. */
  stop(): void {
    this.#stopping = true;
  }

  /**
   * Train until `num_epochs` epochs are complete, from wherever the trainer stands. Validates every
   * eval_interval epochs and after the last. Writes into checkpoint_dir: `last` after every epoch
   * and when interrupted, `best` when the validation loss is the lowest so far (best_by: probe:
   * when its score is the highest), `epoch_0010` and so on every save_interval epochs, `final` at
   * the end. An error, wherever it comes from, ends the run after one try to save `last`.
   *
   * @throws {UsageError} checkpoint_dir cannot be written or another run writes there.
   * @throws {DataError} A loss or gradient is no longer finite.
   */
  async fit(options: FitOptions = {}): Promise<FitSummary> {
    const { checkpoints = true, hooks: more = [], onStep, onEpoch, onSaved, signal } = options;
    this.#stopping = false;
    const saving = checkpoints ? new Saving(this.#engine, onSaved) : null;
    const hooks: Hook[] = [
      ...this.hooks,
      ...more,
      { name: "options of fit", afterStep: onStep, afterEpoch: onEpoch },
      ...(saving ? [saving] : []),
    ];
    const stopped = () => this.#stopping || (signal?.aborted ?? false);
    return await new Fit(this.#engine, hooks, this, stopped).run(() => saving?.latest ?? null);
  }

  /**
   * Write everything needed to go on as if the run had never stopped. The file is the old one or
   * the whole new one.
   *
   * Throws DataError when the weights are no longer finite: a checkpoint that nobody could use
   * would take the place of a good one.
   */
  async saveCheckpoint(path: string): Promise<void> {
    const engine = this.#engine;
    await engine.settle();
    await writeCheckpoint(path, this.model.parameters.specs, {
      parameters: await this.model.parameters.read(),
      optimizer: await engine.optimizerState(),
      counters: engine.counters(),
      config: this.config.toObject(),
      runDirectory: this.runDirectory,
      preparation: this.preparation,
    });
  }

  /**
   * Go on from a checkpoint: weights, optimiser and counters. Nothing changes if the file does not
   * fit.
   * @param check is shown the checkpoint's config before its weights are looked at, and may refuse
   * it
   */
  async loadCheckpoint(
    path: string,
    check: (saved: ConfigValues) => void = () => {},
  ): Promise<Checkpoint> {
    const checkpoint = await readCheckpoint(path, this.model.parameters.specs, check);
    const { counters } = checkpoint;
    const steps = this.#engine.stepsOf(counters.epoch);
    // As many steps as there are: the epoch is through, and fit finishes it.
    if (counters.stepInEpoch > steps) {
      throw new DataError(
        `Cannot resume from ${path}: it stands at step ${counters.stepInEpoch} of an epoch that has ${steps} steps ` +
          `now. Use the same scenes, batch_size and max_points_per_batch.`,
      );
    }
    await this.#engine.settle();
    this.#engine.restore(checkpoint.parameters, checkpoint.optimizer, counters);
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
