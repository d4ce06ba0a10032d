/**
 * Every key of a configuration: type, default, what small_mode makes of it, range, help. SPEC §6.
 *
 * This one table types `TrainingConfig`, says what files and flags may hold, and prints the help.
 */

import { TRAINING_AUGMENTATION } from "../scenes/views/augmentations/table.ts";
import type { AugmentationConfig } from "../scenes/views/augmentations/types.ts";
import type { ProbeConfig } from "./probe_config.ts";

/** The headings under which keys are listed. */
export type ConfigGroup = "run" | "data" | "model" | "loss" | "optimisation";

/** One key: what it may hold and what it is when nobody says. */
export type ConfigKey =
  & { readonly group: ConfigGroup; readonly help: string }
  & (
    | { readonly type: "boolean"; readonly default: boolean; readonly small?: boolean }
    | {
      readonly type: "integer";
      readonly default: number | null;
      readonly small?: number;
      readonly min: number;
      readonly max: number;
      readonly nullable?: true;
    }
    | {
      readonly type: "number";
      readonly default: number;
      /** The least allowed value, or the value that must be exceeded. */
      readonly min?: number;
      readonly above?: number;
    }
    | {
      readonly type: "choice";
      readonly default: string;
      readonly small?: string;
      readonly values: readonly string[];
      /** Other spellings, with what they are read as. */
      readonly aliases?: Readonly<Record<string, string>>;
    }
    | { readonly type: "text"; readonly default: string | null; readonly nullable?: true }
    | {
      readonly type: "integers";
      readonly default: readonly number[];
      readonly small?: readonly number[];
      readonly min: number;
      readonly max: number;
    }
    | { readonly type: "names"; readonly default: readonly string[] }
    | { readonly type: "augmentation"; readonly default: AugmentationConfig }
    | { readonly type: "probe"; readonly default: ProbeConfig | null; readonly nullable: true }
  );

/** A limit that only stands against nonsense; messages don't mention it. */
export const MANY = 1_000_000_000;
const WIDEST = 16_384;

