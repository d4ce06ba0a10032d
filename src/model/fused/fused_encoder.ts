/**
 * Both branches on the fused path: the same functions as `PlainEncoder`, a fraction of the
 * arithmetic and memory.
 */

import zeroWgsl from "../../../shaders/model/fused/rows/zero_rows.wgsl" with { type: "text" };
import type { Step } from "../../nn/network.ts";
import type { ParameterSet } from "../../nn/parameters.ts";
import { empty, gatherRows, type Tensor } from "../../tensor/mod.ts";
import { Aggregator } from "../aggregator.ts";
import type { BranchOutput, Encoder, EncoderOutput } from "../encoder.ts";
import type { ModelConfig } from "../model_config.ts";
import { networks } from "../networks.ts";
import type { DeviceView, RegionBatch } from "../region_batch.ts";
import { type BranchState, encodeRegions } from "./encode_regions.ts";
import { type FusedBatch, type FusedRegions, pooledRows, uploadFusedBatch } from "./fused_batch.ts";
import { fillBlocks, fusedHeads, trimBlocks } from "./fused_heads.ts";
import { denseRows, parted } from "./loops/dense_rows.ts";
import { fusedKernel, GROUP } from "./loops/row_kernels.ts";
import {
  type RowPlans,
  type VariantOptions,
  type VariantPolicy,
  variantPolicy,
} from "./plan/variants.ts";
import { blocks } from "./plan/row_program.ts";
import { samplePoints } from "./sampled_points.ts";
import type { FusedStep } from "./weights/fused_step.ts";
import { ProgramWeights } from "./weights/program_weights.ts";

/** The fast encoder. */
export class FusedEncoder implements Encoder {
  readonly #config: ModelConfig;
  readonly #weights: ProgramWeights;
  readonly #aggregator: Aggregator;
  readonly #variants: VariantPolicy;

  /** @param heads the objective's, by name */
  constructor(
    config: ModelConfig,
    parameters: ParameterSet,
    heads: Readonly<Record<string, readonly Step[]>>,
    options: VariantOptions = {},
  ) {
    this.#config = config;
    this.#weights = new ProgramWeights(networks(config), heads, parameters);
    this.#variants = variantPolicy(parameters.device, options);
    this.#aggregator = new Aggregator(config, parameters);
  }

  #state(step: FusedStep, view: DeviceView): BranchState {
    const { device, rows } = view.coords;
    return {
      step,
      view,
      points: empty(device, [rows, 4 * blocks(this.#config.output_dim)]),
      samples: [],
    };
  }

  /** @param sources the encodings that the branch's point features come from */
  #finish(
    state: BranchState,
    fused: FusedBatch,
    encoded: readonly Tensor[],
    sources: readonly Tensor[],
  ): BranchOutput {
    const width = this.#config.output_dim;
    if (fused.strays) zeroRows(state.points, fused.strays);
    return {
      regions: encoded.map((x) => trimBlocks(x, width)),
      points: trimBlocks(state.points, width),
      sample: (rows) => trimBlocks(samplePoints(state, sources, rows), width),
    };
  }

  /** Both branches. */
  forward(batch: RegionBatch): EncoderOutput {
    const { device } = batch.view1.coords;
    const { pooling } = this.#weights.program("raw");
    const fused = uploadFusedBatch(device, batch.source, this.#weights.program("propagated"));
    const plansOf = (name: "raw" | "propagated", ...regions: FusedRegions[]) => {
      const rows = regions.reduce((sum, { points }) => sum + points.length, 0);
      return this.#variants.plans(this.#weights.program(name), rows, pooling === "max");
    };
    const [root, ...below] = fused.levels;
    const raw = plansOf("raw", root, fused.leaves);
    const propagated = plansOf("propagated", ...below);
    // Uploads come before the first dispatch: each between dispatches would be a submission.
    const pooled = (regions: FusedRegions, { forward }: RowPlans) =>
      forward?.job === "pool" ? pooledRows(device, regions) : null;
    const levelRows = fused.levels.map((level, l) => pooled(level, l === 0 ? raw : propagated));
    const leafRows = pooled(fused.leaves, raw);

    const step = this.#weights.fetch();
    const programs = step.encoder;
    const global = this.#state(step, batch.view1);
    const regions: Tensor[] = [];
    fused.levels.forEach((level, l) => {
      const rows = levelRows[l];
      if (l === 0) {
        regions.push(encodeRegions(programs.raw, raw, level, rows, global, null));
        return;
      }
      const [values] = parted(
        denseRows(programs.regionStart, [regions[l - 1]], this.#variants),
      );
      const parent = { values, parents: fused.levels[l - 1] };
      regions.push(
        encodeRegions(programs.propagated, propagated, level, rows, global, parent),
      );
    });
    const g2l = this.#finish(global, fused, regions, regions);

    const local = this.#state(step, batch.view2);
    const leaves = encodeRegions(
      programs.raw,
      raw,
      fused.leaves,
      leafRows,
      local,
      null,
    );
    const l2g = this.#finish(local, fused, this.#upwards(batch, fused, leaves, step), [leaves]);
    return { batch, g2l, l2g, ...fusedHeads(step.heads, this.#variants) };
  }

  /** L2G's regions of every level from the leaves', (regions, 4 · blocks). */
  #upwards(
    batch: RegionBatch,
    fused: FusedBatch,
    leaves: Tensor,
    step: FusedStep,
  ): Tensor[] {
    const indexes = fused.leafOfRegion;
    if (this.#config.aggregator_mode === "attention") {
      const trimmed = trimBlocks(leaves, this.#config.output_dim);
      return this.#aggregator.upwards(batch, (l) => indexes[l] && gatherRows(trimmed, indexes[l]!))
        .map(fillBlocks);
    }
    return this.#aggregator.upwards(
      batch,
      (l) => indexes[l] && gatherRows(leaves, indexes[l]!),
      (children) => parted(denseRows(step.encoder.children, [children], this.#variants))[0],
    );
  }

  /** Free what it keeps on the device. */
  [Symbol.dispose](): void {
    this.#weights[Symbol.dispose]();
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
