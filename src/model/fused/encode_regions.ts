/**
 * The region encoder as one operation. Forward stores no activations: each point's feature goes to
 * its place among all points, each region keeps its pooled values and the points the maxima came
 * from. Backward lists the points that received gradient (with max pooling at most one a region and
 * channel, and the points drawn for the point loss), recomputes them and differentiates that short
 * list alone, in chunks.
 */

import gradientWgsl from "../../../shaders/model/fused/rows/row_gradient.wgsl" with {
  type: "text",
};
import regionSumWgsl from "../../../shaders/model/fused/rows/region_sum.wgsl" with { type: "text" };
import { type Device, rowsOf } from "../../gpu/device.ts";
import { addSegments, largestOfSegments, segmentMean } from "../../tensor/ops/segments.ts";
import {
  type BackwardPass,
  empty,
  noGrad,
  record,
  type Segments,
  type Tensor,
  zeros,
} from "../../tensor/mod.ts";
import type { DeviceView } from "../region_batch.ts";
import type { RowPlans } from "./plan/variants.ts";
import type { FusedRegions, PooledRows } from "./fused_batch.ts";
import type { ProgramRun } from "./weights/fused_step.ts";
import type { ProgramSums } from "./weights/step_gradients.ts";
import {
  fusedKernel,
  GROUP,
  type RegionStart,
  RowChunk,
  rowInputs,
  type RowSource,
  type Scatter,
} from "./loops/row_kernels.ts";
import { backwardRows, hiddenRows, lastRows } from "./loops/row_layers.ts";
import {
  listMarked,
  makeMarks,
  markLeafPoints,
  markPoints,
  type PointList,
} from "./loops/compaction.ts";
import { blocks, type RowProgram, rowsOfChunk, widestBlocks } from "./plan/row_program.ts";
import type { SampledGradient } from "./sample_gradients.ts";
import { type SampledBranch, sampledGradient } from "./sampled_points.ts";
import { POOLED_ROWS } from "./straight_line/straight_line.ts";
import {
  type RowPool,
  runStraightLine,
  runStraightLineBackward,
} from "./straight_line/straight_line_rows.ts";

/**
 * Chunks that an encoding's rows are cut into, however many there are: so dispatches depend on the
 * depth alone, and what a chunk needs is a fraction of what all rows would.
 */
const CHUNKS = 4;
/** Chunks of a backward pass whose rows need more than so many bytes. */
const WIDE = { bytes: 4096, chunks: 8 } as const;
/** Up to so many rows are one chunk. */
const FEW = 1024;
/**
 * With max pooling few rows of the first levels have gradient (a row a region and channel, and the
 * points drawn): one chunk, two at level 2. Trees may be wide, so these have at most so many rows,
 * or a quarter of all points.
 */
const UPPER = { chunks: [1, 1, 2], rows: 16384 } as const;

/**
 * One branch's features of all points, written level by level: a deeper level overwrites its
 * parents' values.
 */
export interface BranchState extends SampledBranch {
  readonly view: DeviceView;
}

/** Rows of each of `chunks` chunks of `count`; no more than the device takes at once. */
function chunkRows(
  device: Device,
  program: RowProgram,
  count: number,
  chunks: number,
): number {
  const most = rowsOfChunk(program, device);
  return Math.min(most, Math.ceil(count / (count <= FEW ? 1 : chunks) / 64) * 64);
}

/** Bytes that a row needs in a backward pass: its activations, twice, and their gradients. */
function backwardBytes({ layers }: RowProgram): number {
  return layers.reduce((sum, { outs }) => sum + 4 * 16 * blocks(outs), 0);
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
  readonly run: ProgramRun;
  readonly plans: RowPlans;
  readonly regions: FusedRegions;
  readonly pooledRows: PooledRows | null;
  readonly state: BranchState;
  readonly parent: ParentStart | null;
}

function startOf(parent: ParentStart | null, list: Tensor): RegionStart | null {
  return parent && { values: parent.values, regionOfPoint: parent.parents.regionOfPoint, list };
}

function source({ regions, state }: Encoding, list: Tensor): RowSource {
  const { regionOfPoint, centers, origin } = regions;
  return {
    list,
    coords: state.view.coords,
    feats: state.view.feats,
    regionOfPoint,
    centers,
    origin,
  };
}

/** Pooled values and, of maxima, the points they came from. */
interface Pooled {
  readonly value: Tensor;
  readonly arg: Tensor | null;
}

