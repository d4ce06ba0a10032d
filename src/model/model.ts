/** The model: parameters on a device, both branches, losses. */

import type { Device } from "../gpu/device.ts";
import { ParameterSet } from "../nn/parameters.ts";
import type { RowIndex } from "../tensor/mod.ts";
import { type Encoder, type EncoderOutput, PlainEncoder } from "./encoder.ts";
import type { FamilyOptions } from "./fused/plan/families.ts";
import { FusedEncoder } from "./fused/fused_encoder.ts";
import { modelParameters } from "./layers.ts";
import type { Losses } from "./losses.ts";
import type { ModelConfig } from "./model_config.ts";
import type { RegionBatch } from "./region_batch.ts";

/** How the model computes. */
export interface ModelOptions extends FamilyOptions {
  /** The fused kernels (default), or the plain operations they are tested against. */
  readonly fused?: boolean;
}

/** DBBD on a device. Free it with `using` or dispose. */
export class Model implements Disposable {
  /** Its shape. */
  readonly config: ModelConfig;
  /** Where it lies. */
  readonly device: Device;
  /** Weights and gradients under SPEC's names. */
  readonly parameters: ParameterSet;
  readonly #encoder: Encoder;

  /** Parameters are zero until `parameters.initialise(seed)` or weights are loaded. */
  constructor(device: Device, config: ModelConfig, options: ModelOptions = {}) {
    this.config = config;
    this.device = device;
    this.parameters = new ParameterSet(device, modelParameters(config));
    try {
      this.#encoder = options.fused ?? true
        ? new FusedEncoder(config, this.parameters, options)
        : new PlainEncoder(config, this.parameters);
    } catch (error) {
      this.parameters[Symbol.dispose]();
      throw error;
    }
  }

  /** Both branches on a batch. */
  encode(batch: RegionBatch): EncoderOutput {
    return this.#encoder.forward(batch);
  }

  /** Losses of what `encode` gave; `sample` are the rows of the point loss, null for all. */
  losses(output: EncoderOutput, sample: RowIndex | null): Losses {
    return this.#encoder.losses(output, sample);
  }

  /** Free the parameters. */
  [Symbol.dispose](): void {
    this.#encoder[Symbol.dispose]();
    this.parameters[Symbol.dispose]();
  }
}
