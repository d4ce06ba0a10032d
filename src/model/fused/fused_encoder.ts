/** Both branches on the fused path: the same functions as `PlainEncoder`, a fraction of the arithmetic and memory. */

import zeroWgsl from "../../../shaders/model/fused/rows/zero_rows.wgsl" with { type: "text" };
import type { ParameterSet } from "../../nn/parameters.ts";
import {
  columns,
  concat,
  empty,
  gatherRows,
  normalize,
  type RowIndex,
  type Tensor,
  weightedSum,
  zeros,
} from "../../tensor/mod.ts";
import { Aggregator } from "../aggregator.ts";
import type { BranchOutput, Encoder, EncoderOutput } from "../encoder.ts";
import type { Losses } from "../losses.ts";
import type { ModelConfig } from "../model_config.ts";
import type { DeviceView, RegionBatch } from "../region_batch.ts";
import { type DenseRows, denseRows, parted } from "./loops/dense_rows.ts";
import { type BranchState, encodeRegions } from "./encode_regions.ts";
import { samplePoints } from "./sampled_points.ts";
import {
  type FamilyOptions,
  type FamilyPolicy,
  familyPolicy,
  type RowPlans,
} from "./plan/families.ts";
import { type FusedBatch, type FusedRegions, pooledRows, uploadFusedBatch } from "./fused_batch.ts";
import { fusedInfoNCE } from "./contrast/info_nce.ts";
import { type ProgramName, ProgramWeights, type StepPrograms } from "./plan/program_weights.ts";
import { fusedKernel, GROUP } from "./loops/row_kernels.ts";
import { blocks } from "./plan/row_program.ts";
import { SMALL_SET, smallContrasts } from "./contrast/small_contrast.ts";

/** A branch with its channels in whole blocks of four: what the heads read. */
interface FusedBranch extends BranchOutput {
  /** For each level (regions, 4 · blocks). */
  readonly encoded: readonly Tensor[];
  /** (rows, 4 · blocks) */
  sampleBlocks(rows: RowIndex | null): Tensor;
}

/** Both branches, and the programs of the step that made them. */
interface FusedOutput extends EncoderOutput {
  readonly g2l: FusedBranch;
  readonly l2g: FusedBranch;
  readonly programs: StepPrograms;
}

/** The fast encoder. */
export class FusedEncoder implements Encoder {
  readonly #config: ModelConfig;
  readonly #weights: ProgramWeights;
  readonly #aggregator: Aggregator;
  readonly #families: FamilyPolicy;

  constructor(config: ModelConfig, parameters: ParameterSet, options: FamilyOptions = {}) {
    this.#config = config;
    this.#weights = new ProgramWeights(config, parameters);
    this.#families = familyPolicy(parameters.device, options);
    this.#aggregator = new Aggregator(config, parameters);
  }

