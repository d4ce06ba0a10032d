/** The two branches of SPEC §2 written with plain operations: small, and obviously the specification. */

import type { ParameterSet } from "../nn/parameters.ts";
import { add, concat, gatherRows, type RowIndex, sub, type Tensor } from "../tensor/mod.ts";
import { Aggregator, poolRuns } from "./aggregator.ts";
import type { BranchOutput, EncoderOutput } from "./encoder_output.ts";
import { type LayerName, type ModelLayers, modelLayers } from "./layers.ts";
import { type Losses, losses } from "./losses.ts";
import type { ModelConfig } from "./model_config.ts";
import type { DeviceView, EncodedRows, RegionBatch } from "./region_batch.ts";

export type { BranchOutput, EncoderOutput } from "./encoder_output.ts";

/** A way of computing both branches and their losses. */
export interface Encoder extends Disposable {
  forward(batch: RegionBatch): EncoderOutput;
  /** `output` is what this encoder's `forward` gave; `sample` are the rows of the point loss, null for all. */
  losses(output: EncoderOutput, sample: RowIndex | null): Losses;
}

function branchOutput(regions: readonly Tensor[], points: Tensor): BranchOutput {
  return { regions, points, sample: (rows) => rows ? gatherRows(points, rows) : points };
}

/** Features of the encoded rows and of their regions. */
interface Encoded {
  readonly rows: Tensor;
  readonly regions: Tensor;
}

/** The encoder as a function of a batch; parameters are looked up by name. */
export class PlainEncoder implements Encoder {
  readonly #config: ModelConfig;
  readonly #layers: ModelLayers;
  readonly #parameters: ParameterSet;
  readonly #aggregator: Aggregator;

  constructor(config: ModelConfig, parameters: ParameterSet) {
    this.#config = config;
    this.#layers = modelLayers(config);
    this.#parameters = parameters;
    this.#aggregator = new Aggregator(config, parameters);
  }

  #apply(name: LayerName, x: Tensor): Tensor {
    return this.#layers[name].forward(x, this.#parameters, name);
  }

  /** f_i = backbone([x_i − c, h_i]), pooled over each region. */
  #encode(rows: EncodedRows, coords: Tensor, view: DeviceView, h: Tensor): Encoded {
    const centers = gatherRows(gatherRows(view.coords, rows.centers), rows.regionOfRow);
    const f = this.#apply(
      "encoder.encoder.backbone.mlp",
      concat([sub(coords, centers), h]),
    );
    return { rows: f, regions: poolRuns(f, rows.runs, this.#config.encoder_pooling) };
  }

  /** Global to local: every region encoded, each with what its parent's feature propagates. */
  g2l(batch: RegionBatch): BranchOutput {
    const view = batch.view1;
    const regions: Tensor[] = [];
    let points: Tensor | null = null;
    for (const [l, level] of batch.levels.entries()) {
      const pick = (x: Tensor) => level.encoded.points ? gatherRows(x, level.encoded.points) : x;
      const coords = pick(view.coords);
      const feats = pick(view.feats);
      let h: Tensor;
      if (level.parentOfRow) {
        const parent = gatherRows(regions.at(-1)!, level.parentOfRow);
        const places = this.#config.propagator_coords === "parent"
          ? sub(
            coords,
            gatherRows(
              gatherRows(view.coords, batch.levels[l - 1].encoded.centers),
              level.parentOfRow,
            ),
          )
          : coords;
        const propagated = this.#apply("encoder.propagator.mlp", concat([parent, places]));
        h = this.#apply("encoder.combine_projection.projection.mlp", concat([feats, propagated]));
      } else {
        h = this.#apply("encoder.raw_projection.mlp", feats);
      }
      const encoded = this.#encode(level.encoded, coords, view, h);
      regions.push(encoded.regions);
      const leaves = gatherRows(encoded.rows, level.leafRowOfPoint);
      points = points ? add(points, leaves) : leaves;
    }
    return branchOutput(regions, points!);
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
    const regions = this.#aggregator.upwards(
      batch,
      (l) => gatherRows(leaves.regions, batch.levels[l].leafOfRegion),
    );
    return branchOutput(regions, gatherRows(leaves.rows, batch.leafRowOfPoint));
  }

  /** Both branches. */
  forward(batch: RegionBatch): EncoderOutput {
    return { g2l: this.g2l(batch), l2g: this.l2g(batch) };
  }

  /** Region, point and total loss. */
  losses(output: EncoderOutput, sample: RowIndex | null): Losses {
    return losses(this.#config, this.#parameters, output, sample);
  }

  /** There is nothing to free. */
  [Symbol.dispose](): void {}
}
