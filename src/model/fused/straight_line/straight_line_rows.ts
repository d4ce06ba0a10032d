/** Segments the generated kernels of a row program, a chunk of rows at a time. */

import count from "../../../../shaders/model/fused/rows/count.wgsl" with { type: "text" };
import math from "../../../../shaders/math.wgsl" with { type: "text" };
import type { BufferSlice, Device } from "../../../gpu/device.ts";
import type { Kernel } from "../../../gpu/kernel.ts";
import { empty, type Tensor } from "../../../tensor/mod.ts";
import type { ProgramRun } from "../weights/fused_step.ts";
import type { ProgramSums } from "../weights/step_gradients.ts";
import {
  NORM_EPS,
  type RegionStart,
  type RowChunk,
  type RowSource,
  type Scatter,
} from "../loops/row_kernels.ts";
import { addNormGradients, addNormSums, addWeightGradient } from "../loops/row_gradients.ts";
import { blocks } from "../plan/row_program.ts";
import {
  normBlocks,
  POOLED_ROWS,
  straightLineName,
  type StraightLinePlan,
} from "./straight_line.ts";
import { straightLineWgsl } from "./straight_line_source.ts";

/** Kernels by plan, for a name costs less to make than the source. */
const kernels = new WeakMap<Device, Map<string, Kernel>>();

function kernelOf(device: Device, plan: StraightLinePlan): Kernel {
  const name = straightLineName(plan);
  let known = kernels.get(device);
  if (!known) kernels.set(device, known = new Map());
  let kernel = known.get(name);
  if (!kernel) {
    kernel = device.kernel(name, math + count + straightLineWgsl(plan, NORM_EPS));
    known.set(name, kernel);
  }
  return kernel;
}

function sourceBindings(source: RowSource, start: RegionStart | null): Record<string, BufferSlice> {
  const { list, coords, feats, regionOfPoint, centers, origin } = source;
  return {
    list: list.slice,
    coords: coords.slice,
    feats: feats.slice,
    region_of_point: regionOfPoint.slice,
    center: centers.slice,
    ...(origin && { origin: origin.slice }),
    ...(start && { start: start.values.slice, parent_of_point: start.regionOfPoint.slice }),
  };
}

/** Where the maxima of each 8 rows of a chunk go. */
export interface RowPool {
  /** (N) 1 for points whose results are stored besides. */
  readonly leafHere: Tensor;
  /** Values and the points they came from, from those of rows 8 · `first` on. */
  readonly value: BufferSlice;
  readonly arg: BufferSlice;
  readonly first: number;
}

/** The features of a chunk's rows, to their points' places, and with `pool` their maxima. */
export function runStraightLine(
  plan: StraightLinePlan,
  run: ProgramRun,
  chunk: RowChunk,
  source: RowSource,
  start: RegionStart | null,
  { out, first }: Omit<Scatter, "list">,
  pool: RowPool | null = null,
): void {
  chunk.device.run(
    kernelOf(chunk.device, plan),
    {
      total: chunk.total,
      sheet: run.packed,
      ...sourceBindings(source, start),
      out,
      ...(pool && {
        leaf_here: pool.leafHere.slice,
        pool_value: pool.value,
        pool_arg: pool.arg,
      }),
    },
    { ...chunk.params, out_first: first, pool_first: pool?.first ?? 0 },
    chunk.foldedGroups(plan.workgroup),
  );
}

/**
 * The forward pass again, then the backward pass; adds to the program's sums.
 * @param gradient of the last layer's output
 * @returns the gradient of the first layer's output, before LayerNorm
 */
export function runStraightLineBackward(
  plan: StraightLinePlan,
  run: ProgramRun,
  sums: ProgramSums,
  chunk: RowChunk,
  source: RowSource,
  start: RegionStart | null,
  gradient: Tensor,
): Tensor {
  const { device } = chunk;
  const { layers } = run.program;
  // Whole workgroups: every lane stores, those past the last row in places of their own.
  const room = Math.ceil(chunk.room / plan.workgroup) * plan.workgroup;
  const reduces = plan.job === "reduce";
  const hidden = layers.slice(0, -1).map(({ outs }, i) => {
    const rows = () => empty(device, [room, 4 * blocks(outs)]);
    const activation = empty(device, [room, 4 * layers[i + 1].inBlocks]);
    return { activation, dz: rows(), ...(reduces ? {} : { normal: rows(), dy: rows() }) };
  });
  const inputs = empty(device, [room, 4 * layers[0].inBlocks]);
  const eighths = reduces ? empty(device, [room / POOLED_ROWS, 4 * normBlocks(plan.shape)]) : null;
  device.run(
    kernelOf(device, plan),
    {
      total: chunk.total,
      sheet: run.packed,
      ...sourceBindings(source, start),
      gradient: gradient.slice,
      inputs: inputs.slice,
      ...(eighths && { norm_sums: eighths.slice }),
      ...Object.fromEntries(
        hidden.flatMap((layer, i) =>
          Object.entries(layer).map(([what, { slice }]) => [`${what}_${i}`, slice])
        ),
      ),
    },
    { ...chunk.params, out_first: 0, pool_first: 0 },
    chunk.foldedGroups(plan.workgroup),
  );
  layers.forEach(({ inBlocks }, i) => {
    const values = i === 0 ? inputs : hidden[i - 1].activation;
    const dz = i < hidden.length ? hidden[i].dz : gradient;
    addWeightGradient(chunk, sums, i, { values, first: 0, stride: inBlocks }, dz, "lanes");
    const { normal, dy } = hidden[i] ?? {};
    if (normal && dy) addNormGradients(chunk, sums, i, normal, null, dy);
  });
  if (eighths) addNormSums(chunk, sums, eighths);
  sums.filled = true;
  return hidden[0]?.dz ?? gradient;
}