  #state(view: DeviceView): BranchState {
    const { device, rows } = view.coords;
    return {
      view,
      points: empty(device, [rows, 4 * blocks(this.#config.output_dim)]),
      samples: [],
    };
  }

  /** A tensor without the columns that fill up the last block. */
  #trim(x: Tensor): Tensor {
    const { output_dim } = this.#config;
    return x.cols === output_dim ? x : columns(x, 0, output_dim);
  }

  /** A tensor with whole blocks of columns. */
  #fill(x: Tensor): Tensor {
    const missing = 4 * blocks(this.#config.output_dim) - x.cols;
    return missing === 0 ? x : concat([x, zeros(x.device, [x.rows, missing])]);
  }

  /** @param sources the encodings that the branch's point features come from */
  #finish(
    state: BranchState,
    fused: FusedBatch,
    encoded: readonly Tensor[],
    sources: readonly Tensor[],
  ): FusedBranch {
    if (fused.strays) zeroRows(state.points, fused.strays);
    return {
      encoded,
      regions: encoded.map((x) => this.#trim(x)),
      points: this.#trim(state.points),
      sampleBlocks: (rows) => samplePoints(state, sources, rows),
      sample: (rows) => this.#trim(samplePoints(state, sources, rows)),
    };
  }

  /** Both branches. */
  forward(batch: RegionBatch): FusedOutput {
    const { device } = batch.view1.coords;
    const { encoder_pooling: pooling, propagator_coords: places } = this.#config;
    const fused = uploadFusedBatch(device, batch.source, pooling, places);
    const plansOf = (name: ProgramName, ...regions: FusedRegions[]) => {
      const rows = regions.reduce((sum, { points }) => sum + points.length, 0);
      return this.#families.plans(this.#weights.program(name), rows, pooling === "max");
    };
    const [root, ...below] = fused.levels;
    const raw = plansOf("raw", root, fused.leaves);
    const propagated = plansOf("propagated", ...below);
    // Uploads come before the first dispatch: each between dispatches would be a submission.
    const pooled = (regions: FusedRegions, { forward }: RowPlans) =>
      forward?.job === "pool" ? pooledRows(device, regions) : null;
    const levelRows = fused.levels.map((level, l) => pooled(level, l === 0 ? raw : propagated));
    const leafRows = pooled(fused.leaves, raw);

    const programs = this.#weights.fetch();
    const global = this.#state(batch.view1);
    const regions: Tensor[] = [];
    fused.levels.forEach((level, l) => {
      const rows = levelRows[l];
      if (l === 0) {
        regions.push(encodeRegions(programs.raw, raw, level, rows, global, null, pooling));
        return;
      }
      const [values] = parted(
        denseRows(programs.regionStart, [regions[l - 1]], this.#families),
      );
      const parent = { values, parents: fused.levels[l - 1] };
      regions.push(
        encodeRegions(programs.propagated, propagated, level, rows, global, parent, pooling),
      );
    });
    const g2l = this.#finish(global, fused, regions, regions);

    const local = this.#state(batch.view2);
    const leaves = encodeRegions(
      programs.raw,
      raw,
      fused.leaves,
      leafRows,
      local,
      null,
      pooling,
    );
    const l2g = this.#finish(local, fused, this.#upwards(batch, fused, leaves, programs), [leaves]);
    return { g2l, l2g, programs };
  }

  /** L2G's regions of every level from the leaves', (regions, 4 · blocks). */
  #upwards(
    batch: RegionBatch,
    fused: FusedBatch,
    leaves: Tensor,
    programs: StepPrograms,
  ): Tensor[] {
    const indexes = fused.leafOfRegion;
    if (this.#config.aggregator_mode === "attention") {
      const trimmed = this.#trim(leaves);
      return this.#aggregator.upwards(batch, (l) => indexes[l] && gatherRows(trimmed, indexes[l]!))
        .map((x) => this.#fill(x));
    }
    return this.#aggregator.upwards(
      batch,
      (l) => indexes[l] && gatherRows(leaves, indexes[l]!),
      (children) => parted(denseRows(programs.children, [children], this.#families))[0],
    );
  }

  /** Region, point and total loss; see `losses`. */
  losses({ g2l, l2g, programs }: FusedOutput, sample: RowIndex | null): Losses {
    const { temperature, alpha, beta } = this.#config;
    const heads = denseRows(
      programs.regionHead,
      [...g2l.encoded, ...l2g.encoded],
      this.#families,
    );
    const regionLevels = contrastLevels(heads, g2l.encoded.length, temperature);
    const region = weightedSum(regionLevels, regionLevels.map(() => 1 / regionLevels.length));
    const points = denseRows(programs.pointHead, [
      g2l.sampleBlocks(sample),
      l2g.sampleBlocks(sample),
    ], this.#families);
    const [query, key] = parted({ ...points, values: normalize(points.values) });
    const point = fusedInfoNCE(query, key, temperature);
    const total = weightedSum([region, point], [alpha, beta]);
    return { total, region, point, regionLevels };
  }

  /** Free what it keeps on the device. */
  [Symbol.dispose](): void {
    this.#weights[Symbol.dispose]();
  }
}

/** InfoNCE of each level; the heads hold the levels' queries, then their keys. The small levels share a dispatch. */
function contrastLevels(heads: DenseRows, levels: number, temperature: number): Tensor[] {
  const { values, places } = heads;
  const losses: Tensor[] = [];
  const small: number[] = [];
  for (let l = 0; l < levels; l++) if (places[l].rows <= SMALL_SET) small.push(l);
  const sets = small.map((l) => ({
    query: places[l].first,
    key: places[levels + l].first,
    size: places[l].rows,
  }));
  smallContrasts(values, sets, temperature).forEach((loss, k) => losses[small[k]] = loss);
  if (small.length === levels) return losses;
  const parts = parted({ values: normalize(values), places });
  for (let l = 0; l < levels; l++) {
    losses[l] ??= fusedInfoNCE(parts[l], parts[levels + l], temperature);
  }
  return losses;
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
