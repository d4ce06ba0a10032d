/**
 * The region encoder as a list of row layers, with everything merged that can be: consecutive linear layers are one
 * (their product is made once a step, by recorded operations, so the chain rule gives the original parameters'
 * gradients), what depends on the region alone enters as a start value, biases are weight columns for an input of 1.
 * Exact in real arithmetic; float32 differs by rounding.
 */

import type { ParameterSet } from "../../nn/parameters.ts";
import {
  add,
  columns,
  concat,
  linear,
  matmul,
  reshape,
  type Tensor,
  zeros,
} from "../../tensor/mod.ts";
import type { ModelConfig } from "../model_config.ts";

/** Blocks of four columns. */
export function blocks(width: number): number {
  return Math.ceil(width / 4);
}

/** Slots of four values that layers read besides activations; see shaders/fused/row_inputs.wgsl. */
export interface InputSlots {
  readonly coords: 0;
  readonly offset: 1;
  readonly features: 2;
  readonly featureCount: number;
  readonly one: number;
  readonly count: number;
}

/** Where the slots lie for a feature width. */
export function inputSlots(features: number): InputSlots {
  const featureCount = blocks(features + 1);
  return {
    coords: 0,
    offset: 1,
    features: 2,
    featureCount,
    one: 2 + featureCount,
    count: 3 + featureCount,
  };
}

/** LayerNorm and activation behind a layer. */
export interface RowNorm {
  readonly gamma: Tensor;
  readonly beta: Tensor;
  readonly gelu: boolean;
}

/** One linear layer on rows, and what follows it. */
export interface RowLayer {
  /** (outs, 4 · inBlocks): columns for the activations, then for the extra slots. */
  readonly weight: Tensor;
  readonly outs: number;
  /** Blocks of the layer's whole input. */
  readonly inBlocks: number;
  /** Blocks of it that are activations of the layer before: 0 for the first layer. */
  readonly mainBlocks: number;
  /** First input slot and number of slots that follow the activations. */
  readonly extraFirst: number;
  readonly extraCount: number;
  /** Null for the last layer. */
  readonly norm: RowNorm | null;
}

/** Every layer from the inputs to a point's feature. */
export interface RowProgram {
  readonly layers: readonly RowLayer[];
  readonly slots: InputSlots;
  /** Whether the first layer starts from a value of the row's parent region instead of 0. */
  readonly fromRegion: boolean;
}

/** Columns side by side, each part padded with zero columns to a width. */
function assemble(rows: number, parts: readonly { values: Tensor; width: number }[]): Tensor {
  const device = parts[0].values.device;
  return concat(parts.flatMap(({ values, width }) => {
    const columnsOf = reshape(values, [rows, values.size / rows]);
    const missing = width - columnsOf.cols;
    return missing > 0 ? [columnsOf, zeros(device, [rows, missing])] : [columnsOf];
  }));
}

/** Builds the two programs of a model from its parameters; call once a step, inside its scope. */
export class RowProgramBuilder {
  readonly #config: ModelConfig;
  readonly #parameters: ParameterSet;
  readonly #slots: InputSlots;

  constructor(config: ModelConfig, parameters: ParameterSet) {
    this.#config = config;
    this.#parameters = parameters;
    this.#slots = inputSlots(config.input_feat_dim);
  }

