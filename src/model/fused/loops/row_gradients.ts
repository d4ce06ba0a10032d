/**
 * Gradients of a program's weights, γ and β from a chunk's rows: added to partial sums, in an order
 * that repeats.
 */

import normSumsWgsl from "../../../../shaders/model/fused/rows/norm_sums.wgsl" with {
  type: "text",
};
import lanesWgsl from "../../../../shaders/model/fused/rows/row_weight_gradient_lanes.wgsl" with {
  type: "text",
};
import normWeightsWgsl from "../../../../shaders/model/fused/rows/row_norm_weights.wgsl" with {
  type: "text",
};
import weightGradientWgsl from "../../../../shaders/model/fused/rows/row_weight_gradient.wgsl" with {
  type: "text",
};
import type { Device } from "../../../gpu/device.ts";
import type { Tensor } from "../../../tensor/mod.ts";
import { type ProgramSums, ROWS_PER_SLICE } from "../weights/step_gradients.ts";
import { fusedKernel, type RowBlocks, type RowChunk } from "./row_kernels.ts";

/**
 * Invocations of a workgroup: on the software device the same sums are few invocations, and a
 * workgroup is one core's.
 */
const GROUP = { gpu: 64, software: 16 } as const;

/**
 * Blocks that one invocation of row_weight_gradient computes: registers allow more on the software
 * device (6 × 6 at 33 to 36 GFLOP/s, 4 × 4 at 26 to 30, 2 × 2 at 20). Few rows are few invocations:
 * smaller tiles make more of them.
 */
const GRADIENT_TILE = { gpu: 2, software: 6 } as const;
const FEW_ROWS = { rows: 2048, tile: 2 } as const;

/** Where a layer's sums lie in each slice, in vec4, and how many rows a slice takes at least. */
function sumParams({ layout, slices, filled }: ProgramSums, at: number, rows: number) {
  return {
    slices,
    slice_rows: rows < FEW_ROWS.rows ? ROWS_PER_SLICE / 4 : ROWS_PER_SLICE,
    slice_stride: layout.sums / 4,
    sum_first: at / 4,
    add: filled ? 1 : 0,
  };
}

/**
 * The tile of 8 invocations of row_weight_gradient_lanes: 8 · vecs blocks of outputs by `inputs`
 * blocks of inputs.
 */
export interface LaneTile {
  readonly vecs: number;
  readonly inputs: number;
}

/**
 * Measured on lavapipe (Mesa 22.3): nanoseconds of a load of a vec4 in each of 8 lanes inside a
 * loop, of a multiply-add in each of them, its share of keeping the sums included, and of a
 * multiply-add of row_weight_gradient.
 */
const COST = { load: 24, multiplyAdd: 0.32, loops: 0.125 } as const;
/**
 * Past so many blocks in `vecs` rows and `inputs` columns the sums, 128 · 4 bytes each, leave the
 * innermost cache.
 */
const MOST_BLOCKS = 40;

/**
 * The tile by which lanes are fastest, or null where loops are as fast: with few inputs both only
 * load.
 */
export function laneTile(
  outBlocks: number,
  inBlocks: number,
  workgroupBytes: number,
): LaneTile | null {
  const rows = Math.ceil(outBlocks / 8);
  const most = Math.min(MOST_BLOCKS, Math.floor(workgroupBytes / 512));
  let best: LaneTile | null = null;
  let least = 0.75 * COST.loops * 16 * outBlocks * inBlocks;
  for (let tilesN = 1; tilesN <= rows; tilesN++) {
    const vecs = Math.ceil(rows / tilesN);
    const tilesK = Math.ceil(inBlocks * vecs / most);
    const inputs = Math.ceil(inBlocks / tilesK);
    const loads = vecs + Math.ceil(inputs / 8);
    const cost = tilesN * tilesK *
      (COST.load * loads + COST.multiplyAdd * 16 * vecs * inputs);
    if (vecs * inputs <= most && cost < least) {
      least = cost;
      best = { vecs, inputs };
    }
  }
  return best;
}

/**
 * How weight gradients are summed: in loops alone, or by lanes that shuffle values where that is
 * faster.
 */
export type GradientVariant = "loops" | "lanes";

