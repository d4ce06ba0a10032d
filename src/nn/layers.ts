/** Layers: they declare their parameters under a prefix, and apply them. */

import { gelu, layerNorm, linear, relu } from "../tensor/mod.ts";
import type { Tensor } from "../tensor/mod.ts";
import { constant, fanInUniform, type Initialiser, xavierUniform } from "./initialisers.ts";
import type { ParameterRegistry, ParameterSet } from "./parameters.ts";

/** How a Linear starts: Xavier with zero bias, or PyTorch's own default. */
export type LinearInit = "xavier" | "default";

/** Something with parameters, applied to a tensor. */
export interface Layer {
  /** Declare the parameters under `prefix`, joined with a dot. */
  declare(registry: ParameterRegistry, prefix: string): void;
  /** Apply with the parameters found under `prefix`. */
  forward(x: Tensor, parameters: ParameterSet, prefix: string): Tensor;
}

/** x Wᵀ + b; weight (out, in), bias [out]. */
export function linearLayer(inWidth: number, outWidth: number, init: LinearInit = "xavier"): Layer {
  const initial: Initialiser = init === "xavier" ? xavierUniform : fanInUniform(inWidth);
  return {
    declare(registry, prefix) {
      registry.declare(`${prefix}.weight`, [outWidth, inWidth], initial);
      registry.declare(`${prefix}.bias`, [outWidth], init === "xavier" ? constant(0) : initial);
    },
    forward: (x, parameters, prefix) =>
      linear(x, parameters.get(`${prefix}.weight`), parameters.get(`${prefix}.bias`)),
  };
}

/** LayerNorm over `width` channels, eps 1e-5, affine, starting as 1 and 0. */
export function layerNormLayer(width: number): Layer {
  return {
    declare(registry, prefix) {
      registry.declare(`${prefix}.weight`, [width], constant(1));
      registry.declare(`${prefix}.bias`, [width], constant(0));
    },
    forward: (x, parameters, prefix) =>
      layerNorm(x, parameters.get(`${prefix}.weight`), parameters.get(`${prefix}.bias`)),
  };
}

/** A function without parameters. */
function functionLayer(apply: (x: Tensor) => Tensor): Layer {
  return { declare() {}, forward: apply };
}

/** Layers one after the other, numbered from 0 under the prefix as PyTorch's `Sequential` does. */
export function sequential(layers: readonly Layer[]): Layer {
  return {
    declare(registry, prefix) {
      layers.forEach((layer, i) => layer.declare(registry, `${prefix}.${i}`));
    },
    forward: (x, parameters, prefix) =>
      layers.reduce((y, layer, i) => layer.forward(y, parameters, `${prefix}.${i}`), x),
  };
}

/**
 * Linear, LayerNorm, activation for each hidden width, then a last Linear: the shape of every MLP in SPEC §2.
 * @param widths input width, hidden widths, output width
 */
export function mlp(
  widths: readonly number[],
  activation: "relu" | "gelu",
  init: LinearInit = "xavier",
): Layer {
  const layers: Layer[] = [];
  for (let i = 1; i < widths.length - 1; i++) {
    layers.push(
      linearLayer(widths[i - 1], widths[i], init),
      layerNormLayer(widths[i]),
      functionLayer(activation === "relu" ? relu : gelu),
    );
  }
  layers.push(linearLayer(widths.at(-2)!, widths.at(-1)!, init));
  return sequential(layers);
}

/** Linear, GELU, Linear without normalisation: the spatial encoder of the attention. */
export function geluPair(inWidth: number, width: number): Layer {
  return sequential([linearLayer(inWidth, width), functionLayer(gelu), linearLayer(width, width)]);
}
