/** The kernels of the fused path as functions: which file, which constants, which grid. */

import count from "../../../shaders/fused/count.wgsl" with { type: "text" };
import argumentsWgsl from "../../../shaders/fused/dispatch_arguments.wgsl" with { type: "text" };
import inputsWgsl from "../../../shaders/fused/row_inputs.wgsl" with { type: "text" };
import linearWgsl from "../../../shaders/fused/row_linear.wgsl" with { type: "text" };
import normWgsl from "../../../shaders/fused/row_norm.wgsl" with { type: "text" };
import normBackwardWgsl from "../../../shaders/fused/row_norm_backward.wgsl" with { type: "text" };
import normWeightsWgsl from "../../../shaders/fused/row_norm_weights.wgsl" with { type: "text" };
import packWgsl from "../../../shaders/fused/pack_weights.wgsl" with { type: "text" };
import weightGradientWgsl from "../../../shaders/fused/row_weight_gradient.wgsl" with {
  type: "text",
};
import math from "../../../shaders/math.wgsl" with { type: "text" };
import type { BufferSlice, Device, DispatchGroups } from "../../gpu/device.ts";
import type { Kernel, KernelConstants } from "../../gpu/kernel.ts";
import { expandTemplate } from "../../gpu/template.ts";
import { empty, type Tensor, zeros } from "../../tensor/mod.ts";
import { blocks, type InputSlots, type RowLayer, type RowNorm } from "./row_program.ts";

/** Invocations of a workgroup in the row kernels. */
export const GROUP = 64;
/** Pieces that sums over rows are cut into, whatever the number of rows. */
const SLICES = { gpu: 256, software: 64 } as const;
/** LayerNorm's ε. */
export const NORM_EPS = 1e-5;

/** A kernel of the folder shaders/fused. */
export function fusedKernel(
  device: Device,
  name: string,
  source: string,
  constants: KernelConstants = {},
): Kernel {
  return device.kernel(name, count + expandTemplate(source, constants), constants);
}

/** A chunk of a list of rows whose length may be known to the device alone. */
export class RowChunk {
  readonly device: Device;
  /** One word: the list's length. */
  readonly total: Tensor;
  readonly first: number;
  /** Rows the chunk has room for. */
  readonly rows: number;
  /** Rows that buffers of the chunk must have: kernels without branches also write the last workgroup's unused rows. */
  readonly room: number;
  readonly #indirect: boolean;
  readonly #groups = new Map<string, BufferSlice>();

  /** @param indirect whether the list may be shorter than `first + rows`, as the device knows */
  constructor(total: Tensor, first: number, rows: number, indirect: boolean) {
    this.device = total.device;
    this.total = total;
    this.first = first;
    this.rows = rows;
    this.room = Math.ceil(rows / GROUP) * GROUP;
    this.#indirect = indirect;
  }

  get params(): { chunk_first: number; chunk_rows: number } {
    return { chunk_first: this.first, chunk_rows: this.rows };
  }

