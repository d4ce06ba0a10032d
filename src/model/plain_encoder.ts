/**
 * The two branches of docs/model.md written with plain operations: small, and obviously the
 * specification.
 */

import { applySteps, type Step } from "../nn/network.ts";
import type { ParameterSet } from "../nn/parameters.ts";
import { add, gatherRows, normalize, sub, type Tensor } from "../tensor/mod.ts";
import { Aggregator } from "./aggregator.ts";
import { poolSegments } from "./pool_levels.ts";
import type { BranchOutput, Encoder, EncoderOutput, Heads } from "./encoder.ts";
import { plainInfoNCE } from "./info_nce.ts";
import type { ModelConfig } from "./model_config.ts";
import { type Network, type Networks, networks } from "./networks.ts";
import { type EncodedRows, type PlainRows, plainRows } from "./plain_rows.ts";
import type { DeviceView, RegionBatch } from "./region_batch.ts";

/** A branch whose point features are an ordinary tensor. */
export function branchOutput(regions: readonly Tensor[], points: Tensor): BranchOutput {
  return { regions, points, sample: (rows) => rows ? gatherRows(points, rows) : points };
}

/** Heads computed with plain operations, `infoNCE` of their unit rows behind them. */
export function plainHeads(
  heads: Readonly<Record<string, readonly Step[]>>,
  parameters: ParameterSet,
  infoNCE: (query: Tensor, key: Tensor, temperature: number) => Tensor = plainInfoNCE,
): Heads {
  const project = (head: string, rows: readonly Tensor[]) =>
    rows.map((row) => applySteps(heads[head], { row }, parameters));
  return {
    project,
    contrast: (head, pairs, temperature) =>
      pairs.map(({ query, key }) => {
        const [q, k] = project(head, [query, key]).map((x) => normalize(x));
        return infoNCE(q, k, temperature);
      }),
  };
}

/** Features of the encoded rows and of their regions. */
interface Encoded {
  readonly rows: Tensor;
  readonly regions: Tensor;
}

/** The encoder as a function of a batch; parameters are looked up by name. */
export class PlainEncoder implements Encoder {
  readonly #networks: Networks;
  readonly #heads: Heads;
  readonly #parameters: ParameterSet;
  readonly #aggregator: Aggregator;
  /** Whether places are told from the parent's centre. */
  readonly #placed: boolean;

  constructor(
    config: ModelConfig,
    parameters: ParameterSet,
    heads: Readonly<Record<string, readonly Step[]>>,
  ) {
    this.#networks = networks(config);
    this.#heads = plainHeads(heads, parameters);
    this.#parameters = parameters;
    this.#placed = config.propagator_coords === "parent";
    this.#aggregator = new Aggregator(config, parameters);
  }

  /** f of encoded rows by a network, pooled over each region. */
  #encode(
    { steps, pooling }: Network,
    rows: EncodedRows,
    view: DeviceView,
    parent: Readonly<Record<string, Tensor>> | null,
  ): Encoded {
    const pick = (x: Tensor) => rows.points ? gatherRows(x, rows.points) : x;
    const place = pick(view.coords);
    const centers = gatherRows(gatherRows(view.coords, rows.centers), rows.regionOfRow);
    const inputs = { features: pick(view.feats), place, offset: sub(place, centers), ...parent };
    const f = applySteps(steps, inputs, this.#parameters);
    return { rows: f, regions: poolSegments(f, rows.segments, pooling!) };
  }

  /** Global to local: every region encoded, each with what its parent's feature propagates. */
  #g2l({ view1: view }: RegionBatch, { levels }: PlainRows): BranchOutput {
    const regions: Tensor[] = [];
    let points: Tensor | null = null;
    for (const [l, { encoded, parentOfRow, leafRowOfPoint }] of levels.entries()) {
      const { raw, propagated } = this.#networks;
      const parent = parentOfRow && {
        parent: gatherRows(regions.at(-1)!, parentOfRow),
        ...(this.#placed && {
          placeInParent: sub(
            encoded.points ? gatherRows(view.coords, encoded.points) : view.coords,
            gatherRows(gatherRows(view.coords, levels[l - 1].encoded.centers), parentOfRow),
          ),
        }),
      };
      const own = this.#encode(parent ? propagated : raw, encoded, view, parent);
      regions.push(own.regions);
      const leaves = gatherRows(own.rows, leafRowOfPoint);
      points = points ? add(points, leaves) : leaves;
    }
    return branchOutput(regions, points!);
  }

  /** Local to global: leaves encoded, every other region aggregated from its children. */
  #l2g(batch: RegionBatch, rows: PlainRows): BranchOutput {
    const leaves = this.#encode(this.#networks.raw, rows.leaves, batch.view2, null);
    const regions = this.#aggregator.upwards(
      batch,
      (l) => gatherRows(leaves.regions, rows.levels[l].leafOfRegion),
    );
    return branchOutput(regions, gatherRows(leaves.rows, rows.leafRowOfPoint));
  }

  /** Both branches. */
  forward(batch: RegionBatch): EncoderOutput {
    const rows = plainRows(batch.view1.coords.device, batch.source);
    return { batch, g2l: this.#g2l(batch, rows), l2g: this.#l2g(batch, rows), ...this.#heads };
  }

  /** There is nothing to free. */
  [Symbol.dispose](): void {}
}
