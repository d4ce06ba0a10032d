/** L2G above the leaves: every region from its children's features, level by level upwards. */

import type { ParameterSet } from "../nn/parameters.ts";
import {
  add,
  gatherRows,
  mul,
  reshape,
  scale,
  type Segments,
  segmentSoftmax,
  segmentSum,
  sub,
  sumCols,
  type Tensor,
} from "../tensor/mod.ts";
import { applySteps } from "../nn/network.ts";
import {
  applyAttention,
  ATTENTION_HEADS,
  ATTENTION_QUERY,
  type AttentionModule,
  networks,
} from "./networks.ts";
import { poolSegments } from "./pool_levels.ts";
import type { ModelConfig } from "./model_config.ts";
import type { DeviceLevel, DeviceView, RegionBatch } from "./region_batch.ts";

/** The aggregator; there are few regions, so plain operations serve every path. */
export class Aggregator {
  readonly #config: ModelConfig;
  readonly #parameters: ParameterSet;

  constructor(config: ModelConfig, parameters: ParameterSet) {
    this.#config = config;
    this.#parameters = parameters;
  }

  #apply(module: AttentionModule, x: Tensor): Tensor {
    return applyAttention(this.#config, module, x, this.#parameters);
  }

  /**
   * Region features of every level, from the deepest up.
   * @param leavesOf for a level (regions, D): leaves' features in their places, zero for the
   * others; null: it has none
   * @param before what is done to children before they are pooled; default the network of children
   */
  upwards(
    batch: RegionBatch,
    leavesOf: (level: number) => Tensor | null,
    before: (children: Tensor) => Tensor = (row) =>
      applySteps(networks(this.#config).children.steps, { row }, this.#parameters),
  ): Tensor[] {
    const regions: Tensor[] = [];
    for (let l = batch.levels.length - 1; l >= 0; l--) {
      const level = batch.levels[l];
      const leaves = leavesOf(l);
      if (!level.children) {
        regions.unshift(leaves!);
        continue;
      }
      const inner = this.#aggregate(level, batch.levels[l + 1], batch.view2, before(regions[0]));
      // Without a leaf among them, the regions with children are all regions, in their order.
      regions.unshift(leaves ? add(leaves, gatherRows(inner, level.innerOfRegion)) : inner);
    }
    return regions;
  }

  /** Features of the regions with children, (innerRegions, D), from the level below, u. */
  #aggregate(level: DeviceLevel, below: DeviceLevel, view: DeviceView, u: Tensor): Tensor {
    const { aggregator_mode: mode, aggregator_use_spatial } = this.#config;
    const segments = level.children!;
    if (mode !== "attention") return poolSegments(u, segments, mode);
    if (aggregator_use_spatial) {
      const own = gatherRows(view.coords, below.centers);
      const parents = gatherRows(gatherRows(view.coords, level.centers), level.parentOfChild!);
      u = add(
        u,
        this.#apply("spatial", sub(own, parents)),
      );
    }
    return this.#attend(u, segments);
  }

  /** One learned query attends to each region's children, in four heads. */
  #attend(u: Tensor, segments: Segments): Tensor {
    const width = this.#config.output_dim;
    const headWidth = width / ATTENTION_HEADS;
    const keys = this.#apply("keys", u);
    const values = this.#apply("values", u);
    const query = reshape(this.#parameters.get(ATTENTION_QUERY), [width]);
    const products = reshape(mul(keys, query), [u.rows * ATTENTION_HEADS, headWidth]);
    const scores = reshape(scale(sumCols(products), 1 / Math.sqrt(headWidth)), [
      u.rows,
      ATTENTION_HEADS,
    ]);
    const weights = reshape(segmentSoftmax(scores, segments), [u.rows * ATTENTION_HEADS, 1]);
    const weighted = mul(reshape(values, [u.rows * ATTENTION_HEADS, headWidth]), weights);
    const summed = segmentSum(reshape(weighted, [u.rows, width]), segments);
    return this.#apply("attended", summed);
  }
}