function forward(encoding: Encoding): Pooled {
  const { run, regions, pooledRows, state } = encoding;
  const { device, cols } = state.points;
  using _scope = device.scope();
  using _ = noGrad(device);
  const pieces = pooledRows && {
    value: empty(device, [pooledRows.segments.rows, cols]),
    arg: empty(device, [pooledRows.segments.rows, cols], "u32"),
  };
  forwardRows(encoding, pieces);
  const pooled: Pooled = pieces
    ? largestOfSegments(pieces.value, pooledRows!.segments, pieces.arg)
    : run.program.pooling === "max"
    ? largestOfSegments(state.points, regions.segments)
    : { value: segmentMean(state.points, regions.segments), arg: null };
  pooled.value.keep();
  pooled.arg?.keep();
  return pooled;
}

function forwardRows(encoding: Encoding, pieces: Pieces | null): void {
  const { run, plans, regions, pooledRows, state, parent } = encoding;
  const { program } = run;
  const { device, cols, rows: count } = state.points;
  const { points, list } = pooledRows ?? regions;
  // The straight-line kernel needs no memory but its inputs'.
  const step = chunkRows(device, program, count, plans.forward ? 1 : CHUNKS);
  for (let firstPoint = 0; firstPoint < count; firstPoint += step) {
    let first = lowerBound(points, firstPoint);
    const last = lowerBound(points, firstPoint + step);
    if (first === last) continue;
    // Maxima are of whole eights: those that the chunk before has begun are made again.
    if (pieces) first -= first % POOLED_ROWS;
    using _ = device.scope();
    const chunk = new RowChunk(device, null, first, last - first);
    const window = Math.min(step, count - firstPoint);
    const out = rowsOf(state.points.slice, firstPoint, window, cols * 4);
    const scatter: Scatter = { out, first: firstPoint, list };
    const from = source(encoding, list);
    const start = startOf(parent, list);
    if (plans.forward) {
      const pool = pieces && poolOf(pieces, regions.leafHere, first, last);
      runStraightLine(plans.forward, run, chunk, from, start, scatter, pool);
    } else {
      const inputs = rowInputs(chunk, from, program.slots);
      lastRows(run, chunk, inputs, hiddenRows(run, chunk, inputs, start), scatter);
    }
  }
}

/** Maxima of each 8 rows of `PooledRows`. */
interface Pieces {
  readonly value: Tensor;
  readonly arg: Tensor;
}

/** The window of the pieces that rows [first, last) write. */
function poolOf({ value, arg }: Pieces, leafHere: Tensor, first: number, last: number): RowPool {
  // Bindings begin at multiples of 256 bytes.
  const from = Math.floor(first / POOLED_ROWS / 64) * 64;
  const count = Math.ceil(last / POOLED_ROWS) - from;
  const window = ({ slice, cols }: Tensor) => rowsOf(slice, from, count, cols * 4);
  return { leafHere, value: window(value), arg: window(arg), first: from };
}

/** Where the gradient of the regions' start values is gathered: pieces of the parents' segments. */
interface StartSums {
  readonly pieces: Tensor;
  readonly segments: Segments;
  filled: boolean;
}

function loopsBackward(
  run: ProgramRun,
  sums: ProgramSums,
  chunk: RowChunk,
  from: RowSource,
  start: RegionStart | null,
  outGradient: Tensor,
): Tensor {
  const inputs = rowInputs(chunk, from, run.program.slots);
  return backwardRows(run, sums, chunk, inputs, hiddenRows(run, chunk, inputs, start), outGradient);
}

function backwardChunk(
  encoding: Encoding,
  sums: ProgramSums,
  chunk: RowChunk,
  points: PointList,
  outGradient: Tensor,
  startSums: StartSums | null,
): void {
  const { run, plans, parent } = encoding;
  const from = source(encoding, points.list);
  const start = startOf(parent, points.list);
  const gradient = plans.backward
    ? runStraightLineBackward(plans.backward, run, sums, chunk, from, start, outGradient)
    : loopsBackward(run, sums, chunk, from, start, outGradient);
  if (startSums) addStartGradient(chunk, points, gradient, startSums);
}

