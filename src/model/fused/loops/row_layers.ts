/** A row program run layer by layer, forward and backward, on a chunk of rows. */

import type { Tensor } from "../../../tensor/mod.ts";
import type { BufferSlice } from "../../../gpu/device.ts";
import type { ProgramRun } from "../weights/fused_step.ts";
import type { ProgramSums } from "../weights/step_gradients.ts";
import { addNormGradients, addWeightGradient, type GradientVariant } from "./row_gradients.ts";
import {
  type RegionStart,
  type RowBlocks,
  type RowChunk,
  rowLinear,
  rowNorm,
  rowNormBackward,
  type Scatter,
} from "./row_kernels.ts";

/** What the backward pass needs of a forward pass, for every layer but the last. */
export interface KeptRows {
  readonly zs: Tensor[];
  readonly stats: Tensor[];
  readonly activations: Tensor[];
}

/** What a layer reads: the input slots for the first, then the activations of the one before. */
export function layerInput(
  { program }: ProgramRun,
  i: number,
  inputs: Tensor,
  activations: readonly Tensor[],
): RowBlocks {
  const { extraFirst, inBlocks } = program.layers[i];
  return i === 0
    ? { values: inputs, first: extraFirst, stride: program.slots }
    : { values: activations[i - 1], first: 0, stride: inBlocks };
}

/** All layers but the last, keeping what the backward pass needs. */
export function hiddenRows(
  run: ProgramRun,
  chunk: RowChunk,
  inputs: Tensor,
  start: RegionStart | null,
): KeptRows {
  const kept: KeptRows = { zs: [], stats: [], activations: [] };
  for (let i = 0; i + 1 < run.program.layers.length; i++) {
    const x = layerInput(run, i, inputs, kept.activations);
    const z = rowLinear(chunk, x, run.weights(i), i === 0 ? start : null)!;
    const { activations, stats } = rowNorm(chunk, run, i, z, inputs);
    kept.zs.push(z);
    kept.stats.push(stats);
    kept.activations.push(activations);
  }
  return kept;
}

/**
 * The last layer, on what `hiddenRows` gave; the result is new, or scattered to the points' places,
 * or goes into `out`.
 */
export function lastRows(
  run: ProgramRun,
  chunk: RowChunk,
  inputs: Tensor,
  kept: KeptRows,
  scatter: Scatter | null,
  out: BufferSlice | null = null,
): Tensor | null {
  const last = run.program.layers.length - 1;
  const x = layerInput(run, last, inputs, kept.activations);
  return rowLinear(chunk, x, run.weights(last), null, scatter, out);
}

/**
 * The backward pass: adds to `sums`, the program's. `gradient`, of the last layer's output, is used
 * up.
 * @param gradients how weight gradients are summed
 * @returns the gradient of the first layer's output, before LayerNorm
 */
export function backwardRows(
  run: ProgramRun,
  sums: ProgramSums,
  chunk: RowChunk,
  inputs: Tensor,
  { zs, stats, activations }: KeptRows,
  gradient: Tensor,
  gradients: GradientVariant = "loops",
): Tensor {
  for (let i = run.program.layers.length - 1; i >= 0; i--) {
    addWeightGradient(chunk, sums, i, layerInput(run, i, inputs, activations), gradient, gradients);
    if (i === 0) break;
    const toActivations = inputGradient(run, chunk, i, gradient)!;
    const dz = rowNormBackward(chunk, run, i - 1, zs[i - 1], stats[i - 1], toActivations);
    addNormGradients(chunk, sums, i - 1, zs[i - 1], stats[i - 1], toActivations);
    gradient.dispose();
    toActivations.dispose();
    gradient = dz;
  }
  sums.filled = true;
  return gradient;
}

/** The gradient of a layer's leading inputs, from that of its output; new, or in `out`. */
export function inputGradient(
  run: ProgramRun,
  chunk: RowChunk,
  layer: number,
  gradient: Tensor,
  out: BufferSlice | null = null,
): Tensor | null {
  const whole = { values: gradient, first: 0, stride: gradient.cols / 4 };
  return rowLinear(chunk, whole, run.transposed(layer), null, null, out);
}
