/**
 * The region encoder as one operation. Forward stores no activations: each point's feature goes to its place among all
 * points, each region keeps its pooled values and the points the maxima came from. Backward lists the points that
 * received gradient (with max pooling at most one a region and channel, and the points drawn for the point loss),
 * recomputes them and differentiates that short list alone, in chunks.
 */

import gradientWgsl from "../../../shaders/fused/row_gradient.wgsl" with { type: "text" };
import regionSumWgsl from "../../../shaders/fused/region_sum.wgsl" with { type: "text" };
import { type Device, rowsOf } from "../../gpu/device.ts";
import { addRuns, largestOfRuns, runMean } from "../../tensor/ops/runs.ts";
import { sumRows } from "../../tensor/ops/sum.ts";
import { empty, noGrad, record, type Runs, type Tensor, zeros } from "../../tensor/mod.ts";
import type { DeviceView } from "../region_batch.ts";
import type { FusedRegions } from "./fused_batch.ts";
import {
  addNormGradients,
  addWeightGradient,
  fusedKernel,
  GROUP,
  type PackedWeights,
  packWeights,
  type PartialSums,
  partialSums,
  type RegionStart,
  type RowBlocks,
  RowChunk,
  rowInputs,
  rowLinear,
  rowNorm,
  rowNormBackward,
  type Scatter,
} from "./row_kernels.ts";
import { listMarked, makeMarks, markLeafPoints, markPoints, type PointList } from "./row_list.ts";
import { blocks, type RowLayer, type RowProgram } from "./row_program.ts";
import type { StraightLinePlan } from "./straight_line.ts";
import { packStraightLine, runStraightLine, type StraightLine } from "./straight_line_rows.ts";

/** Rows of a chunk: at least so many, and at most so many chunks, so that dispatches do not grow with the points. */
const FORWARD = { rows: 32768, chunks: 8 } as const;
const STRAIGHT_LINE = { rows: 262144, chunks: 8 } as const;
const BACKWARD = { rows: 16384, chunks: 4 } as const;

/** Points drawn for the point loss, and the gradient their features receive. */
export interface SampledPoints {
  /** Points, as drawn. */
  readonly points: Tensor;
  /** (N) which draw each point is; none for the others. */
  readonly drawOfPoint: Tensor;
  /** Set by the backward pass before any level's. */
  gradient: Tensor | null;
}

/** One branch's features of all points, written level by level: a deeper level overwrites its parents' values. */
export interface BranchState {
  readonly view: DeviceView;
  /** (N, 4 · blocks) */
  readonly points: Tensor;
  sampled: SampledPoints | null;
}

/** A program with its weights packed for this step. */
export interface PackedProgram extends RowProgram {
  readonly packed: readonly PackedWeights[];
  /** For the gradient to each layer's activations; made when first needed. */
  transposed(layer: number): PackedWeights;
  /** The forward pass in one kernel; null: layer by layer. */
  readonly straightLine: StraightLine | null;
}

/** Pack a program's weights, once a step. */
export function packProgram(program: RowProgram, plan: StraightLinePlan | null): PackedProgram {
  const transposed: PackedWeights[] = [];
  return {
    ...program,
    straightLine: plan && packStraightLine(program, plan),
    packed: program.layers.map((layer) => packWeights(layer, false)),
    transposed: (i) => transposed[i] ??= packWeights(program.layers[i], true),
  };
}

/** Rows of a chunk of `count`; no more than a binding holds of the program's widest rows. */
function chunkRows(
  device: Device,
  { layers, slots }: RowProgram,
  count: number,
  { rows, chunks }: { rows: number; chunks: number },
): number {
  const widest = Math.max(slots.count, ...layers.flatMap((l) => [l.inBlocks, blocks(l.outs)]));
  const most = Math.max(64, Math.floor(device.maxBindingBytes / 16 / widest / 64) * 64);
  return Math.min(most, Math.max(rows, Math.ceil(count / chunks / 64) * 64));
}

