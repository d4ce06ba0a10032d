/** Batches, epoch by epoch, made ahead of whoever trains on them. */

import { DataError, UsageError } from "../../base/errors.ts";
import type { AugmentationRule } from "../views/augmentations/rule.ts";
import type { AugmentationList } from "../views/augmentations/types.ts";
import type { Batch } from "./batch.ts";
import { type DatasetSource, sourceOf } from "../dataset_source.ts";
import {
  batchIndices,
  type BatchOptions,
  epochOrder,
  makeTrainingBatch,
  makeValidationBatch,
} from "./loader.ts";
import type { Dataset } from "../scene.ts";
import { WorkerPool } from "../../base/worker_pool.ts";

/** How batches are made of a dataset. */
export interface LoaderOptions extends BatchOptions {
  /** Scenes in a batch; the last of an epoch may have fewer. */
  readonly batchSize: number;
  /**
   * A batch takes fewer scenes rather than more points, one scene at least; null, the default: no
   * limit.
   */
  readonly maxPointsPerBatch?: number | null;
  /**
   * Points of a scene that each view draws, as in `TrainingBatchOptions`. Default null: all of
   * them.
   */
  readonly pointsPerView?: number | null;
  /** The run's seed. */
  readonly seed: number;
  /**
   * What each of the two views goes through; null: the scenes as they are, in ascending order
   * (validation).
   */
  readonly augmentation: AugmentationList | null;
  /** Rules of a person's own that `augmentation` may name, in this thread only; default none. */
  readonly augmentations?: readonly AugmentationRule[];
  /** Workers that make batches ahead; 0: each is made in this thread when it is asked for. */
  readonly numWorkers: number;
  /** Epochs there will be: none is made ahead past the last. Default: no end. */
  readonly epochs?: number;
}

/** Which batch. */
export interface BatchRequest {
  /** From 0. */
  readonly epoch: number;
  /** Within the epoch, from 0. */
  readonly step: number;
  /** Scenes in it. */
  readonly indices: Uint32Array;
}

/** What a worker needs to know. */
export interface BatchSetup {
  /** What it opens. */
  readonly source: DatasetSource;
  /** How many workers share the dataset's cache. */
  readonly readers: number;
  /** How it makes batches. */
  readonly options: LoaderOptions;
}

/**
 * Batches that wait for the device beside those that are being made. More would only take memory.
 */
const READY = 2;

/**
 * Makes a batch; whichever thread does it, it comes out the same to the bit. Errors as
 * `makeTrainingBatch`.
 */
export function makeBatch(
  dataset: Dataset,
  { epoch, step, indices }: BatchRequest,
  options: LoaderOptions,
): Promise<Batch> {
  const { augmentation } = options;
  return augmentation === null
    ? makeValidationBatch(dataset, indices, options)
    : makeTrainingBatch(dataset, indices, { ...options, augmentation, epoch, step });
}

/**
 * The batches of a dataset. Asking for one makes the workers begin with those that follow, across
 * the end of an epoch too. What comes out depends on the options alone, never on the number of
 * workers.
 *
 * ```ts
 * import { BatchLoader, SyntheticDataset, TRAINING_AUGMENTATION } from "@dbbd/dbbd";
 *
 * using loader = await BatchLoader.create(new SyntheticDataset({ scenes: 4 }), {
 *   batchSize: 2,
 *   seed: 42,
 *   featureWidth: 3,
 *   maxHierarchyDepth: null,
 *   augmentation: TRAINING_AUGMENTATION,
 *   numWorkers: 0,
 * });
 * for await (const { pointCount } of loader.epoch(0)) console.log(pointCount);
 * ```
 */
export class BatchLoader implements Disposable {
  /**
   * How many workers there are: 0 also for a dataset of the user's own making, which no worker
   * could open.
   */
  readonly workers: number;
  readonly #dataset: Dataset;
  readonly #options: LoaderOptions;
  readonly #points: Uint32Array | undefined;
  readonly #pool: WorkerPool<BatchRequest, Batch> | undefined;
  /** Batches under way or ready, by epoch and step, in the order in which they follow. */
  readonly #ahead = new Map<string, Promise<Batch>>();
  readonly #plans = new Map<number, Uint32Array[]>();

  private constructor(dataset: Dataset, options: LoaderOptions, points: Uint32Array | undefined) {
    this.#dataset = dataset;
    this.#options = options;
    this.#points = points;
    const source = sourceOf(dataset);
    this.workers = source === undefined ? 0 : options.numWorkers;
    if (source === undefined || this.workers === 0) return;
    const setup: BatchSetup = { source, readers: this.workers, options };
    const module = new URL("./batch_worker.ts", import.meta.url);
    this.#pool = new WorkerPool(module, this.workers, setup);
  }

  /**
   * Starts the workers, and looks up the scenes' sizes where batches are limited by points.
   *
   * @throws {UsageError} batchSize or maxPointsPerBatch is below 1, or there are workers and own
   * augmentations. Otherwise errors as the dataset's.
   */
  static async create(dataset: Dataset, options: LoaderOptions): Promise<BatchLoader> {
    const { batchSize, maxPointsPerBatch: limit = null } = options;
    batchIndices(new Uint32Array(0), batchSize); // refuses a bad size
    if (limit !== null && !(Number.isInteger(limit) && limit >= 1)) {
      throw new UsageError(
        `Cannot make batches: max_points_per_batch: expected at least 1, or null, got ${limit}`,
      );
    }
    if (options.numWorkers > 0 && (options.augmentations ?? []).length > 0) {
      throw new UsageError("Own augmentations run in this thread only: set num_workers to 0");
    }
    if (limit === null) return new BatchLoader(dataset, options, undefined);
    const drawn = options.pointsPerView ?? Infinity;
    const sizes = (await sizesOf(dataset)).map((size) => Math.min(size, drawn));
    return new BatchLoader(dataset, options, sizes);
  }