/** The table, in the order in which help and written files list the keys. */
export const CONFIG_KEYS = {
  small_mode: {
    group: "run",
    type: "boolean",
    default: false,
    help: "a small encoder, small scenes and short runs, for trying things out",
  },
  device: {
    group: "run",
    type: "choice",
    default: "auto",
    values: ["auto", "gpu", "software"],
    aliases: { cuda: "gpu", cpu: "software" },
    help: "where to compute; auto takes the GPU if there is one",
  },
  seed: {
    group: "run",
    type: "integer",
    default: 42,
    min: 0,
    max: 4_294_967_295,
    help: "all randomness follows from it: weights, views, samples, synthetic scenes",
  },
  use_amp: {
    group: "run",
    type: "boolean",
    default: true,
    help: "half precision where the device has it and it is faster; so far it is nowhere: float32",
  },
  use_gradient_checkpoint: {
    group: "run",
    type: "boolean",
    default: true,
    help: "recompute activations in the backward pass: the fused kernels always do",
  },
  fused: {
    group: "run",
    type: "choice",
    default: "auto",
    values: ["auto", "on", "off"],
    aliases: { true: "on", false: "off" },
    help: "the fast fused kernels, or the plain operations they are tested against",
  },
  tune: {
    group: "run",
    type: "boolean",
    default: true,
    help: "measure which kernels are fastest here where it pays, and keep that in the user's cache",
  },
  checkpoint_dir: {
    group: "run",
    type: "text",
    default: "checkpoints",
    help: "folder for checkpoints",
  },
  log_dir: {
    group: "run",
    type: "text",
    default: "runs",
    help: "folder in which each run gets a folder of its own for its logs",
  },
  run_name: {
    group: "run",
    type: "text",
    default: null,
    nullable: true,
    help: "name of the run's folder in log_dir; null: the time it started",
  },
  save_interval: {
    group: "run",
    type: "integer",
    default: 10,
    min: 1,
    max: MANY,
    help: "epochs from one periodic checkpoint to the next",
  },
  log_interval: {
    group: "run",
    type: "integer",
    default: 100,
    min: 1,
    max: MANY,
    help: "steps from one logged step to the next",
  },
  eval_interval: {
    group: "run",
    type: "integer",
    default: 5,
    min: 1,
    max: MANY,
    help: "epochs from one validation to the next",
  },
  probe: {
    group: "run",
    type: "probe",
    default: null,
    nullable: true,
    help: "a classifier on the features every few epochs, on labelled scenes",
  },
  best_by: {
    group: "run",
    type: "choice",
    default: "loss",
    values: ["loss", "probe"],
    help:
      "what best.safetensors follows: the lowest validation loss or the highest score of the probe",
  },
  verbose: {
    group: "run",
    type: "boolean",
    default: true,
    help: "show progress while training",
  },
  dataset: {
    group: "data",
    type: "choice",
    default: "scenes",
    small: "synthetic",
    values: ["synthetic", "scenes"],
    help: "made-up rooms, or the scenes under data_root; setting data_root means scenes",
  },
  data_root: {
    group: "data",
    type: "text",
    default: "datasets/scannet",
    help: "folder of the scenes",
  },
  max_train_scenes: {
    group: "data",
    type: "integer",
    default: null,
    small: 4,
    nullable: true,
    min: 1,
    max: MANY,
    help: "train on the first so many scenes only; null: all",
  },
  max_val_scenes: {
    group: "data",
    type: "integer",
    default: null,
    small: 2,
    nullable: true,
    min: 1,
    max: MANY,
    help: "validate on the first so many scenes only; null: all",
  },
  features: {
    group: "data",
    type: "names",
    default: ["normals"],
    help: "attributes of a scene that become feature channels; every scene has height",
  },
  max_hierarchy_depth: {
    group: "data",
    type: "integer",
    default: null,
    small: 2,
    nullable: true,
    min: 0,
    max: 64,
    help: "cut region trees at this depth; null: no limit",
  },
  synthetic_scenes: {
    group: "data",
    type: "integer",
    default: 64,
    min: 1,
    max: MANY,
    help: "training scenes of the synthetic dataset, before max_train_scenes",
  },
  synthetic_val_scenes: {
    group: "data",
    type: "integer",
    default: 16,
    min: 1,
    max: MANY,
    help: "validation scenes of the synthetic dataset, before max_val_scenes",
  },
  synthetic_points: {
    group: "data",
    type: "integer",
    default: 16_384,
    small: 2048,
    min: 64,
    max: 10_000_000,
    help: "points of a synthetic scene, about",
  },
  augmentation: {
    group: "data",
    type: "augmentation",
    default: TRAINING_AUGMENTATION,
    help: "what the two training views go through, in order; []: nothing",
  },
  batch_size: {
    group: "data",
    type: "integer",
    default: 8,
    small: 2,
    min: 1,
    max: 65_536,
    help: "scenes in a training step",
  },
  max_points_per_batch: {
    group: "data",
    type: "integer",
    default: null,
    nullable: true,
    min: 1,
    max: MANY,
    help: "a step takes fewer scenes rather than more points; null: no limit",
  },
  points_per_view: {
    group: "data",
    type: "integer",
    default: null,
    nullable: true,
    min: 1,
    max: MANY,
    help: "points of a scene that each training view draws, its own ones; needs beta 0; null: all",
  },
  cache_mb: {
    group: "data",
    type: "integer",
    default: 1024,
    min: 0,
    max: 1_000_000,
    help: "megabytes of scenes kept in memory, all workers together",
  },
  num_workers: {
    group: "data",
    type: "integer",
    default: 4,
    small: 0,
    min: 0,
    max: 256,
    help: "workers that prepare batches while the device works; 0: none",
  },
  input_feat_dim: {
    group: "model",
    type: "integer",
    default: 3,
    min: 1,
    max: WIDEST,
    help: "feature channels of a point (3: its normal)",
  },
  hidden_dim: {
    group: "model",
    type: "integer",
    default: 96,
    small: 64,
    min: 1,
    max: WIDEST,
    help: "width of what goes into the point encoder",
  },
  output_dim: {
    group: "model",
    type: "integer",
    default: 96,
    small: 64,
    min: 1,
    max: WIDEST,
    help: "width of region and point features; attention needs a multiple of 4",
  },
  encoder_hidden_dims: {
    group: "model",
    type: "integers",
    default: [64, 128],
    small: [32, 64],
    min: 1,
    max: WIDEST,
    help: "widths of the point encoder's hidden layers",
  },
  encoder_pooling: {
    group: "model",
    type: "choice",
    default: "max",
    values: ["max", "mean"],
    help: "how a region's points become its feature",
  },
  backbone: {
    group: "model",
    type: "choice",
    default: "pointnet",
    values: ["pointnet"],
    help: "kind of point encoder",
  },
  propagator_hidden_dim: {
    group: "model",
    type: "integer",
    default: 128,
    small: 64,
    min: 1,
    max: WIDEST,
    help: "hidden width of the propagator, which hands a region's feature to its children",
  },
  propagator_num_layers: {
    group: "model",
    type: "integer",
    default: 2,
    min: 2,
    max: 64,
    help: "linear layers of the propagator",
  },
  propagator_coords: {
    group: "model",
    type: "choice",
    default: "plain",
    values: ["plain", "parent"],
    help: "where points lie, to the propagator: in the scene, or from their parent region's centre",
  },
  aggregator_mode: {
    group: "model",
    type: "choice",
    default: "max",
    values: ["max", "mean", "attention"],
    help: "how children's features become their parent's",
  },
  aggregator_use_spatial: {
    group: "model",
    type: "boolean",
    default: true,
    help: "attention sees where the children lie",
  },
  projection_dim: {
    group: "loss",
    type: "integer",
    default: 128,
    small: 64,
    min: 1,
    max: WIDEST,
    help: "width in which the two branches are compared",
  },
  temperature: {
    group: "loss",
    type: "number",
    default: 0.1,
    above: 0,
    help: "of the contrastive loss; smaller is stricter",
  },
  alpha: { group: "loss", type: "number", default: 1, min: 0, help: "weight of the region loss" },
  beta: { group: "loss", type: "number", default: 0.5, min: 0, help: "weight of the point loss" },
  point_num_samples: {
    group: "loss",
    type: "integer",
    default: 4096,
    small: 512,
    min: 1,
    max: 16_777_216,
    help: "points drawn from a batch for the point loss",
  },
  num_epochs: {
    group: "optimisation",
    type: "integer",
    default: 100,
    min: 1,
    max: MANY,
    help: "how often to go through the training scenes",
  },
  learning_rate: {
    group: "optimisation",
    type: "number",
    default: 0.001,
    above: 0,
    help: "AdamW's step size at the start",
  },
  weight_decay: {
    group: "optimisation",
    type: "number",
    default: 0.01,
    min: 0,
    help: "AdamW's decoupled decay, on every parameter",
  },
  scheduler_type: {
    group: "optimisation",
    type: "choice",
    default: "cosine",
    values: ["cosine", "none"],
    help: "how the learning rate changes from epoch to epoch",
  },
  T_max: {
    group: "optimisation",
    type: "integer",
    default: 100,
    min: 1,
    max: MANY,
    help: "epochs in which cosine reaches eta_min; then it climbs back",
  },
  eta_min: {
    group: "optimisation",
    type: "number",
    default: 0.00001,
    min: 0,
    help: "lowest learning rate of cosine",
  },
} as const satisfies Readonly<Record<string, ConfigKey>>;

/** The name of a key. */
export type ConfigKeyName = keyof typeof CONFIG_KEYS;

/** The TypeScript type of a key's value, null aside. */
export type ConfigValueOf<K> = K extends { type: "boolean" } ? boolean
  : K extends { type: "integer" | "number" } ? number
  : K extends { type: "choice"; values: readonly (infer V)[] } ? V
  : K extends { type: "text" } ? string
  : K extends { type: "names" } ? readonly string[]
  : K extends { type: "augmentation" } ? AugmentationConfig
  : K extends { type: "probe" } ? ProbeConfig
  : readonly number[];

/** What each key holds once the configuration is resolved: defaults filled in, aliases replaced. */
export type ConfigValues = {
  readonly [K in ConfigKeyName]:
    | ConfigValueOf<(typeof CONFIG_KEYS)[K]>
    | ((typeof CONFIG_KEYS)[K] extends { nullable: true } ? null : never);
};

/** All key names, in the table's order. */
export const CONFIG_KEY_NAMES: readonly ConfigKeyName[] = Object.keys(
  CONFIG_KEYS,
) as ConfigKeyName[];