/** First position in ascending `values` that is not below `value`. */
function lowerBound(values: Uint32Array, value: number): number {
  let low = 0;
  let high = values.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (values[middle] < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** A region's start value and the regions that points take it from: the level above. */
export interface ParentStart {
  readonly values: Tensor;
  readonly parents: FusedRegions;
}

/** Everything one encoding needs, forward and backward. */
interface Encoding {
  readonly program: PackedProgram;
  readonly regions: FusedRegions;
  readonly state: BranchState;
  readonly parent: ParentStart | null;
  readonly pooling: "max" | "mean";
}

function startOf(parent: ParentStart | null, list: Tensor): RegionStart | null {
  return parent && { values: parent.values, regionOfPoint: parent.parents.regionOfPoint, list };
}

function source({ regions, state }: Encoding, list: Tensor) {
  const { regionOfPoint, centers } = regions;
  return { list, coords: state.view.coords, feats: state.view.feats, regionOfPoint, centers };
}

/** What a layer reads: the input slots for the first, then the activations of the one before. */
function layerInput(
  program: RowProgram,
  i: number,
  inputs: Tensor,
  activations: readonly Tensor[],
): RowBlocks {
  const { extraFirst, inBlocks } = program.layers[i];
  return i === 0
    ? { values: inputs, first: extraFirst, stride: program.slots.count }
    : { values: activations[i - 1], first: 0, stride: inBlocks };
}

function forward(encoding: Encoding): void {
  const { program, regions, state, parent } = encoding;
  const { device, cols, rows: count } = state.points;
  const step = chunkRows(device, program, count, program.straightLine ? STRAIGHT_LINE : FORWARD);
  for (let firstPoint = 0; firstPoint < count; firstPoint += step) {
    const first = lowerBound(regions.points, firstPoint);
    const last = lowerBound(regions.points, firstPoint + step);
    if (first === last) continue;
    using _ = device.scope();
    const chunk = new RowChunk(regions.total, first, last - first, false);
    const out = rowsOf(
      state.points.slice,
      firstPoint,
      Math.min(step, count - firstPoint),
      cols * 4,
    );
    const scatter: Scatter = { out, first: firstPoint, list: regions.list };
    const inputs = rowInputs(chunk, source(encoding, regions.list), program.slots);
    const start = startOf(parent, regions.list);
    if (program.straightLine) runStraightLine(program.straightLine, chunk, inputs, start, scatter);
    else forwardLayers(program, chunk, inputs, start, scatter);
  }
}

function forwardLayers(
  program: PackedProgram,
  chunk: RowChunk,
  inputs: Tensor,
  start: RegionStart | null,
  scatter: Scatter,
): void {
  const activations: Tensor[] = [];
  program.layers.forEach((layer, i) => {
    const x = layerInput(program, i, inputs, activations);
    const from = i === 0 ? start : null;
    if (!layer.norm) {
      rowLinear(chunk, x, program.packed[i], from, scatter);
      return;
    }
    const z = rowLinear(chunk, x, program.packed[i], from)!;
    const made = rowNorm(chunk, z, layer.norm, inputs, program.layers[i + 1]);
    z.dispose();
    activations[i - 1]?.dispose();
    activations.push(made.activations);
  });
}

/** Gradients of a layer, summed over the chunks. */
interface LayerSums {
  readonly weight: PartialSums;
  readonly norm: PartialSums | null;
}

/** Where the gradient of the regions' start values is gathered: pieces of the parents' runs. */
interface StartSums {
  readonly pieces: Tensor;
  readonly runs: Runs;
  filled: boolean;
}

function backwardChunk(
  encoding: Encoding,
  chunk: RowChunk,
  points: PointList,
  outGradient: () => Tensor,
  sums: readonly LayerSums[],
  startSums: StartSums | null,
): void {
  const { program, parent } = encoding;
  const { layers } = program;
  const inputs = rowInputs(chunk, source(encoding, points.list), program.slots);
  const zs: Tensor[] = [];
  const stats: Tensor[] = [];
  const activations: Tensor[] = [];
  for (let i = 0; i < layers.length - 1; i++) {
    const x = layerInput(program, i, inputs, activations);
    const start = i === 0 ? startOf(parent, points.list) : null;
    zs.push(rowLinear(chunk, x, program.packed[i], start)!);
    const made = rowNorm(chunk, zs[i], layers[i].norm!, inputs, layers[i + 1]);
    activations.push(made.activations);
    stats.push(made.stats);
  }
  let gradient = outGradient();
  for (let i = layers.length - 1; i >= 0; i--) {
    const x = layerInput(program, i, inputs, activations);
    addWeightGradient(chunk, sums[i].weight, x, layers[i].inBlocks, gradient);
    if (i === 0) break;
    const z = zs[i - 1];
    const whole = { values: gradient, first: 0, stride: gradient.cols / 4 };
    const toActivations = rowLinear(chunk, whole, program.transposed(i))!;
    const dz = rowNormBackward(chunk, z, stats[i - 1], layers[i - 1].norm!, toActivations);
    addNormGradients(chunk, sums[i - 1].norm!, z, stats[i - 1], toActivations);
    gradient.dispose();
    toActivations.dispose();
    gradient = dz;
  }
  if (startSums) addStartGradient(chunk, points, gradient, startSums);
}

function addStartGradient(
  chunk: RowChunk,
  points: PointList,
  gradient: Tensor,
  into: StartSums,
): void {
  const { device } = chunk;
  const stage = into.runs.stages[0];
  const own = gradient.cols / 4;
  device.run(
    fusedKernel(device, "region_sum", regionSumWgsl, { BLOCKS: own }),
    {
      total: points.total.slice,
      x: gradient.slice,
      position: points.position.slice,
      run_start: stage.deviceStart.slice,
      run_end: stage.deviceEnd.slice,
      out: into.pieces.slice,
    },
    { ...chunk.params, runs: stage.count, add: into.filled ? 1 : 0 },
    Math.ceil(stage.count * own / GROUP),
  );
  into.filled = true;
}

/** The gradient at each listed point's feature: from its region's pooled value, and from the point loss. */
function outputGradient(
  encoding: Encoding,
  chunk: RowChunk,
  points: PointList,
  pooled: Tensor,
  arg: Tensor | null,
): Tensor {
  const { regions, state } = encoding;
  const { device, cols } = pooled;
  const out = empty(device, [chunk.rows, cols]);
  const sampled = state.sampled?.gradient ? state.sampled : null;
  device.run(
    fusedKernel(device, "row_gradient", gradientWgsl, { BLOCKS: cols / 4, MAX: arg !== null }),
    {
      total: chunk.total.slice,
      list: points.list.slice,
      region_of_point: regions.regionOfPoint.slice,
      pooled_gradient: pooled.slice,
      ...(arg ? { arg: arg.slice } : {
        region_start: regions.runs.deviceStart.slice,
        region_end: regions.runs.deviceEnd.slice,
      }),
      leaf_here: regions.leafHere.slice,
      sample_of_point: (sampled?.drawOfPoint ?? regions.leafHere).slice,
      sample_gradient: (sampled?.gradient ?? pooled).slice,
      out: out.slice,
    },
    { ...chunk.params, width: cols, sampled: sampled ? 1 : 0 },
    chunk.groups(1, GROUP, cols / 4),
  );
  return out;
}

/** Points that received gradient, and how many there can be. */
function listPoints(encoding: Encoding, arg: Tensor | null): { points: PointList; bound: number } {
  const { regions, state } = encoding;
  const marks = makeMarks(state.points.device, state.points.rows);
  const sampled = state.sampled?.gradient ? state.sampled : null;
  let bound = regions.points.length;
  if (arg) {
    markPoints(marks, arg);
    if (sampled) markLeafPoints(marks, sampled.points, regions.leafHere);
    bound = Math.min(bound, arg.size + (sampled?.points.size ?? 0));
  } else {
    markPoints(marks, regions.list);
  }
  return { points: listMarked(marks, bound), bound };
}

/** A piece of a tensor of partial sums, added up: `size` values from `first` on, under a shape. */
function takeSum(summed: Tensor, first: number, shape: readonly number[]): Tensor {
  const out = empty(summed.device, shape);
  const { buffer, offset } = summed.slice;
  summed.device.copy({ buffer, offset: offset + first * 4, size: out.slice.size }, out.slice);
  return out;
}

function backward(encoding: Encoding, pooled: Tensor, arg: Tensor | null): (Tensor | null)[] {
  const { program, parent } = encoding;
  const { device } = pooled;
  const { points, bound } = listPoints(encoding, arg);
  const sums = program.layers.map(({ weight, outs, norm }): LayerSums => ({
    weight: partialSums(device, 4 * Math.ceil(outs / 4) * weight.cols),
    norm: norm && partialSums(device, 8 * Math.ceil(outs / 4)),
  }));
  const startSums = parent && {
    pieces: zeros(device, [parent.parents.runs.stages[0].count, parent.values.cols]),
    runs: parent.parents.runs,
    filled: false,
  };
  // Made here, outside the chunks' scopes, for all of them.
  for (let i = 1; i < program.layers.length; i++) program.transposed(i);
  const step = chunkRows(device, program, bound, BACKWARD);
  for (let first = 0; first < bound; first += step) {
    using _ = device.scope();
    const chunk = new RowChunk(points.total, first, Math.min(step, bound - first), true);
    backwardChunk(
      encoding,
      chunk,
      points,
      () => outputGradient(encoding, chunk, points, pooled, arg),
      sums,
      startSums,
    );
  }
  const gradients: (Tensor | null)[] = [];
  if (startSums) {
    const { runs, pieces } = startSums;
    gradients.push(addRuns(pieces, { ...runs, stages: runs.stages.slice(1) }));
  }
  program.layers.forEach(({ weight, norm }, i) => {
    gradients.push(takeSum(sumRows(sums[i].weight.values), 0, weight.shape));
    if (!norm) return;
    const summed = sumRows(sums[i].norm!.values);
    gradients.push(takeSum(summed, 0, norm.gamma.shape));
    gradients.push(takeSum(summed, summed.size / 2, norm.beta.shape));
  });
  return gradients;
}

function tapeInputs(layer: RowLayer): Tensor[] {
  return layer.norm ? [layer.weight, layer.norm.gamma, layer.norm.beta] : [layer.weight];
}

/**
 * Encode regions: their points' features go into `state.points`, their pooled features, (regions, 4 · blocks), are the
 * result.
 * @param parent start values from the level above, for a program that wants them
 */
export function encodeRegions(
  program: PackedProgram,
  regions: FusedRegions,
  state: BranchState,
  parent: ParentStart | null,
  pooling: "max" | "mean",
): Tensor {
  const encoding: Encoding = { program, regions, state, parent, pooling };
  const { device } = state.points;
  forward(encoding);
  const { value, arg } = pool(device, encoding);
  return record(
    "encodeRegions",
    value,
    [...(parent ? [parent.values] : []), ...program.layers.flatMap(tapeInputs)],
    (gradient) => backward(encoding, gradient, arg),
  );
}

function pool(
  device: Device,
  { state, regions, pooling }: Encoding,
): { value: Tensor; arg: Tensor | null } {
  using _ = noGrad(device);
  return pooling === "max"
    ? largestOfRuns(state.points, regions.runs)
    : { value: runMean(state.points, regions.runs), arg: null };
}
