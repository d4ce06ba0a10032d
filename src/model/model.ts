/** The model: parameters on a device, both branches, losses. */

import { UsageError } from "../base/errors.ts";
import type { Device } from "../gpu/device.ts";
import type { Mode } from "../nn/batch_norm.ts";
import { ParameterSet, type ParameterSpec } from "../nn/parameters.ts";
import type { RowIndex } from "../tensor/mod.ts";
import type { Backbone, ComputeOptions } from "./backbones/backbone.ts";
import { BACKBONES } from "./backbones/table.ts";
import type { Encoder, EncoderOutput } from "./encoder.ts";
import type { ModelConfig } from "./model_config.ts";
import { type Losses, type Objective, objectiveParameters } from "./objectives/objective.ts";
import { OBJECTIVES } from "./objectives/table.ts";
import type { RegionBatch } from "./region_batch.ts";

/** What a model is made of, where it is not what the configuration names. */
export interface ModelParts {
  /** Default: the configuration's. */
  readonly backbone?: Backbone;
  /** Default: the configuration's. */
  readonly objective?: Objective;
}

/** How a model computes, and of what. */
export interface ModelOptions extends ComputeOptions, ModelParts {}

/** The entry of a table by its name in a configuration. */
function entry<T>(table: Readonly<Record<string, T>>, name: string, key: string): T {
  if (Object.hasOwn(table, name)) return table[name];
  const known = Object.keys(table).join(", ");
  throw new UsageError(`${key}: expected one of ${known}; found ${name}`);
}

/**
 * The backbone and the objective of a model: those given, else those that the configuration names.
 */
function partsOf(config: ModelConfig, given: ModelParts): Required<ModelParts> {
  const { backbone = "pointnet", objective = "dbbd" } = config;
  return {
    backbone: given.backbone ?? entry<Backbone>(BACKBONES, backbone, "backbone"),
    objective: given.objective ?? entry<Objective>(OBJECTIVES, objective, "objective"),
  };
}

/**
 * Every parameter of a model, in the order of PyTorch's `state_dict`: the backbone's, then the
 * objective's.
 */
export function modelParameters(config: ModelConfig, given: ModelParts = {}): ParameterSpec[] {
  const { backbone, objective } = partsOf(config, given);
  return [...backbone.parameters(config), ...objectiveParameters(objective, config)];
}

/** DBBD on a device. Free it with `using` or dispose. */
export class Model implements Disposable {
  /** Its shape. */
  readonly config: ModelConfig;
  /** Where it lies. */
  readonly device: Device;
  /** Weights and gradients under docs/model.md's names. */
  readonly parameters: ParameterSet;
  /** What its features come from. */
  readonly backbone: Backbone;
  /** What a training of it makes small. */
  readonly objective: Objective;
  readonly #encoder: Encoder;

  /** Parameters are zero until `parameters.initialise(seed)` or weights are loaded. */
  constructor(device: Device, config: ModelConfig, options: ModelOptions = {}) {
    const { backbone, objective } = partsOf(config, options);
    this.config = config;
    this.device = device;
    this.backbone = backbone;
    this.objective = objective;
    this.parameters = new ParameterSet(device, modelParameters(config, options));
    try {
      const heads = objective.heads?.(config) ?? {};
      this.#encoder = backbone.create({ config, parameters: this.parameters, heads, options });
    } catch (error) {
      this.parameters[Symbol.dispose]();
      throw error;
    }
  }

  /**
   * Both branches on a batch.
   * @param mode in training running statistics of norms move with the batch; in evaluation they are
   * used. Default training.
   */
  encode(batch: RegionBatch, mode: Mode = "training"): EncoderOutput {
    return this.#encoder.forward(batch, mode);
  }

  /** Losses of what `encode` gave; `sample` are the rows of the point loss, null for all. */
  losses(output: EncoderOutput, sample: RowIndex | null): Losses {
    const { config, parameters } = this;
    return this.objective.compute({ output, sample, config, parameters });
  }

  /** Free the parameters. */
  [Symbol.dispose](): void {
    this.#encoder[Symbol.dispose]();
    this.parameters[Symbol.dispose]();
  }
}
