/**
 * Passes over the description of a network (`nn/network.ts`) that leave what it computes, in real
 * arithmetic, and take away what need not be computed for each row: what a whole region shares is
 * hoisted out of its rows, linear layers with nothing between them become one, and of pooled rows
 * only those that have gradient are recomputed.
 */

import { inputWidth, type RowInput, type Step } from "../../../nn/network.ts";
import type { Network } from "../../networks.ts";

/** Columns of a linear step's weight. */
export interface WeightColumns {
  /** The step's name. */
  readonly of: string;
  /** First column. */
  readonly first: number;
  /** Columns of the whole weight. */
  readonly stride: number;
}

/**
 * Two linear layers as one: the outer's columns times the inner's weight; bias: the outer's columns
 * times the inner's, plus the outer's.
 */
export interface Product {
  readonly outer: WeightColumns;
  /** The inner step's name; it reads `ins` columns and makes `middle`. */
  readonly inner: string;
  readonly outs: number;
  readonly middle: number;
  readonly ins: number;
}

/** An input of a layer, and the weights that it is multiplied with. */
export interface LayerInput {
  readonly input: RowInput;
  readonly weight: WeightColumns | Product;
}

/** A linear layer, and the norm and activation behind it. */
export interface Layer {
  /** In the order of the weight's columns. */
  readonly inputs: readonly LayerInput[];
  /**
   * Whose bias: a step's name, or a product's; null: the layer starts from what was hoisted, its
   * bias included.
   */
  readonly bias: string | Product | null;
  readonly outs: number;
  /** The norm's name; null: nothing follows. */
  readonly norm: string | null;
  readonly activation: "relu" | "gelu" | null;
}

/** The steps of a network as layers. */
export function layersOf(steps: readonly Step[]): Layer[] {
  const layers: Layer[] = [];
  for (const each of steps) {
    if (each.step === "linear") {
      let first = 0;
      const inputs = each.reads.map((input): LayerInput => {
        const weight = { of: each.name, first, stride: inputWidth(each) };
        first += input.width;
        return { input, weight };
      });
      layers.push({ inputs, bias: each.name, outs: each.outs, norm: null, activation: null });
      continue;
    }
    const layer = layers.at(-1);
    const expected = layer &&
      (each.step === "norm" ? !layer.norm : layer.norm && !layer.activation);
    if (!expected) {
      throw new TypeError(`Kernels compute linear, norm, activation in turn; found ${each.step}.`);
    }
    const more = each.step === "norm" ? { norm: each.name } : { activation: each.step };
    layers[layers.length - 1] = { ...layer, ...more };
  }
  return layers;
}

/**
 * A network's layers without what they read of their region, and that part as a layer of its own,
 * on regions; null: nothing.
 */
export interface Hoisted {
  readonly start: Layer | null;
  readonly layers: readonly Layer[];
}

/**
 * Hoists what the first layer reads of the region: W [a, b] + bias = W_a a + bias, once a region,
 * and W_b b for each row, which starts from it.
 */
export function hoistShared(layers: readonly Layer[]): Hoisted {
  const isShared = ({ input }: LayerInput) => input.shared === "region";
  const [first, ...rest] = layers;
  if (rest.some(({ inputs }) => inputs.some(isShared))) {
    throw new TypeError("Only a network's first layer may read what a region shares.");
  }
  const shared = first.inputs.filter(isShared);
  if (shared.length === 0) return { start: null, layers };
  const own = first.inputs.filter((each) => !isShared(each));
  return {
    start: { ...first, inputs: shared, norm: null, activation: null },
    layers: [{ ...first, inputs: own, bias: null }, ...rest],
  };
}

/**
 * Merges each linear layer that has nothing behind it with the next: W₂ (W₁ x + b₁) + b₂ = (W₂ W₁)
 * x + (W₂ b₁ + b₂).
 */
export function mergeLinear(layers: readonly Layer[]): Layer[] {
  const merged: Layer[] = [];
  for (const layer of layers) {
    const inner = merged.at(-1);
    if (!inner || inner.norm) {
      merged.push(layer);
      continue;
    }
    const [only, ...others] = inner.inputs;
    const read = layer.inputs.find(({ input }) => input.name === "before")!;
    if (others.length > 0 || "outer" in only.weight || typeof layer.bias !== "string") {
      throw new TypeError("Only a linear layer that reads the layer before alone can be merged.");
    }
    const product: Product = {
      outer: read.weight as WeightColumns,
      inner: only.weight.of,
      outs: layer.outs,
      middle: inner.outs,
      ins: only.input.width,
    };
    const inputs = layer.inputs.map((each): LayerInput =>
      each === read ? { input: only.input, weight: product } : each
    );
    merged[merged.length - 1] = { ...layer, inputs, bias: product };
  }
  return merged;
}

/**
 * Which rows the backward pass computes again: of maxima at most one a region and channel has
 * gradient, of means every row.
 */
export function recomputedRows({ pooling }: Network): "with gradient" | "all" {
  return pooling === "max" ? "with gradient" : "all";
}
