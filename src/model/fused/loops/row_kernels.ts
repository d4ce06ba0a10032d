/** The kernels of the fused path as functions: which file, which constants, which grid. */

import count from "../../../../shaders/model/fused/rows/count.wgsl" with { type: "text" };
import argumentsWgsl from "../../../../shaders/model/fused/lists/dispatch_arguments.wgsl" with {
  type: "text",
};
import inputsWgsl from "../../../../shaders/model/fused/rows/row_inputs.wgsl" with { type: "text" };
import linearWgsl from "../../../../shaders/model/fused/rows/row_linear.wgsl" with { type: "text" };
import normWgsl from "../../../../shaders/model/fused/rows/row_norm.wgsl" with { type: "text" };
import normBackwardWgsl from "../../../../shaders/model/fused/rows/row_norm_backward.wgsl" with {
  type: "text",
};
import math from "../../../../shaders/math.wgsl" with { type: "text" };
import type { BufferSlice, Device, DispatchGroups } from "../../../gpu/device.ts";
import type { Kernel, KernelConstants, KernelSource } from "../../../gpu/kernel.ts";
import { empty, type Tensor } from "../../../tensor/mod.ts";
import type { PackedWeights, ProgramRun } from "../weights/fused_step.ts";
import { LINEAR_TILE } from "./linear_tile.ts";
import { blocks } from "../plan/row_program.ts";

/** Invocations of a workgroup in the row kernels. */
export const GROUP = 64;
/** LayerNorm's ε. */
export const NORM_EPS = 1e-5;

/** A kernel of the folder shaders/model/fused. */
export function fusedKernel(
  device: Device,
  name: string,
  source: KernelSource,
  constants: KernelConstants = {},
): Kernel {
  return device.kernel(name, [count, source].flat(), constants);
}

/** For each device the word that stands for the length of a list where there is no list. */
const words = new WeakMap<Device, BufferSlice>();

function everyRow(device: Device): BufferSlice {
  let slice = words.get(device);
  if (!slice) {
    slice = { buffer: device.allocate(4, "every row", false), offset: 0, size: 4 };
    device.write(slice, Uint32Array.of(0xffffffff));
    words.set(device, slice);
  }
  return slice;
}

/** Rows a workgroup can have in an indirect dispatch. */
const ROWS_PER_GROUP = [GROUP, 2 * GROUP, 4 * GROUP, 8 * GROUP] as const;

/** A chunk of a list of rows whose length may be known to the device alone. */
export class RowChunk {
  readonly device: Device;
  /** One word: the list's length, or the largest number where the chunk is full. */
  readonly total: BufferSlice;
  readonly first: number;
  /** Rows the chunk has room for. */
  readonly rows: number;
  /**
   * Rows that buffers of the chunk must have: kernels without branches also write the last
   * workgroup's unused rows.
   */
  readonly room: number;
  /**
   * For each of `ROWS_PER_GROUP` and each second dimension from 1 to `#most` three words; null: the
   * length is known.
   */
  readonly #arguments: Tensor | null;
  readonly #most: number;

