/** The two branches of SPEC §2 written with plain operations: small, and obviously the specification. */

import type { ParameterSet } from "../nn/parameters.ts";
import {
  add,
  concat,
  gatherRows,
  mul,
  reshape,
  runMax,
  runMean,
  type Runs,
  runSoftmax,
  runSum,
  scale,
  sub,
  sumCols,
  type Tensor,
} from "../tensor/mod.ts";
import {
  ATTENTION_HEADS,
  ATTENTION_QUERY,
  type LayerName,
  type ModelLayers,
  modelLayers,
} from "./layers.ts";
import type { ModelConfig } from "./model_config.ts";
import type { DeviceLevel, DeviceView, EncodedRows, RegionBatch } from "./region_batch.ts";

/** What a branch says of a batch. */
export interface BranchOutput {
  /** For each level (regions, D), regions in SPEC's order. */
  readonly regions: readonly Tensor[];
  /** (N, D), rows as in the batch: each leaf's features at its points, zero for a point in no leaf. */
  readonly points: Tensor;
}

/** Both branches, each on its own view. */
export interface EncoderOutput {
  readonly g2l: BranchOutput;
  readonly l2g: BranchOutput;
}

/** Features of the encoded rows and of their regions. */
interface Encoded {
  readonly rows: Tensor;
  readonly regions: Tensor;
}

/** The encoder as a function of a batch; parameters are looked up by name. */
export class PlainEncoder {
  readonly #config: ModelConfig;
  readonly #layers: ModelLayers;
  readonly #parameters: ParameterSet;

  constructor(config: ModelConfig, parameters: ParameterSet) {
    this.#config = config;
    this.#layers = modelLayers(config);
    this.#parameters = parameters;
  }

  #apply(name: LayerName, x: Tensor): Tensor {
    return this.#layers[name].forward(x, this.#parameters, name);
  }

  #pool(x: Tensor, runs: Runs, mode: "max" | "mean"): Tensor {
    return mode === "max" ? runMax(x, runs) : runMean(x, runs);
  }

  /** f_i = backbone([x_i − c, h_i]), pooled over each region. */
  #encode(rows: EncodedRows, coords: Tensor, view: DeviceView, h: Tensor): Encoded {
    const centers = gatherRows(gatherRows(view.coords, rows.centers), rows.regionOfRow);
    const f = this.#apply(
      "encoder.encoder.backbone.mlp",
      concat([sub(coords, centers), h]),
    );
    return { rows: f, regions: this.#pool(f, rows.runs, this.#config.encoder_pooling) };
  }

  /** Global to local: every region encoded, each with what its parent's feature propagates. */
  g2l(batch: RegionBatch): BranchOutput {
    const view = batch.view1;
    const regions: Tensor[] = [];
    let points: Tensor | null = null;
    for (const level of batch.levels) {
      const pick = (x: Tensor) => level.encoded.points ? gatherRows(x, level.encoded.points) : x;
      const coords = pick(view.coords);
      const feats = pick(view.feats);
      let h: Tensor;
      if (level.parentOfRow) {
        const parent = gatherRows(regions.at(-1)!, level.parentOfRow);
        const propagated = this.#apply("encoder.propagator.mlp", concat([parent, coords]));
        h = this.#apply("encoder.combine_projection.projection.mlp", concat([feats, propagated]));
      } else {
        h = this.#apply("encoder.raw_projection.mlp", feats);
      }
      const encoded = this.#encode(level.encoded, coords, view, h);
      regions.push(encoded.regions);
      const leaves = gatherRows(encoded.rows, level.leafRowOfPoint);
      points = points ? add(points, leaves) : leaves;
    }
    return { regions, points: points! };
  }

  /** Local to global: leaves encoded, every other region aggregated from its children. */
  l2g(batch: RegionBatch): BranchOutput {
    const view = batch.view2;
    const pick = (x: Tensor) => batch.leaves.points ? gatherRows(x, batch.leaves.points) : x;
    const leaves = this.#encode(
      batch.leaves,
      pick(view.coords),
      view,
      this.#apply("encoder.raw_projection.mlp", pick(view.feats)),
    );
    const regions: Tensor[] = [];
    let below: Tensor | null = null;
    for (let l = batch.levels.length - 1; l >= 0; l--) {
      const level = batch.levels[l];
      let features = gatherRows(leaves.regions, level.leafOfRegion);
      if (level.children && below) {
        const inner = this.#aggregate(level, batch.levels[l + 1], view, below);
        const placed = gatherRows(inner, level.innerOfRegion);
        features = add(features, placed);
      }
      regions.unshift(features);
      below = features;
    }
    return { regions, points: gatherRows(leaves.rows, batch.leafRowOfPoint) };
  }

  /** Features of the regions with children, (innerRegions, D), from the level below. */
  #aggregate(level: DeviceLevel, below: DeviceLevel, view: DeviceView, children: Tensor): Tensor {
    const { aggregator_mode: mode, aggregator_use_spatial } = this.#config;
    const runs = level.children!;
    let u = this.#apply("encoder.aggregator.pre_mlp", children);
    if (mode !== "attention") return this.#pool(u, runs, mode);
    if (aggregator_use_spatial) {
      const own = gatherRows(view.coords, below.centers);
      const parents = gatherRows(gatherRows(view.coords, level.centers), level.parentOfChild!);
      u = add(
        u,
        this.#apply("encoder.aggregator.attention.spatial_encoder", sub(own, parents)),
      );
    }
    return this.#attend(u, runs);
  }

  /** One learned query attends to each region's children, in four heads. */
  #attend(u: Tensor, runs: Runs): Tensor {
    const width = this.#config.output_dim;
    const headWidth = width / ATTENTION_HEADS;
    const keys = this.#apply("encoder.aggregator.attention.key_proj", u);
    const values = this.#apply("encoder.aggregator.attention.value_proj", u);
    const query = reshape(this.#parameters.get(ATTENTION_QUERY), [width]);
    const products = reshape(mul(keys, query), [u.rows * ATTENTION_HEADS, headWidth]);
    const scores = reshape(scale(sumCols(products), 1 / Math.sqrt(headWidth)), [
      u.rows,
      ATTENTION_HEADS,
    ]);
    const weights = reshape(runSoftmax(scores, runs), [u.rows * ATTENTION_HEADS, 1]);
    const weighted = mul(reshape(values, [u.rows * ATTENTION_HEADS, headWidth]), weights);
    const summed = runSum(reshape(weighted, [u.rows, width]), runs);
    return this.#apply("encoder.aggregator.attention.out_proj", summed);
  }

  /** Both branches. */
  forward(batch: RegionBatch): EncoderOutput {
    return { g2l: this.g2l(batch), l2g: this.l2g(batch) };
  }
}
