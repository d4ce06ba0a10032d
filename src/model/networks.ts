/**
 * What the model computes for each row, once: the plain encoder interprets these lists, the fused
 * path compiles them. Names of parameters are docs/model.md's.
 */

import {
  applySteps,
  before,
  declareSteps,
  linearStep,
  mlp,
  type RowInput,
  type Step,
} from "../nn/network.ts";
import { standardNormal } from "../nn/initialisers.ts";
import { ParameterRegistry, type ParameterSet, type ParameterSpec } from "../nn/parameters.ts";
import type { Tensor } from "../tensor/mod.ts";
import type { ModelConfig } from "./model_config.ts";

/** Heads of the attention aggregator. */
export const ATTENTION_HEADS = 4;
/** Name of the attention's query, the one parameter that is no step's. */
export const ATTENTION_QUERY = "encoder.aggregator.attention.query";

/** Which network, and how its rows become one of their region. */
export interface Network {
  readonly steps: readonly Step[];
  /** Per channel over the rows of a region; null: rows are not pooled. */
  readonly pooling: "max" | "mean" | null;
}

/** The networks of a model. */
export interface Networks {
  /** f of points whose region has no parent here: the root's (G2L), the leaves' (L2G). */
  readonly raw: Network;
  /** f of the points of every region below the root (G2L). */
  readonly propagated: Network;
  /** What is done to children before they are aggregated (L2G). */
  readonly children: Network;
}

/**
 * Steps under the prefix that names their parameters, in the order of PyTorch's `state_dict`.
 * @param pointWidth columns of `features`, what a point is known by; default the input's
 */
function modules(config: ModelConfig, pointWidth: number = config.input_feat_dim) {
  const {
    hidden_dim: H,
    output_dim: D,
    encoder_hidden_dims: E,
    propagator_hidden_dim: P,
    propagator_num_layers: count,
  } = config;
  const features: RowInput = { name: "features", width: pointWidth };
  const offset: RowInput = { name: "offset", width: 3 };
  const parent: RowInput = { name: "parent", width: D, shared: "region" };
  const row: RowInput = { name: "row", width: D };
  const place: RowInput = {
    name: config.propagator_coords === "parent" ? "placeInParent" : "place",
    width: 3,
  };
  const attention = "encoder.aggregator.attention";
  const spatial = `${attention}.spatial_encoder`;
  return {
    raw: mlp("encoder.raw_projection.mlp", [features], [H, H], "relu"),
    combine: mlp(
      "encoder.combine_projection.projection.mlp",
      [features, before(D)],
      [H, H],
      "relu",
    ),
    backbone: mlp("encoder.encoder.backbone.mlp", [offset, before(H)], [...E, D], "relu"),
    propagator: mlp(
      "encoder.propagator.mlp",
      [parent, place],
      [...Array(count - 1).fill(P), D],
      "gelu",
    ),
    children: mlp("encoder.aggregator.pre_mlp", [row], [D, D], "gelu"),
    keys: [linearStep(`${attention}.key_proj`, [row], D)],
    values: [linearStep(`${attention}.value_proj`, [row], D)],
    attended: [linearStep(`${attention}.out_proj`, [row], D)],
    spatial: [
      linearStep(`${spatial}.0`, [offset], D),
      { step: "gelu" },
      linearStep(`${spatial}.2`, [before(D)], D),
    ],
  } as const satisfies Record<string, readonly Step[]>;
}

/**
 * What the attention is made of, each a function of rows named `row`, or of the `offset` of a
 * child's centre.
 */
export type AttentionModule = "keys" | "values" | "attended" | "spatial";

/** The networks that a configuration asks for. */
export function networks(config: ModelConfig): Networks {
  const { raw, combine, backbone, propagator, children } = modules(config);
  const { encoder_pooling: pooling, aggregator_mode } = config;
  return {
    raw: { steps: [...raw, ...backbone], pooling },
    propagated: { steps: [...propagator, ...combine, ...backbone], pooling },
    children: {
      steps: children,
      pooling: aggregator_mode === "attention" ? null : aggregator_mode,
    },
  };
}

/** What a tree does with points' features that a backbone has made: from a parent to its region's points, and to children. */
export interface TreeNetworks {
  /** f of the points of every region below the root, from their `features` of width D. */
  readonly propagated: Network;
  /** See `Networks`. */
  readonly children: Network;
}

/** The networks of a tree above a backbone whose features are (N, D). */
export function treeNetworks(config: ModelConfig): TreeNetworks {
  const { combine, propagator } = modules(config, config.output_dim);
  return {
    propagated: { steps: [...propagator, ...combine], pooling: config.encoder_pooling },
    children: networks(config).children,
  };
}

/** Parameters of the tree above such a backbone; the others are `encoderParameters`. */
export function treeParameters(config: ModelConfig): ParameterSpec[] {
  const { raw: _raw, backbone: _backbone, ...tree } = modules(config, config.output_dim);
  return declared(config, tree);
}

/** One of the attention's modules applied to rows. */
export function applyAttention(
  config: ModelConfig,
  module: AttentionModule,
  x: Tensor,
  parameters: ParameterSet,
): Tensor {
  return applySteps(modules(config)[module], { row: x, offset: x }, parameters);
}

/** Parameters of modules. The attention's exist only in mode attention, its spatial encoder only in use. */
function declared(
  config: ModelConfig,
  { keys, values, attended, spatial, ...others }: Omit<
    ReturnType<typeof modules>,
    "raw" | "backbone"
  >,
): ParameterSpec[] {
  const registry = new ParameterRegistry();
  const attention = config.aggregator_mode === "attention";
  if (attention) registry.declare(ATTENTION_QUERY, [1, config.output_dim], standardNormal);
  const parts = [
    ...Object.values(others),
    ...(attention ? [keys, values, attended] : []),
    ...(attention && config.aggregator_use_spatial ? [spatial] : []),
  ];
  for (const steps of parts) declareSteps(registry, steps);
  return registry.specs;
}

/** Every parameter of the encoder. */
export function encoderParameters(config: ModelConfig): ParameterSpec[] {
  return declared(config, modules(config));
}
