/**
 * Networks that treat rows alike, described as lists of steps: linear layers, norms and activations
 * over named inputs. A description declares its parameters, is applied with tensor operations
 * (`applySteps`), or is compiled to kernels (src/model/fused).
 */

import { concat, gelu, layerNorm, linear, relu, type Tensor } from "../tensor/mod.ts";
import { constant, fanInUniform, xavierUniform } from "./initialisers.ts";
import type { ParameterRegistry, ParameterSet } from "./parameters.ts";

/** How a Linear starts: Xavier with zero bias, or PyTorch's own default. */
export type LinearInit = "xavier" | "default";

/** Columns that a linear layer reads. */
export interface RowInput {
  /** What is given under this name, or `before`: what the step before made. */
  readonly name: string;
  /** Columns. */
  readonly width: number;
  /**
   * What has a value of its own: each row, or a region, all of whose rows read the same. Default:
   * row.
   */
  readonly shared?: "row" | "region";
}

/**
 * x Wᵀ + b of the inputs side by side: `name`.weight (outs, sum of the widths), `name`.bias [outs].
 */
export interface LinearStep {
  /** Which step. */
  readonly step: "linear";
  /** Prefix of the parameters' names. */
  readonly name: string;
  /** Columns of W are in this order. */
  readonly reads: readonly RowInput[];
  /** Channels that come out. */
  readonly outs: number;
  /** First values. */
  readonly init: LinearInit;
}

/**
 * LayerNorm over all channels (Ba et al. 2016), eps 1e-5, times `name`.weight [width] plus
 * `name`.bias, at first 1 and 0.
 */
export interface NormStep {
  /** Which step. */
  readonly step: "norm";
  /** Prefix of the parameters' names. */
  readonly name: string;
  /** Channels. */
  readonly width: number;
}

/** A function of each value: max(x, 0), or the exact GELU. */
export interface ActivationStep {
  /** Which function. */
  readonly step: "relu" | "gelu";
}

/** What happens to rows, one thing after the other. */
export type Step = LinearStep | NormStep | ActivationStep;

/** What the step before made, `width` columns of it. */
export function before(width: number): RowInput {
  return { name: "before", width };
}

/** Columns of W of a linear step. */
export function inputWidth({ reads }: Pick<LinearStep, "reads">): number {
  return reads.reduce((sum, { width }) => sum + width, 0);
}

/** One linear layer. */
export function linearStep(
  name: string,
  reads: readonly RowInput[],
  outs: number,
  init: LinearInit = "xavier",
): LinearStep {
  return { step: "linear", name, reads, outs, init };
}

/**
 * Linear, LayerNorm, activation for each hidden width, then a last Linear. Parameters are numbered
 * under `name` as PyTorch's `Sequential` of these does it: 0 and 1, 3 and 4, …
 *
 * @param reads what the first layer reads
 * @param widths hidden widths, then the output's
 */
export function mlp(
  name: string,
  reads: readonly RowInput[],
  widths: readonly number[],
  activation: "relu" | "gelu",
  init: LinearInit = "xavier",
): Step[] {
  return widths.flatMap((width, i): Step[] => {
    const from = i === 0 ? reads : [before(widths[i - 1])];
    const layer = linearStep(`${name}.${3 * i}`, from, width, init);
    if (i === widths.length - 1) return [layer];
    return [layer, { step: "norm", name: `${name}.${3 * i + 1}`, width }, { step: activation }];
  });
}

/** Declare the parameters of all steps, in their order. */
export function declareSteps(registry: ParameterRegistry, steps: readonly Step[]): void {
  for (const each of steps) {
    if (each.step === "linear") {
      const ins = inputWidth(each);
      const initial = each.init === "xavier" ? xavierUniform : fanInUniform(ins);
      registry.declare(`${each.name}.weight`, [each.outs, ins], initial);
      const bias = each.init === "xavier" ? constant(0) : initial;
      registry.declare(`${each.name}.bias`, [each.outs], bias);
    } else if (each.step === "norm") {
      registry.declare(`${each.name}.weight`, [each.width], constant(1));
      registry.declare(`${each.name}.bias`, [each.width], constant(0));
    }
  }
}

/**
 * The steps applied to rows, with the parameters found under their names.
 *
 * @param inputs (rows, width) tensors by name, one for each input but `before`
 * @returns (rows, outs of the last linear step)
 */
export function applySteps(
  steps: readonly Step[],
  inputs: Readonly<Record<string, Tensor>>,
  parameters: ParameterSet,
): Tensor {
  let made: Tensor | null = null;
  for (const each of steps) {
    if (each.step === "linear") {
      const read: Tensor[] = each.reads.map(({ name }) => name === "before" ? made! : inputs[name]);
      const missing = each.reads.find((_, i) => !read[i]);
      if (missing) throw new TypeError(`${each.name} reads ${missing.name}, which is not given.`);
      const weight = parameters.get(`${each.name}.weight`);
      const x = read.length === 1 ? read[0] : concat(read);
      made = linear(x, weight, parameters.get(`${each.name}.bias`));
    } else if (each.step === "norm") {
      const weight = parameters.get(`${each.name}.weight`);
      made = layerNorm(made!, weight, parameters.get(`${each.name}.bias`));
    } else {
      made = each.step === "relu" ? relu(made!) : gelu(made!);
    }
  }
  if (!made) throw new TypeError("A network without a step makes nothing.");
  return made;
}