  #weight(prefix: string): Tensor {
    return this.#parameters.get(`${prefix}.weight`);
  }

  #bias(prefix: string): Tensor {
    return this.#parameters.get(`${prefix}.bias`);
  }

  #norm(prefix: string, gelu = false): RowNorm {
    return { gamma: this.#weight(prefix), beta: this.#bias(prefix), gelu };
  }

  /** A layer fed by the activations of the one before, `main` (outs, ins), and one extra slot [small, bias]. */
  #hidden(main: Tensor, small: Tensor | null, bias: Tensor, norm: RowNorm | null): RowLayer {
    const outs = main.rows;
    const mainBlocks = blocks(main.cols);
    const parts = [{ values: main, width: 4 * mainBlocks }];
    if (small) parts.push({ values: small, width: small.cols }, { values: bias, width: 1 });
    else parts.push({ values: bias, width: 4 });
    return {
      weight: assemble(outs, parts),
      outs,
      inBlocks: mainBlocks + 1,
      mainBlocks,
      extraFirst: small ? this.#slots.offset : this.#slots.one,
      extraCount: 1,
      norm,
    };
  }

  /** Second layer of a projection merged into the backbone's first, and the rest of the backbone. */
  #backbone(projection: string): RowLayer[] {
    const { encoder_hidden_dims: hidden, hidden_dim } = this.#config;
    const backbone = "encoder.encoder.backbone.mlp";
    const first = this.#weight(`${backbone}.0`);
    const fromOffset = columns(first, 0, 3);
    const fromHidden = columns(first, 3, hidden_dim);
    const { weight, bias } = merge(
      fromHidden,
      this.#weight(projection),
      this.#bias(projection),
      this.#bias(`${backbone}.0`),
    );
    const normOf = (i: number) => i < hidden.length ? this.#norm(`${backbone}.${3 * i + 1}`) : null;
    const layers = [this.#hidden(weight, fromOffset, bias, normOf(0))];
    for (let i = 1; i <= hidden.length; i++) {
      const name = `${backbone}.${3 * i}`;
      layers.push(this.#hidden(this.#weight(name), null, this.#bias(name), normOf(i)));
    }
    return layers;
  }

  /** From raw features: root regions (G2L) and leaves (L2G). */
  raw(): RowProgram {
    const prefix = "encoder.raw_projection.mlp";
    const { hidden_dim, input_feat_dim } = this.#config;
    const { featureCount, features } = this.#slots;
    const first: RowLayer = {
      weight: assemble(hidden_dim, [
        { values: this.#weight(`${prefix}.0`), width: input_feat_dim },
        { values: this.#bias(`${prefix}.0`), width: 4 * featureCount - input_feat_dim },
      ]),
      outs: hidden_dim,
      inBlocks: featureCount,
      mainBlocks: 0,
      extraFirst: features,
      extraCount: featureCount,
      norm: this.#norm(`${prefix}.1`),
    };
    return {
      layers: [first, ...this.#backbone(`${prefix}.3`)],
      slots: this.#slots,
      fromRegion: false,
    };
  }

  /** From a parent's feature and raw features: every region below the root (G2L). */
  propagated(): RowProgram {
    const { output_dim, input_feat_dim, hidden_dim, propagator_num_layers } = this.#config;
    const propagator = "encoder.propagator.mlp";
    const combine = "encoder.combine_projection.projection.mlp";
    const first = this.#weight(`${propagator}.0`);
    const layers: RowLayer[] = [{
      weight: assemble(first.rows, [{ values: columns(first, output_dim, 3), width: 4 }]),
      outs: first.rows,
      inBlocks: 1,
      mainBlocks: 0,
      extraFirst: this.#slots.coords,
      extraCount: 1,
      norm: this.#norm(`${propagator}.1`, true),
    }];
    for (let i = 1; i < propagator_num_layers - 1; i++) {
      const name = `${propagator}.${3 * i}`;
      const norm = this.#norm(`${propagator}.${3 * i + 1}`, true);
      layers.push(this.#hidden(this.#weight(name), null, this.#bias(name), norm));
    }
    const last = `${propagator}.${3 * (propagator_num_layers - 1)}`;
    const combineFirst = this.#weight(`${combine}.0`);
    const { weight, bias } = merge(
      columns(combineFirst, input_feat_dim, output_dim),
      this.#weight(last),
      this.#bias(last),
      this.#bias(`${combine}.0`),
    );
    const mainBlocks = blocks(weight.cols);
    layers.push({
      weight: assemble(hidden_dim, [
        { values: weight, width: 4 * mainBlocks },
        { values: columns(combineFirst, 0, input_feat_dim), width: input_feat_dim },
        { values: bias, width: 4 * this.#slots.featureCount - input_feat_dim },
      ]),
      outs: hidden_dim,
      inBlocks: mainBlocks + this.#slots.featureCount,
      mainBlocks,
      extraFirst: this.#slots.features,
      extraCount: this.#slots.featureCount,
      norm: this.#norm(`${combine}.1`),
    });
    layers.push(...this.#backbone(`${combine}.3`));
    return { layers, slots: this.#slots, fromRegion: true };
  }

  /** What the first propagator layer takes from a parent's feature: once a region, (regions, 4 · blocks). */
  regionStart(parents: Tensor): Tensor {
    const prefix = "encoder.propagator.mlp.0";
    const weight = columns(this.#weight(prefix), 0, this.#config.output_dim);
    const start = linear(parents, weight, this.#bias(prefix));
    return assemble(start.rows, [{ values: start, width: 4 * blocks(start.cols) }]);
  }
}

/** outer (inner x + innerBias) + outerBias as one layer. */
function merge(
  outer: Tensor,
  inner: Tensor,
  innerBias: Tensor,
  outerBias: Tensor,
): { weight: Tensor; bias: Tensor } {
  const moved = matmul(outer, reshape(innerBias, [innerBias.size, 1]));
  return {
    weight: matmul(outer, inner),
    bias: add(moved, reshape(outerBias, moved.shape)),
  };
}