  /**
   * @param total length of the list, which may be less than `first + rows`; null: it is not
   * @param most with `total`, the largest second dimension of a dispatch
   * @param room rows that buffers get; chunks of many sizes one after the other then share them
   */
  constructor(
    device: Device,
    total: Tensor | null,
    first: number,
    rows: number,
    most = 0,
    room = rows,
  ) {
    this.device = device;
    this.total = total?.slice ?? everyRow(device);
    this.first = first;
    this.rows = rows;
    this.room = Math.ceil(room / GROUP) * GROUP;
    this.#most = most;
    this.#arguments = total && empty(device, [ROWS_PER_GROUP.length * most, 3], "u32");
    if (!this.#arguments) return;
    const [a, b, c, d] = ROWS_PER_GROUP;
    device.run(
      fusedKernel(device, "dispatch_arguments", argumentsWgsl),
      { total: this.total, arguments: this.#arguments.slice },
      { first, rows, most, per_group_0: a, per_group_1: b, per_group_2: c, per_group_3: d },
      Math.ceil(ROWS_PER_GROUP.length * most / GROUP),
    );
  }

  /**
   * Neighbouring rows for an invocation: `most`, or fewer where there are few rows and lanes would
   * stand idle.
   */
  rowsPerLane(most: number): number {
    if (this.#arguments) return most;
    let rows = most;
    const handled = (perLane: number) => Math.ceil(this.rows / (GROUP * perLane)) * perLane;
    while (rows > 1 && handled(rows / 2) < handled(rows)) rows /= 2;
    return rows;
  }

  get params(): { chunk_first: number; chunk_rows: number } {
    return { chunk_first: this.first, chunk_rows: this.rows };
  }

  /**
   * Workgroups for `perGroup` rows a workgroup, for kernels that take their number from both axes
   * (`linear_group`): a list with repeated points may have more rows than a chunk has points.
   */
  foldedGroups(perGroup: number): DispatchGroups {
    return this.#arguments ? this.groups(perGroup) : Math.ceil(this.rows / perGroup);
  }

  /** Workgroups for `perGroup` rows a workgroup, `y` along the second axis. */
  groups(perGroup: number, y = 1): DispatchGroups {
    if (!this.#arguments) return [Math.ceil(this.rows / perGroup), y, 1];
    const which = (ROWS_PER_GROUP as readonly number[]).indexOf(perGroup);
    if (which < 0 || y > this.#most) {
      throw new Error(`There are no dispatch arguments for ${perGroup} rows a workgroup and ${y}`);
    }
    const { buffer, offset } = this.#arguments.slice;
    return { buffer, offset: offset + 12 * (which * this.#most + y - 1), size: 12 };
  }
}

/** Points, features and regions that rows read. */
export interface RowSource {
  readonly list: Tensor;
  readonly coords: Tensor;
  readonly feats: Tensor;
  readonly regionOfPoint: Tensor;
  readonly centers: Tensor;
  /** (N) the centre of the parent of each point's region, where places are told from there. */
  readonly origin: Tensor | null;
}

/** The input slots of a chunk's rows: (rows, 4 · slots). */
export function rowInputs(chunk: RowChunk, source: RowSource, slots: number): Tensor {
  const { device } = chunk;
  const out = empty(device, [chunk.room, 4 * slots]);
  const FEATURES = source.feats.cols;
  device.run(
    fusedKernel(device, "row_inputs", inputsWgsl, {
      PLACED: source.origin !== null,
      FEATURES,
      FULL: Math.floor(FEATURES / 4),
      TAIL: FEATURES % 4,
    }),
    {
      total: chunk.total,
      list: source.list.slice,
      coords: source.coords.slice,
      feats: source.feats.slice,
      region_of_point: source.regionOfPoint.slice,
      center: source.centers.slice,
      out: out.slice,
      ...(source.origin && { origin: source.origin.slice }),
    },
    chunk.params,
    chunk.groups(GROUP),
  );
  return out;
}

/** Rows rounded up to whole workgroups. */
export function roomOf(rows: number): number {
  return Math.ceil(rows / GROUP) * GROUP;
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

/**
 * x · Wᵀ for a chunk's rows; the result is new, or scattered to the points' places, or goes into
 * `into`.
 */
export function rowLinear(
  chunk: RowChunk,
  x: RowBlocks,
  weights: PackedWeights,
  start: RegionStart | null = null,
  scatter: Scatter | null = null,
  into: BufferSlice | null = null,
): Tensor | null {
  const { device } = chunk;
  const { outBlocks } = weights;
  const out = scatter || into ? null : empty(device, [chunk.room, 4 * outBlocks]);
  const list = start?.list ?? scatter?.list;
  const { kernel, perGroup, columns } = linearKernel(chunk, weights, {
    LISTED: list !== undefined,
    GATHER: start !== null,
    SCATTER: scatter !== null,
  });
  device.run(
    kernel,
    {
      total: chunk.total,
      x: x.values.slice,
      w: weights.values,
      out: scatter?.out ?? into ?? out!.slice,
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
    chunk.groups(perGroup, Math.ceil(outBlocks / columns)),
  );
  return out;
}

/** The kernel of a linear layer, and the rows and blocks of columns of one of its workgroups. */
function linearKernel(
  chunk: RowChunk,
  { outBlocks, inBlocks, values, tile = LINEAR_TILE[chunk.device.kind] }: PackedWeights,
  flags: KernelConstants,
): { kernel: Kernel; perGroup: number; columns: number } {
  const { device } = chunk;
  const rows = chunk.rowsPerLane(tile.rows);
  const columns = Math.min(tile.columns, outBlocks);
  const kernel = fusedKernel(device, "row_linear", linearWgsl, {
    ROWS: rows,
    COLS: columns,
    IN_BLOCKS: inBlocks,
    WEIGHT_BLOCKS: outBlocks * inBlocks,
    UNIFORM: values.size <= device.limits.maxUniformBufferBindingSize,
    ...flags,
  });
  return { kernel, perGroup: GROUP * rows, columns };
}

/** Activations with the extra inputs of the next layer behind them, and each row's (mean, rstd). */
export function rowNorm(
  chunk: RowChunk,
  run: ProgramRun,
  layer: number,
  z: Tensor,
  inputs: Tensor,
): { activations: Tensor; stats: Tensor } {
  const { device } = chunk;
  const { outs: width, norm } = run.program.layers[layer];
  const next = run.program.layers[layer + 1];
  const activations = empty(device, [chunk.room, 4 * next.inBlocks]);
  const stats = empty(device, [chunk.room, 2]);
  device.run(
    fusedKernel(device, "row_norm", [math, normWgsl], {
      BLOCKS: blocks(width),
      WIDTH: width,
      EXTRA: next.extraCount,
      GELU: norm!.gelu,
    }),
    {
      z: z.slice,
      ...run.affine(norm!, width),
      inputs: inputs.slice,
      out: activations.slice,
      stats: stats.slice,
    },
    { input_slots: inputs.cols / 4, extra_first: next.extraFirst, eps: NORM_EPS },
    chunk.groups(GROUP),
  );
  return { activations, stats };
}

/**
 * Turn `gradient`, of the activations, into LayerNorm's output gradient, in place; returns the
 * gradient to z.
 */
export function rowNormBackward(
  chunk: RowChunk,
  run: ProgramRun,
  layer: number,
  z: Tensor,
  stats: Tensor,
  gradient: Tensor,
): Tensor {
  const { device } = chunk;
  const { outs: width, norm } = run.program.layers[layer];
  const dz = empty(device, z.shape);
  device.run(
    fusedKernel(device, "row_norm_backward", [math, normBackwardWgsl], {
      BLOCKS: blocks(width),
      WIDTH: width,
      GELU: norm!.gelu,
    }),
    {
      z: z.slice,
      ...run.affine(norm!, width),
      stats: stats.slice,
      gradient: gradient.slice,
      dz: dz.slice,
    },
    {},
    chunk.groups(GROUP),
  );
  return dz;
}
