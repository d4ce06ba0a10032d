/** A trained (or untrained) encoder for use: scenes in, features out. */

import type { PointCloud } from "../cloud/point_cloud.ts";
import { DEFAULT_SETTINGS, type SceneSettings } from "../scenes/preprocess/settings.ts";
import { prepare } from "../cloud/prepare.ts";
import type { SourceRows } from "../cloud/thinning.ts";
import type { Scene } from "../scenes/scene.ts";
import { sceneFromFile } from "../scenes/scene_file.ts";
import { buildTree } from "../scenes/tree_builder.ts";
import type { Backbone } from "../model/backbones/backbone.ts";
import { none } from "../model/objectives/none.ts";
import { OBJECTIVE_PREFIX } from "../model/objectives/objective.ts";
import { ROWS_TO_COMPILE } from "../model/fused/plan/variants.ts";
import { Model, modelParameters } from "../model/model.ts";
import { DataError, UsageError } from "../base/errors.ts";
import { Device } from "../gpu/device.ts";
import { type CheckpointInfo, readCheckpointInfo, readWeights } from "../run/checkpoint.ts";
import { TrainingConfig } from "../run/config.ts";
import { type FeaturePart, featuresOfBatch, type SceneFeatures } from "./features.ts";

/** What an encoder may be told when it is made. */
export interface EncoderOptions {
  /** What its features come from. Default: what the configuration names. */
  readonly backbone?: Backbone;
  /** Default: opened as the configuration's `device` asks; then the encoder closes it. */
  readonly device?: Device;
  /**
   * Points that will be encoded with it, about. From half a million on it pays to compile faster
   * kernels for the software device, which takes seconds. Default 0. What is computed differs by
   * rounding alone, and for one value of this it is always the same.
   */
  readonly pointsAhead?: number;
}

/** What `encoderFromCheckpoint` may be told besides. */
export interface CheckpointEncoderOptions extends EncoderOptions {
  /**
   * The configuration that the weights were trained with. Needed for weights from elsewhere; else
   * the checkpoint's.
   */
  readonly config?: TrainingConfig;
}

/** How the points that were encoded belong to those that were given. */
export interface CloudRows extends SourceRows {
  /**
   * Where the encoded scene's 0, 0, 0 lies in the given cloud's own coordinates and unit: those of
   * a point are `origin[k] + prepared.coords[3 * i + k] / scale`.
   */
  readonly origin: readonly [number, number, number];
  /** What the given coordinates were multiplied by: 1 in metres, 1 / radius for objects. */
  readonly scale: number;
}

/** What `SceneEncoder.embed` gives. */
export interface EmbeddedCloud extends SceneFeatures, CloudRows {
  /** What was encoded. */
  readonly prepared: Scene;
}

/** A scene that is encoded as it is: every point is its own row. */
export function ownRows(count: number): CloudRows {
  const rows = Int32Array.from({ length: count }, (_, row) => row);
  return {
    sourceIndex: Uint32Array.from(rows),
    keptIndex: () => rows,
    origin: [0, 0, 0],
    scale: 1,
  };
}

/** Points that go through the model at a time, unless one scene alone has more. */
export const BATCH_POINTS = 65536;
/** Rows that a point is in a forward pass, about: of three levels by G2L, of its leaf by L2G. */
const ROWS_OF_POINT = 5;

/**
 * Encodes scenes with a model: no augmentation, no gradients, no change of any weight.
 *
 * ```ts
 * import { encoderFromCheckpoint, readPointCloud } from "@dbbd/dbbd";
 *
 * using encoder = await encoderFromCheckpoint("checkpoints/final.safetensors");
 * const { points, regions, scene } = await encoder.embed(await readPointCloud("office.ply"));
 * console.log(points.g2l.length, regions.length, scene.mean.l2g);
 * ```
 *
 * A scene's features are the same to the bit whatever other scenes it is encoded with.
 */
export class SceneEncoder implements Disposable {
  /** What encodes. */
  readonly model: Model;
  /** Says which features of a scene the model reads, and how deep trees are. */
  readonly config: TrainingConfig;
  /** How clouds become scenes; null: the training did not say, and the defaults hold. */
  readonly preparation: SceneSettings | null;
  readonly #owned: Disposable | null;

  /**
   * An encoder that borrows a model, such as a trainer's: it stays the caller's.
   * @param owned is disposed of with the encoder
   */
  constructor(
    model: Model,
    config: TrainingConfig,
    preparation: SceneSettings | null = null,
    owned: Disposable | null = null,
  ) {
    this.model = model;
    this.config = config;
    this.preparation = preparation;
    this.#owned = owned;
  }

  /** D, values of a feature. */
  get width(): number {
    return this.model.config.output_dim;
  }

  /**
   * The features of prepared scenes, in the order given: of each the `parts` that are asked for.
   * Reading back point features (`g2l`, `l2g`) is what costs; those of regions and scenes come
   * cheap.
   *
   * Scenes go through the model several at a time, and all results are held at once: give it as
   * many as fit in memory.
   *
   * Throws DataError for a scene whose features are not as wide as the model's.
   */
  async encode<P extends FeaturePart>(
    scenes: readonly Scene[],
    parts: readonly P[],
  ): Promise<SceneFeatures<P>[]> {
    const wanted = new Set(parts);
    const out: SceneFeatures<P>[] = [];
    for (const scene of scenes) this.check(scene);
    for (const batch of batchesOf(scenes)) {
      out.push(
        ...await featuresOfBatch(this.model, batch, this.config.max_hierarchy_depth, wanted),
      );
    }
    return out;
  }

