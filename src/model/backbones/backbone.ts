/** What a model's features come from. */

import type { Step } from "../../nn/network.ts";
import type { ParameterSet, ParameterSpec } from "../../nn/parameters.ts";
import type { Encoder } from "../encoder.ts";
import type { VariantOptions } from "../fused/plan/variants.ts";
import type { ModelConfig } from "../model_config.ts";

/** How a model computes. */
export interface ComputeOptions extends VariantOptions {
  /** The fused kernels (default), or the plain operations they are tested against. */
  readonly fused?: boolean;
}

/** What an encoder is made of. */
export interface BackboneParts {
  /** The model's settings. */
  readonly config: ModelConfig;
  /** The model's weights, on the device. */
  readonly parameters: ParameterSet;
  /** The objective's heads by name; `plainHeads` applies them with plain operations. */
  readonly heads: Readonly<Record<string, readonly Step[]>>;
  /** How to compute. */
  readonly options: ComputeOptions;
}

/** Settings that a backbone cannot be made with. */
export interface SettingsProblem {
  /** The keys that do not go together; the first is to blame. */
  readonly keys: readonly (keyof ModelConfig)[];
  /** What was expected and what was found, the key first. */
  readonly message: string;
}

/** Something with parameters that makes point and region features of a batch. */
export interface Backbone {
  /** Names it in configurations and messages. */
  readonly name: string;
  /** What it cannot be made with; without it, all that each key by itself allows. */
  problems?(config: ModelConfig): readonly SettingsProblem[];
  /** Its parameters, under their names in checkpoints. */
  parameters(config: ModelConfig): readonly ParameterSpec[];
  /** Its encoder, for as long as a model lives. */
  create(parts: BackboneParts): Encoder;
}