function addStartGradient(
  chunk: RowChunk,
  points: PointList,
  gradient: Tensor,
  into: StartSums,
): void {
  const { device } = chunk;
  const stage = into.segments.stages[0];
  const own = gradient.cols / 4;
  device.run(
    fusedKernel(device, "region_sum", regionSumWgsl, { BLOCKS: own }),
    {
      total: chunk.total,
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

/**
 * The points drawn for the point loss, if they have gradient and leaves of theirs are encoded here.
 */
function drawnHere({ regions, state }: Encoding, pass: BackwardPass): SampledGradient | null {
  return regions.hasLeaves ? sampledGradient(state, pass) : null;
}

/**
 * The gradient at each listed point's feature: from its region's pooled value, and from the point
 * loss.
 */
function outputGradient(
  encoding: Encoding,
  chunk: RowChunk,
  points: PointList,
  pooled: Tensor,
  arg: Tensor | null,
  sampled: SampledGradient | null,
): Tensor {
  const { regions } = encoding;
  const { device, cols } = pooled;
  const out = empty(device, [chunk.room, cols]);
  const BLOCKS = cols / 4;
  // On the software device a row's words are loaded once for all its blocks.
  const OWN = device.kind === "software" ? BLOCKS : 1;
  const constants = { BLOCKS, OWN, MAX: arg !== null, SAMPLED: sampled !== null };
  device.run(
    fusedKernel(device, "row_gradient", gradientWgsl, constants),
    {
      list: points.list.slice,
      region_of_point: regions.regionOfPoint.slice,
      pooled_gradient: pooled.slice,
      ...(arg ? { arg: arg.slice } : { points_of_region: regions.lengths!.slice }),
      ...(sampled && {
        leaf_here: regions.leafHere.slice,
        sample_of_point: sampled.drawOfPoint.slice,
        sample_gradient: sampled.gradient.slice,
      }),
      out: out.slice,
    },
    { chunk_first: chunk.first, last: points.list.size - 1 },
    chunk.groups(GROUP, BLOCKS / OWN),
  );
  return out;
}

/** Points that received gradient, and how many there can be. */
function listPoints(
  encoding: Encoding,
  arg: Tensor | null,
  sampled: SampledGradient | null,
): { points: PointList; bound: number } {
  const { regions, state } = encoding;
  let bound = regions.points.length;
  if (!arg || regions.position) {
    return { points: { list: regions.list, total: null, position: regions.position! }, bound };
  }
  const marks = makeMarks(state.points.device, state.points.rows);
  markPoints(marks, arg);
  if (sampled) markLeafPoints(marks, sampled.points, regions.leafHere);
  bound = Math.min(bound, arg.size + (sampled?.points.size ?? 0));
  return { points: listMarked(marks, bound), bound };
}

function backward(
  encoding: Encoding,
  pooled: Tensor,
  arg: Tensor | null,
  pass: BackwardPass,
): Tensor | null {
  const { run, parent } = encoding;
  const sampled = drawnHere(encoding, pass);
  const { device } = pooled;
  const { points, bound } = listPoints(encoding, arg, sampled);
  const startSums = parent && {
    pieces: zeros(device, [parent.parents.segments.stages[0].count, parent.values.cols]),
    segments: parent.parents.segments,
    filled: false,
  };
  // Made here, outside the chunks' scopes, for all of them.
  const sums = run.sums(pass);
  const most = widestBlocks(run.program);
  const total = encoding.state.points.rows;
  const chunks = backwardBytes(run.program) > WIDE.bytes ? WIDE.chunks : CHUNKS;
  const upper = arg ? UPPER.chunks[encoding.regions.level] : undefined;
  const step = Math.min(
    chunkRows(device, run.program, bound, upper ?? chunks),
    upper ? Math.max(UPPER.rows, Math.ceil(total / 256) * 64) : Infinity,
  );
  // As many as the largest level's chunks need.
  const room = Math.max(step, chunkRows(device, run.program, total, chunks));
  for (let first = 0; first < bound; first += step) {
    using _ = device.scope();
    const rows = Math.min(step, bound - first);
    const chunk = new RowChunk(device, points.total, first, rows, most, room);
    const gradient = outputGradient(encoding, chunk, points, pooled, arg, sampled);
    backwardChunk(encoding, sums, chunk, points, gradient, startSums);
  }
  if (!startSums) return null;
  const { segments, pieces } = startSums;
  return addSegments(pieces, { ...segments, stages: segments.stages.slice(1) });
}

/**
 * Encode regions: their points' features go into `state.points`, their pooled features, (regions, 4
 * · blocks), are the result.
 * @param pooledRows of these regions, for plans that pool
 * @param parent start values from the level above, for a program that wants them
 */
export function encodeRegions(
  run: ProgramRun,
  plans: RowPlans,
  regions: FusedRegions,
  pooledRows: PooledRows | null,
  state: BranchState,
  parent: ParentStart | null,
): Tensor {
  const encoding: Encoding = { run, plans, regions, pooledRows, state, parent };
  run.expect(regions.points.length);
  const { value, arg } = forward(encoding);
  return record(
    "encodeRegions",
    value,
    [run.step.packed, ...(parent ? [parent.values] : [])],
    (gradient, pass) => [null, backward(encoding, gradient, arg, pass)],
  );
}
