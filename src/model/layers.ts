/** The model's layers with SPEC §2's parameter names. */

import { geluPair, type Layer, linearLayer, mlp } from "../nn/layers.ts";
import { standardNormal } from "../nn/initialisers.ts";
import { ParameterRegistry, type ParameterSpec } from "../nn/parameters.ts";
import type { ModelConfig } from "./model_config.ts";

/** Heads of the attention aggregator. */
export const ATTENTION_HEADS = 4;
/** Hidden width of the projection heads. */
export const PROJECTION_HIDDEN = 96;

/** Every layer under the prefix that names its parameters. */
export type ModelLayers = Readonly<Record<LayerName, Layer>>;

/** The prefixes of SPEC §2. */
export type LayerName =
  | "encoder.raw_projection.mlp"
  | "encoder.combine_projection.projection.mlp"
  | "encoder.encoder.backbone.mlp"
  | "encoder.propagator.mlp"
  | "encoder.aggregator.pre_mlp"
  | "encoder.aggregator.attention.key_proj"
  | "encoder.aggregator.attention.value_proj"
  | "encoder.aggregator.attention.out_proj"
  | "encoder.aggregator.attention.spatial_encoder"
  | "loss.region_projection.layers"
  | "loss.point_projection.layers";

/** Name of the attention's query, the one parameter that is no layer's. */
export const ATTENTION_QUERY = "encoder.aggregator.attention.query";

/** The layers a configuration asks for. */
export function modelLayers(config: ModelConfig): ModelLayers {
  const {
    input_feat_dim: C,
    hidden_dim: H,
    output_dim: D,
    encoder_hidden_dims: E,
    propagator_hidden_dim: P,
    propagator_num_layers,
    projection_dim,
  } = config;
  const hidden = Array(propagator_num_layers - 1).fill(P);
  return {
    "encoder.raw_projection.mlp": mlp([C, H, H], "relu"),
    "encoder.combine_projection.projection.mlp": mlp([C + D, H, H], "relu"),
    "encoder.encoder.backbone.mlp": mlp([3 + H, ...E, D], "relu"),
    "encoder.propagator.mlp": mlp([D + 3, ...hidden, D], "gelu"),
    "encoder.aggregator.pre_mlp": mlp([D, D, D], "gelu"),
    "encoder.aggregator.attention.key_proj": linearLayer(D, D),
    "encoder.aggregator.attention.value_proj": linearLayer(D, D),
    "encoder.aggregator.attention.out_proj": linearLayer(D, D),
    "encoder.aggregator.attention.spatial_encoder": geluPair(3, D),
    "loss.region_projection.layers": mlp([D, PROJECTION_HIDDEN, projection_dim], "relu", "default"),
    "loss.point_projection.layers": mlp([D, PROJECTION_HIDDEN, projection_dim], "relu", "default"),
  };
}

/** Every parameter of the model. The attention's exist only in mode attention, its spatial encoder only in use. */
export function modelParameters(config: ModelConfig): ParameterSpec[] {
  const registry = new ParameterRegistry();
  const attention = config.aggregator_mode === "attention";
  if (attention) registry.declare(ATTENTION_QUERY, [1, config.output_dim], standardNormal);
  for (const [prefix, layer] of Object.entries(modelLayers(config))) {
    if (prefix.startsWith("encoder.aggregator.attention") && !attention) continue;
    if (prefix.endsWith(".spatial_encoder") && !config.aggregator_use_spatial) continue;
    layer.declare(registry, prefix);
  }
  return registry.specs;
}
