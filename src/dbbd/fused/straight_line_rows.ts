/** Runs the generated kernel of a row program: its weights packed into one sheet a step, its rows a chunk at a time. */

import packWgsl from "../../../shaders/fused/pack_weights.wgsl" with { type: "text" };
import math from "../../../shaders/math.wgsl" with { type: "text" };
import type { BufferSlice, Device } from "../../gpu/device.ts";
import type { Kernel } from "../../gpu/kernel.ts";
import { concat, empty, noGrad, reshape, type Tensor } from "../../tensor/mod.ts";
import {
  fusedKernel,
  GROUP,
  NORM_EPS,
  type RegionStart,
  type RowChunk,
  type Scatter,
} from "./row_kernels.ts";
import { blocks, type RowProgram } from "./row_program.ts";
import { straightLineName, type StraightLinePlan, straightLineWgsl } from "./straight_line.ts";

/** A program's kernel and the weights it reads. */
export interface StraightLine {
  readonly plan: StraightLinePlan;
  readonly kernel: Kernel;
  /** All weights, γ and β in the order of the plan, in 4 × 4 blocks. */
  readonly sheet: Tensor;
}

/** Kernels by plan, for a name costs less to make than the source. */
const kernels = new WeakMap<Device, Map<string, Kernel>>();

function kernelOf(device: Device, plan: StraightLinePlan): Kernel {
  const name = straightLineName(plan);
  let known = kernels.get(device);
  if (!known) kernels.set(device, known = new Map());
  let kernel = known.get(name);
  if (!kernel) {
    kernel = device.kernel(name, math + straightLineWgsl(plan, NORM_EPS));
    known.set(name, kernel);
  }
  return kernel;
}

/** Pack (outs, ins) into 4 × 4 blocks from a block of the sheet on. */
function packInto(sheet: Tensor, at: number, weight: Tensor, outs: number, ins: number): void {
  const { device } = sheet;
  const [outBlocks, inBlocks] = [blocks(outs), blocks(ins)];
  const { buffer, offset } = sheet.slice;
  const packed: BufferSlice = { buffer, offset: offset + at * 64, size: outBlocks * inBlocks * 64 };
  device.run(
    fusedKernel(device, "pack_weights", packWgsl, { TRANSPOSED: false }),
    { weight: weight.slice, packed },
    { outs, ins, out_blocks: outBlocks, in_blocks: inBlocks },
    Math.ceil(outBlocks * inBlocks / GROUP),
  );
}

/** Pack a program's weights for its kernel, once a step. */
export function packStraightLine(program: RowProgram, plan: StraightLinePlan): StraightLine {
  const { device } = program.layers[0].weight;
  using _ = noGrad(device);
  const sheet = empty(device, [plan.sheet, 16]);
  program.layers.forEach(({ weight, outs, inBlocks, norm }, i) => {
    packInto(sheet, plan.weightsAt[i], weight, outs, 4 * inBlocks);
    if (!norm) return;
    const affine = concat([reshape(norm.gamma, [outs, 1]), reshape(norm.beta, [outs, 1])]);
    packInto(sheet, plan.normAt[i], affine, outs, 2);
  });
  return { plan, kernel: kernelOf(device, plan), sheet };
}

/** The features of a chunk's rows, from their input slots to their points' places. */
export function runStraightLine(
  { plan, kernel, sheet }: StraightLine,
  chunk: RowChunk,
  inputs: Tensor,
  start: RegionStart | null,
  { out, first, list }: Scatter,
): void {
  chunk.device.run(
    kernel,
    {
      list: list.slice,
      inputs: inputs.slice,
      sheet: sheet.slice,
      out,
      ...(start ? { start: start.values.slice, region_of_point: start.regionOfPoint.slice } : {}),
    },
    { ...chunk.params, out_first: first },
    [Math.ceil(chunk.rows / plan.workgroup), 1, 1],
  );
}