  /**
   * All features of one scene, or of a cloud as a file holds it, which is prepared first.
   * `prepared` is what was encoded: rows of point features are its points, of regions its tree's.
   *
   * To put features back on the cloud's own points, `sourceIndex` says which row of the cloud each
   * prepared point was, and `featuresOfRows(points.g2l, width, keptIndex())` is one feature for
   * each row of the cloud.
   *
   * Throws DataError for a cloud without points or without the features that the model reads.
   */
  async embed(input: Scene | PointCloud): Promise<EmbeddedCloud> {
    const { scene: prepared, rows } = "tree" in input
      ? { scene: input, rows: ownRows(input.coords.length / 3) }
      : this.#prepare(input);
    const [features] = await this.encode([prepared], ["g2l", "l2g", "regions", "scene"]);
    return { ...features, prepared, ...rows };
  }

  #prepare(cloud: PointCloud): { scene: Scene; rows: CloudRows } {
    const settings = this.preparation ?? DEFAULT_SETTINGS;
    const { cloud: ready, ...rows } = prepare(cloud, settings.prepare);
    const tree = buildTree(ready.coords, settings.tree);
    const { features, max_hierarchy_depth: maxDepth } = this.config;
    const file = { id: "the point cloud", cloud: ready, tree };
    const { sourceIndex, keptIndex, origin, report: { scale } } = rows;
    return {
      scene: sceneFromFile(file, { features, maxDepth }),
      rows: { sourceIndex, keptIndex, origin, scale },
    };
  }

  /** Throws DataError for a scene whose features are not as wide as the model's. */
  check({ id, feats, coords, featureColumns }: Scene): void {
    const width = 3 * feats.length / coords.length;
    const { input_feat_dim, features } = this.config;
    if (width === input_feat_dim) return;
    const names = featureColumns.map(({ name }) => name).join(", ");
    throw new DataError(
      `Cannot encode scene ${id}: expected ${input_feat_dim} feature channels a point (${
        features.join(", ")
      }), got ${width} (${names || "none"})`,
    );
  }

  /** Free the model and the device, where the encoder opened them. */
  [Symbol.dispose](): void {
    this.#owned?.[Symbol.dispose]();
  }
}

/**
 * Scenes in their order, as many at a time as have BATCH_POINTS points together, and at least one.
 */
function* batchesOf(scenes: readonly Scene[]): Generator<Scene[]> {
  let batch: Scene[] = [];
  let points = 0;
  for (const scene of scenes) {
    const count = scene.coords.length / 3;
    if (batch.length > 0 && points + count > BATCH_POINTS) {
      yield batch;
      batch = [];
      points = 0;
    }
    batch.push(scene);
    points += count;
  }
  if (batch.length > 0) yield batch;
}

/** A model on the device of the options, or on one of its own. */
async function openModel(
  config: TrainingConfig,
  { device: given, pointsAhead = 0, backbone }: EncoderOptions,
): Promise<{ model: Model; owned: Disposable }> {
  using owned = new DisposableStack();
  const device = given ?? owned.use(await Device.create({ request: config.device }));
  const compiles = device.kind === "software" && pointsAhead * ROWS_OF_POINT >= ROWS_TO_COMPILE;
  const model = owned.use(
    new Model(device, config, {
      fused: config.fused === "auto" ? undefined : config.fused === "on",
      // Chosen here and not batch by batch, so that a scene's features do not depend on its batch.
      rowVariant: compiles ? "straight-line" : "loops",
      backbone,
      objective: none,
    }),
  );
  return { model, owned: owned.move() };
}

/**
 * The encoder with the weights that a training starts from: what a trained one is to be compared
 * with. The seed is the configuration's.
 */
export async function untrainedEncoder(
  config: TrainingConfig,
  options: EncoderOptions & { readonly preparation?: SceneSettings | null } = {},
): Promise<SceneEncoder> {
  const { model, owned } = await openModel(config, options);
  model.parameters.initialise(config.seed);
  return new SceneEncoder(model, config, options.preparation, owned);
}

/** What a checkpoint says of its encoder, with a configuration for certain. */
export interface EncoderSettings extends CheckpointInfo {
  /** The settings it was trained with, every key resolved. */
  readonly config: TrainingConfig;
}

/**
 * What a checkpoint says of its encoder; its header alone is read.
 * @param config is taken instead of the checkpoint's
 *
 * Throws UsageError for a file that is not there or that needs a configuration, DataError for one
 * that is no checkpoint or is damaged.
 */
export async function readEncoderSettings(
  path: string,
  config?: TrainingConfig,
): Promise<EncoderSettings> {
  const info = await readCheckpointInfo(path);
  if (config) return { ...info, config };
  if (info.config) {
    return { ...info, config: TrainingConfig.fromObject(info.config, { file: path }) };
  }
  throw new UsageError(
    `Cannot take an encoder from ${path}: it holds weights, but not the configuration that they were trained with. ` +
      `Give it: --config FILE (in code: the option config).`,
  );
}

/**
 * The encoder of a checkpoint, with the settings that are stored in it; or of a file with nothing
 * but weights under the model's names, such as PyTorch writes, which needs the configuration
 * besides.
 *
 * Throws as `readEncoderSettings`, and DataError for weights of another model than the
 * configuration says.
 */
export async function encoderFromCheckpoint(
  path: string,
  options: CheckpointEncoderOptions = {},
): Promise<SceneEncoder> {
  const { config, preparation } = await readEncoderSettings(path, options.config);
  const { backbone } = options;
  const specs = modelParameters(config, { backbone, objective: none });
  const weights = await readWeights(path, specs, OBJECTIVE_PREFIX);
  const { model, owned } = await openModel(config, options);
  model.parameters.writeFlat(model.parameters.values, weights);
  return new SceneEncoder(model, config, preparation, owned);
}