  /** How many batches an epoch has; with maxPointsPerBatch it may differ from epoch to epoch. */
  steps(epoch: number): number {
    return this.#plan(epoch).length;
  }

  /** The scenes of each batch of an epoch. */
  #plan(epoch: number): Uint32Array[] {
    let plan = this.#plans.get(epoch);
    if (plan === undefined) {
      const { seed, augmentation, batchSize, maxPointsPerBatch } = this.#options;
      const order = epochOrder(this.#dataset.length, seed, epoch, augmentation !== null);
      plan = this.#points === undefined
        ? batchIndices(order, batchSize)
        : batchesWithin(order, batchSize, this.#points, maxPointsPerBatch!);
      for (const old of this.#plans.keys()) if (Math.abs(old - epoch) > 1) this.#plans.delete(old);
      this.#plans.set(epoch, plan);
    }
    return plan;
  }

  /**
   * Batch `step` of `epoch`. Whoever asks for batches in order finds them made, or being made.
   *
   * @throws {UsageError} There is no such batch; a scene's features do not fit. @throws {DataError}
   * A scene cannot be read, or a worker broke. The batches after it can still be asked for.
   */
  batch(epoch: number, step: number): Promise<Batch> {
    if (!(Number.isInteger(step) && step >= 0 && step < this.steps(epoch))) {
      return Promise.reject(
        new UsageError(
          `Cannot make batch ${step} of epoch ${epoch}: expected 0 to ${this.steps(epoch) - 1}`,
        ),
      );
    }
    const key = `${epoch}/${step}`;
    if (!this.#ahead.has(key)) this.#ahead.clear(); // whoever asks went elsewhere
    const batch = this.#ahead.get(key) ?? this.#make(epoch, step);
    for (const earlier of this.#ahead.keys()) { // skipped, and the one asked for
      this.#ahead.delete(earlier);
      if (earlier === key) break;
    }
    this.#makeAhead(epoch, step);
    return batch;
  }

  #make(epoch: number, step: number): Promise<Batch> {
    const request = { epoch, step, indices: this.#plan(epoch)[step] };
    if (this.#pool === undefined) return makeBatch(this.#dataset, request, this.#options);
    return this.#pool.run(request).catch((error: Error) => {
      if (error instanceof UsageError || error instanceof DataError) throw error;
      const place = `batch ${step} of epoch ${epoch}`;
      throw new DataError(`Cannot make ${place}: its worker broke: ${error.message}`);
    });
  }

  /** Makes what follows a batch, as far as there are workers for it. */
  #makeAhead(epoch: number, step: number): void {
    if (this.#pool === undefined) return;
    const last = this.#options.epochs ?? Infinity;
    const most = Math.min(this.workers + READY, 2 * this.steps(epoch));
    for (let n = 0; n < most; n++) {
      if (++step === this.steps(epoch)) epoch++, step = 0;
      if (epoch >= last) return;
      const key = `${epoch}/${step}`;
      if (this.#ahead.has(key)) continue;
      const batch = this.#make(epoch, step);
      batch.catch(() => {}); // told to whoever asks for it
      this.#ahead.set(key, batch);
    }
  }

  /** The batches of an epoch in order, from `firstStep` on. Errors as `batch`. */
  async *epoch(epoch: number, firstStep = 0): AsyncGenerator<Batch, void, void> {
    for (let step = firstStep; step < this.steps(epoch); step++) {
      yield await this.batch(epoch, step);
    }
  }

  /** Ends the workers. */
  close(): void {
    this.#ahead.clear();
    this.#pool?.close();
  }

  /** As `close`. */
  [Symbol.dispose](): void {
    this.close();
  }
}

/** A dataset that knows its scenes' sizes without reading them. */
interface Sized extends Dataset {
  pointCount(index: number): Promise<number>;
}

async function sizesOf(dataset: Dataset): Promise<Uint32Array> {
  const known = "pointCount" in dataset ? dataset as Sized : undefined;
  const sizes = new Uint32Array(dataset.length);
  for (let i = 0; i < sizes.length; i++) {
    sizes[i] = known ? await known.pointCount(i) : (await dataset.get(i)).coords.length / 3;
  }
  return sizes;
}

/**
 * Cuts an epoch's order into batches of at most `batchSize` scenes and `maxPoints` points; a scene
 * that has more is a batch of its own.
 */
export function batchesWithin(
  order: Uint32Array,
  batchSize: number,
  points: Uint32Array,
  maxPoints: number,
): Uint32Array[] {
  const batches: Uint32Array[] = [];
  let from = 0, sum = 0;
  for (let at = 0; at < order.length; at++) {
    const size = points[order[at]];
    if (at > from && (at - from === batchSize || sum + size > maxPoints)) {
      batches.push(order.slice(from, at));
      from = at;
      sum = 0;
    }
    sum += size;
  }
  if (from < order.length) batches.push(order.slice(from));
  return batches;
}