  /** Workgroups for `perRow` invocations a row, `perGroup` a workgroup, `y` along the second axis. */
  groups(perRow: number, perGroup: number, y = 1): DispatchGroups {
    if (!this.#indirect) return [Math.ceil(this.rows * perRow / perGroup), y, 1];
    const key = `${perRow} ${perGroup} ${y}`;
    let slice = this.#groups.get(key);
    if (!slice) {
      const words = empty(this.device, [3], "u32");
      slice = words.slice;
      this.device.run(
        fusedKernel(this.device, "dispatch_arguments", argumentsWgsl),
        { total: this.total.slice, arguments: slice },
        { first: this.first, rows: this.rows, per_row: perRow, per_group: perGroup, y },
        1,
      );
      this.#groups.set(key, slice);
    }
    return slice;
  }
}

/** Points, features and regions that rows read. */
export interface RowSource {
  readonly list: Tensor;
  readonly coords: Tensor;
  readonly feats: Tensor;
  readonly regionOfPoint: Tensor;
  readonly centers: Tensor;
}

/** The input slots of a chunk's rows: (rows, 4 · slots). */
export function rowInputs(chunk: RowChunk, source: RowSource, slots: InputSlots): Tensor {
  const { device } = chunk;
  const out = empty(device, [chunk.room, 4 * slots.count]);
  device.run(
    fusedKernel(device, "row_inputs", inputsWgsl),
    {
      total: chunk.total.slice,
      list: source.list.slice,
      coords: source.coords.slice,
      feats: source.feats.slice,
      region_of_point: source.regionOfPoint.slice,
      center: source.centers.slice,
      out: out.slice,
    },
    { ...chunk.params, features: source.feats.cols, slots: slots.count },
    chunk.groups(1, GROUP),
  );
  return out;
}

/** Weights in blocks, ready for `rowLinear`. */
export interface PackedWeights {
  readonly values: Tensor;
  readonly outBlocks: number;
  readonly inBlocks: number;
}

/** Pack a layer's weights; transposed for the gradient to its activations. */
export function packWeights(layer: RowLayer, transposed: boolean): PackedWeights {
  const { weight, outs, inBlocks, mainBlocks } = layer;
  const { device } = weight;
  const own = transposed
    ? { outBlocks: mainBlocks, inBlocks: blocks(outs), outs: 4 * inBlocks, ins: outs }
    : { outBlocks: blocks(outs), inBlocks, outs, ins: 4 * inBlocks };
  const values = empty(device, [own.outBlocks * own.inBlocks, 16]);
  device.run(
    fusedKernel(device, "pack_weights", packWgsl, { TRANSPOSED: transposed }),
    { weight: weight.slice, packed: values.slice },
    { outs: own.outs, ins: own.ins, out_blocks: own.outBlocks, in_blocks: own.inBlocks },
    Math.ceil(own.outBlocks * own.inBlocks / GROUP),
  );
  return { values, outBlocks: own.outBlocks, inBlocks: own.inBlocks };
}

/** Rows as vec4 blocks: where each row's blocks begin. */
export interface RowBlocks {
  readonly values: Tensor;
  /** Block of a row at which the input begins. */
  readonly first: number;
  /** Blocks from one row to the next. */
  readonly stride: number;
}

/** A start value that rows take from a region. */
export interface RegionStart {
  readonly values: Tensor;
  readonly regionOfPoint: Tensor;
  readonly list: Tensor;
}

/** Where rows of a chunk go in a tensor of all points. */
export interface Scatter {
  readonly out: BufferSlice;
  /** Point that stands first in `out`. */
  readonly first: number;
  readonly list: Tensor;
}

/** Rows × blocks of columns that one invocation of row_linear computes. */
const LINEAR_TILE = {
  gpu: { rows: 4, columns: 4 },
  software: { rows: 8, columns: 4 },
} as const;

/** x · Wᵀ for a chunk's rows; the result is new, or scattered to the points' places. */
export function rowLinear(
  chunk: RowChunk,
  x: RowBlocks,
  weights: PackedWeights,
  start: RegionStart | null = null,
  scatter: Scatter | null = null,
): Tensor | null {
  const { device } = chunk;
  const { outBlocks, inBlocks } = weights;
  const tile = LINEAR_TILE[device.kind];
  const rows = tile.rows;
  const columns = Math.min(tile.columns, outBlocks);
  const uniform = weights.values.slice.size <= device.limits.maxUniformBufferBindingSize;
  const out = scatter ? null : empty(device, [chunk.room, 4 * outBlocks]);
  const list = start?.list ?? scatter?.list;
  device.run(
    fusedKernel(device, "row_linear", linearWgsl, {
      ROWS: rows,
      COLS: columns,
      IN_BLOCKS: inBlocks,
      WEIGHT_BLOCKS: outBlocks * inBlocks,
      UNIFORM: uniform,
      LISTED: list !== undefined,
      GATHER: start !== null,
      SCATTER: scatter !== null,
    }),
    {
      total: chunk.total.slice,
      x: x.values.slice,
      w: weights.values.slice,
      out: scatter?.out ?? out!.slice,
      ...(list ? { list: list.slice } : {}),
      ...(start ? { init: start.values.slice, region_of_point: start.regionOfPoint.slice } : {}),
    },
    {
      ...chunk.params,
      x_first: x.first,
      x_stride: x.stride,
      out_blocks: outBlocks,
      out_first: scatter?.first ?? 0,
    },
    chunk.groups(1, GROUP * rows, Math.ceil(outBlocks / columns)),
  );
  return out;
}

/** γ and β in whole blocks: a parameter's place is filled up with zeros (`PARAMETER_BLOCK`). */
function affine({ gamma, beta }: RowNorm): { gamma: BufferSlice; beta: BufferSlice } {
  const size = 16 * blocks(gamma.size);
  return { gamma: { ...gamma.slice, size }, beta: { ...beta.slice, size } };
}

/** Activations with the extra inputs of the next layer behind them, and each row's (mean, rstd). */
export function rowNorm(
  chunk: RowChunk,
  z: Tensor,
  norm: RowNorm,
  inputs: Tensor,
  next: RowLayer,
): { activations: Tensor; stats: Tensor } {
  const { device } = chunk;
  const width = norm.gamma.size;
  const activations = empty(device, [chunk.room, 4 * next.inBlocks]);
  const stats = empty(device, [chunk.room, 2]);
  device.run(
    fusedKernel(device, "row_norm", math + normWgsl, {
      BLOCKS: blocks(width),
      WIDTH: width,
      EXTRA: next.extraCount,
      GELU: norm.gelu,
    }),
    {
      z: z.slice,
      ...affine(norm),
      inputs: inputs.slice,
      out: activations.slice,
      stats: stats.slice,
    },
    { input_slots: inputs.cols / 4, extra_first: next.extraFirst, eps: NORM_EPS },
    chunk.groups(1, GROUP),
  );
  return { activations, stats };
}

/** Turn `gradient`, of the activations, into LayerNorm's output gradient, in place; returns the gradient to z. */
export function rowNormBackward(
  chunk: RowChunk,
  z: Tensor,
  stats: Tensor,
  norm: RowNorm,
  gradient: Tensor,
): Tensor {
  const { device } = chunk;
  const width = norm.gamma.size;
  const dz = empty(device, z.shape);
  device.run(
    fusedKernel(device, "row_norm_backward", math + normBackwardWgsl, {
      BLOCKS: blocks(width),
      WIDTH: width,
      GELU: norm.gelu,
    }),
    {
      z: z.slice,
      ...affine(norm),
      stats: stats.slice,
      gradient: gradient.slice,
      dz: dz.slice,
    },
    {},
    chunk.groups(1, GROUP),
  );
  return dz;
}

/** Partial sums of a parameter's gradient, (slices, values), to be added up when all chunks are done. */
export interface PartialSums {
  readonly values: Tensor;
  readonly slices: number;
  /** Whether something was put in already. */
  filled: boolean;
}

/** Room for partial sums of `size` values. */
export function partialSums(device: Device, size: number): PartialSums {
  const slices = SLICES[device.kind];
  return { values: zeros(device, [slices, size]), slices, filled: false };
}

/** Add a chunk's gradients of γ and β: [γ, β] in blocks. */
export function addNormGradients(
  chunk: RowChunk,
  into: PartialSums,
  z: Tensor,
  stats: Tensor,
  gradient: Tensor,
): void {
  const { device } = chunk;
  device.run(
    fusedKernel(device, "row_norm_weights", normWeightsWgsl, { BLOCKS: z.cols / 4 }),
    {
      total: chunk.total.slice,
      z: z.slice,
      stats: stats.slice,
      dy: gradient.slice,
      out: into.values.slice,
    },
    { ...chunk.params, slices: into.slices, add: into.filled ? 1 : 0 },
    Math.ceil(into.slices * z.cols / 4 / GROUP),
  );
  into.filled = true;
}

/** Blocks that one invocation of row_weight_gradient computes: registers allow more on the software device. */
const GRADIENT_TILE = { gpu: { n: 2, k: 2 }, software: { n: 4, k: 4 } } as const;

/** Add a chunk's weight gradient dzᵀ x: (4 · outBlocks, 4 · inBlocks). */
export function addWeightGradient(
  chunk: RowChunk,
  into: PartialSums,
  x: RowBlocks,
  inBlocks: number,
  dz: Tensor,
): void {
  const { device } = chunk;
  const outBlocks = dz.cols / 4;
  const tile = GRADIENT_TILE[device.kind];
  const n = Math.min(tile.n, outBlocks);
  const k = Math.min(tile.k, inBlocks);
  const tiles = Math.ceil(outBlocks / n) * Math.ceil(inBlocks / k);
  device.run(
    fusedKernel(device, "row_weight_gradient", weightGradientWgsl, {
      TILE_N: n,
      TILE_K: k,
      OUT_BLOCKS: outBlocks,
      IN_BLOCKS: inBlocks,
    }),
    {
      total: chunk.total.slice,
      x: x.values.slice,
      dz: dz.slice,
      out: into.values.slice,
    },
    {
      ...chunk.params,
      x_first: x.first,
      x_stride: x.stride,
      slices: into.slices,
      add: into.filled ? 1 : 0,
    },
    Math.ceil(into.slices * tiles / GROUP),
  );
  into.filled = true;
}