function laneTileOf(device: Device, variant: GradientVariant, outBlocks: number, inBlocks: number) {
  return variant === "lanes" && device.shuffles
    ? laneTile(outBlocks, inBlocks, device.limits.maxComputeWorkgroupStorageSize)
    : null;
}

/**
 * Add a chunk's weight gradient dzᵀ x of a layer, (4 · outBlocks, 4 · inBlocks), to the program's
 * sums.
 */
export function addWeightGradient(
  chunk: RowChunk,
  into: ProgramSums,
  layer: number,
  x: RowBlocks,
  dz: Tensor,
  variant: GradientVariant = "loops",
): void {
  const { device } = chunk;
  const { inBlocks } = into.program.layers[layer];
  const outBlocks = dz.cols / 4;
  const bind = { total: chunk.total, x: x.values.slice, dz: dz.slice, out: into.values.slice };
  const params = {
    ...chunk.params,
    x_first: x.first,
    x_stride: x.stride,
    ...sumParams(into, into.layout.weightSums[layer], chunk.rows),
  };
  const lanes = laneTileOf(device, variant, outBlocks, inBlocks);
  if (lanes) {
    const { vecs, inputs } = lanes;
    const tiles = Math.ceil(outBlocks / (8 * vecs)) * Math.ceil(inBlocks / inputs);
    device.run(
      fusedKernel(device, "row_weight_gradient_lanes", lanesWgsl, {
        VECS: vecs,
        K_BLOCKS: inputs,
        WHOLE: Math.floor(inputs / 8),
        REST: inputs % 8,
        EIGHT: 8,
        HALVES: device.lanes / 8,
        PAIRS: device.lanes > 8,
      }),
      bind,
      { ...params, slice_rows: ROWS_PER_SLICE, out_blocks: outBlocks, in_blocks: inBlocks },
      into.slices * tiles,
    );
    return;
  }
  const tile = chunk.rows < FEW_ROWS.rows ? FEW_ROWS.tile : GRADIENT_TILE[device.kind];
  const n = Math.min(tile, outBlocks);
  const k = Math.min(tile, inBlocks);
  const tiles = Math.ceil(outBlocks / n) * Math.ceil(inBlocks / k);
  const group = GROUP[device.kind];
  device.run(
    fusedKernel(device, "row_weight_gradient", weightGradientWgsl, {
      GROUP: group,
      TILE_N: n,
      TILE_K: k,
      OUT_BLOCKS: outBlocks,
      IN_BLOCKS: inBlocks,
    }),
    bind,
    params,
    Math.ceil(into.slices * tiles / group),
  );
}

/**
 * Add a chunk's gradients of a layer's γ and β to the program's sums.
 * @param stats (mean, rstd) of each row of z; null: z is normalised already
 */
export function addNormGradients(
  chunk: RowChunk,
  into: ProgramSums,
  layer: number,
  z: Tensor,
  stats: Tensor | null,
  gradient: Tensor,
): void {
  const { device } = chunk;
  const group = GROUP[device.kind];
  device.run(
    fusedKernel(device, "row_norm_weights", normWeightsWgsl, {
      GROUP: group,
      BLOCKS: z.cols / 4,
      STATS: stats !== null,
    }),
    {
      total: chunk.total,
      z: z.slice,
      ...(stats ? { stats: stats.slice } : {}),
      dy: gradient.slice,
      out: into.values.slice,
    },
    { ...chunk.params, ...sumParams(into, into.layout.normSums[layer], chunk.rows) },
    Math.ceil(into.slices * z.cols / 4 / group),
  );
}

/**
 * Add a chunk's gradients of every layer's γ and β to the program's sums.
 * @param eighths what each 8 rows have of them, (rows / 8, 8 · channel blocks), as a `reduce`
 * kernel makes them
 */
export function addNormSums(chunk: RowChunk, into: ProgramSums, eighths: Tensor): void {
  const { device } = chunk;
  const columns = eighths.cols / 4;
  const group = GROUP[device.kind];
  device.run(
    fusedKernel(device, "norm_sums", normSumsWgsl, { GROUP: group, COLUMNS: columns }),
    { total: chunk.total, eighth: eighths.slice, out: into.values.slice },
    { ...chunk.params, ...sumParams(into, into.layout.normSums[0], chunk.rows) },
    Math.ceil(into.slices * columns / group),
  );
}
