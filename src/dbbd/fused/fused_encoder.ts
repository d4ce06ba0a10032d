/** Both branches on the fused path: the same functions as `PlainEncoder`, a fraction of the arithmetic and memory. */

import zeroWgsl from "../../../shaders/fused/zero_rows.wgsl" with { type: "text" };
import type { ParameterSet } from "../../nn/parameters.ts";
import {
  columns,
  empty,
  gatherRows,
  NO_ROW,
  noGrad,
  record,
  type RowIndex,
  rowIndex,
  type Tensor,
  tensor,
  zeros,
} from "../../tensor/mod.ts";
import { Aggregator } from "../aggregator.ts";
import type { BranchOutput, Encoder, EncoderOutput } from "../encoder.ts";
import type { ModelConfig } from "../model_config.ts";
import type { DeviceView, RegionBatch } from "../region_batch.ts";
import { type BranchState, encodeRegions, packProgram } from "./encode_regions.ts";
import { type FamilyOptions, type FamilyPolicy, familyPolicy } from "./families.ts";
import {
  type FusedBatch,
  type FusedRegions,
  leavesInOrder,
  uploadFusedBatch,
} from "./fused_batch.ts";
import { fusedKernel, GROUP } from "./row_kernels.ts";
import { blocks, type RowProgram, RowProgramBuilder } from "./row_program.ts";

/** The fast encoder. */
export class FusedEncoder implements Encoder {
  readonly #config: ModelConfig;
  readonly #parameters: ParameterSet;
  readonly #aggregator: Aggregator;
  readonly #families: FamilyPolicy;

  constructor(config: ModelConfig, parameters: ParameterSet, options: FamilyOptions = {}) {
    this.#config = config;
    this.#parameters = parameters;
    this.#families = familyPolicy(parameters.device, options);
    this.#aggregator = new Aggregator(config, parameters);
  }

  #state(view: DeviceView): BranchState {
    const { device, rows } = view.coords;
    return {
      view,
      points: empty(device, [rows, 4 * blocks(this.#config.output_dim)]),
      sampled: null,
    };
  }

  /** A tensor without the columns that fill up the last block. */
  #trim(x: Tensor): Tensor {
    const { output_dim } = this.#config;
    return x.cols === output_dim ? x : columns(x, 0, output_dim);
  }

  #finish(
    state: BranchState,
    fused: FusedBatch,
    regions: Tensor[],
    encoded: Tensor[],
  ): BranchOutput {
    if (fused.strays) zeroRows(state.points, fused.strays);
    return {
      regions,
      points: this.#trim(state.points),
      sample: (rows) => this.#trim(samplePoints(state, encoded, rows)),
    };
  }

  /** Both branches. */
  forward(batch: RegionBatch): EncoderOutput {
    const { device } = batch.view1.coords;
    const { encoder_pooling: pooling } = this.#config;
    const fused = uploadFusedBatch(device, batch.source);
    const builder = new RowProgramBuilder(this.#config, this.#parameters);
    const pack = (program: RowProgram, ...regions: FusedRegions[]) => {
      const rows = regions.reduce((sum, { points }) => sum + points.length, 0);
      return packProgram(program, this.#families.plan(program, rows));
    };
    const [root, ...below] = fused.levels;
    const raw = pack(builder.raw(), root, fused.leaves);
    const propagated = below.length > 0 ? pack(builder.propagated(), ...below) : null;

    const global = this.#state(batch.view1);
    const encoded: Tensor[] = [];
    const regions: Tensor[] = [];
    fused.levels.forEach((level, l) => {
      const parent = l === 0
        ? null
        : { values: builder.regionStart(regions[l - 1]), parents: fused.levels[l - 1] };
      const pooled = encodeRegions(parent ? propagated! : raw, level, global, parent, pooling);
      encoded.push(pooled);
      regions.push(this.#trim(pooled));
    });
    const g2l = this.#finish(global, fused, regions, encoded);

    const local = this.#state(batch.view2);
    const pooled = encodeRegions(raw, fused.leaves, local, null, pooling);
    const leaves = this.#trim(pooled);
    const placed = batch.levels.map(({ regions }) => new Uint32Array(regions).fill(NO_ROW));
    leavesInOrder(batch.source.levels).forEach(({ level, region }, leaf) => {
      placed[level][region] = leaf;
    });
    const l2gRegions = this.#aggregator.upwards(
      batch,
      (l) => gatherRows(leaves, rowIndex(device, placed[l], leaves.rows)),
    );
    return { g2l, l2g: this.#finish(local, fused, l2gRegions, [pooled]) };
  }
}

function zeroRows(points: Tensor, list: Tensor): void {
  const { device, cols, rows } = points;
  const windowRows = Math.floor(device.maxBindingBytes / 4 / cols / 64) * 64;
  for (let first = 0; first < rows; first += windowRows) {
    const count = Math.min(windowRows, rows - first);
    const { buffer, offset } = points.slice;
    device.run(
      fusedKernel(device, "zero_rows", zeroWgsl, { BLOCKS: cols / 4 }),
      {
        list: list.slice,
        out: { buffer, offset: offset + first * cols * 4, size: count * cols * 4 },
      },
      { rows: list.size, first_out: first, out_rows: count },
      Math.ceil(list.size * cols / 4 / GROUP),
    );
  }
}

/** Features of drawn points. Their gradient is left where the encodings' backward passes, which come later, find it. */
function samplePoints(
  state: BranchState,
  encoded: readonly Tensor[],
  rows: RowIndex | null,
): Tensor {
  const { points } = state;
  const { device } = points;
  const drawn = rows?.source ?? Uint32Array.from({ length: points.rows }, (_, p) => p);
  const drawOfPoint = new Uint32Array(points.rows).fill(NO_ROW);
  drawn.forEach((point, draw) => drawOfPoint[point] = draw);
  const sampled = {
    points: rows?.index ?? tensor(device, drawn),
    drawOfPoint: tensor(device, drawOfPoint),
    gradient: null as Tensor | null,
  };
  state.sampled = sampled;
  let out: Tensor;
  {
    using _ = noGrad(device);
    out = rows ? gatherRows(points, rows) : points.detach();
  }
  return record("samplePoints", out, encoded, (gradient) => {
    sampled.gradient = gradient;
    return encoded.map((pooled) => zeros(device, pooled.shape));
  });
}
