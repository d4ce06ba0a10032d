/** Both branches above the sparse U-Net: docs/model.md, "The sparse U-Net". */

import { DataError } from "../../../base/errors.ts";
import type { Mode } from "../../../nn/batch_norm.ts";
import { applySteps } from "../../../nn/network.ts";
import type { ParameterSet } from "../../../nn/parameters.ts";
import type { BatchView } from "../../../scenes/batches/batch.ts";
import { type VoxelGeometry, voxelGeometry } from "../../../scenes/voxels/geometry.ts";
import { add, gatherRows, type Tensor } from "../../../tensor/mod.ts";
import { Aggregator } from "../../aggregator.ts";
import type { BranchOutput, Encoder, EncoderOutput, Heads } from "../../encoder.ts";
import type { ModelConfig, SpunetConfig } from "../../model_config.ts";
import { type TreeNetworks, treeNetworks } from "../../networks.ts";
import { branchOutput } from "../../plain_encoder.ts";
import { type PlainRows, plainRows } from "../../plain_rows.ts";
import { poolSegments } from "../../pool_levels.ts";
import type { RegionBatch } from "../../region_batch.ts";
import { spunetLayers, STEM_KERNEL } from "./layers.ts";
import { Spunet } from "./unet.ts";

/** One pass of the U-Net over each view; the tree, with plain operations, above it. */
export class SpunetEncoder implements Encoder {
  readonly #config: ModelConfig & { readonly spunet: SpunetConfig };
  readonly #parameters: ParameterSet;
  readonly #heads: Heads;
  readonly #unet: Spunet;
  readonly #tree: TreeNetworks;
  readonly #aggregator: Aggregator;

  constructor(
    config: ModelConfig & { readonly spunet: SpunetConfig },
    parameters: ParameterSet,
    heads: Heads,
  ) {
    this.#config = config;
    this.#parameters = parameters;
    this.#heads = heads;
    this.#unet = new Spunet(spunetLayers(config), parameters);
    this.#tree = treeNetworks(config);
    this.#aggregator = new Aggregator(config, parameters);
  }

  #voxels({ source }: RegionBatch, view: BatchView, mode: Mode): VoxelGeometry {
    const { voxel_size, channels } = this.#config.spunet;
    const voxels = voxelGeometry(view.coords, source.pointOffsets, source.sceneIds, {
      voxelSize: voxel_size,
      stages: channels.length / 2,
      stemKernel: STEM_KERNEL,
    });
    const stage = voxels.levels.findIndex(({ count }) => count < 2);
    if (mode === "training" && stage >= 0) {
      throw new DataError(
        `scenes ${source.sceneIds.join(", ")}: all their points lie in one voxel of ` +
          `${
            voxel_size * 2 ** stage
          } m (stage ${stage} of the sparse U-Net), and BatchNorm takes ` +
          "no statistics of one: use more scenes a batch, fewer stages, or a smaller voxel_size.",
      );
    }
    return voxels;
  }

  /** Global to local: the root from the U-Net's points, every other region with what its parent propagates. */
  #g2l({ view1: { coords } }: RegionBatch, rows: PlainRows, p: Tensor): BranchOutput {
    const { steps } = this.#tree.propagated;
    const regions: Tensor[] = [];
    let points: Tensor | null = null;
    for (const { encoded, parentOfRow, leafRowOfPoint } of rows.levels) {
      const pick = (x: Tensor) => encoded.points ? gatherRows(x, encoded.points) : x;
      const features = pick(p);
      const f = parentOfRow
        ? applySteps(steps, {
          features,
          place: pick(coords),
          parent: gatherRows(regions.at(-1)!, parentOfRow),
        }, this.#parameters)
        : features;
      regions.push(poolSegments(f, encoded.segments, this.#config.encoder_pooling));
      const leaves = gatherRows(f, leafRowOfPoint);
      points = points ? add(points, leaves) : leaves;
    }
    return branchOutput(regions, points!);
  }

  /** Local to global: leaves from the U-Net's points, every other region aggregated from its children. */
  #l2g(batch: RegionBatch, rows: PlainRows, p: Tensor): BranchOutput {
    const { points, segments } = rows.leaves;
    const f = points ? gatherRows(p, points) : p;
    const leaves = poolSegments(f, segments, this.#config.encoder_pooling);
    const regions = this.#aggregator.upwards(
      batch,
      (l) => gatherRows(leaves, rows.levels[l].leafOfRegion),
    );
    return branchOutput(regions, gatherRows(f, rows.leafRowOfPoint));
  }

  /** Both branches. Statistics of BatchNorms move with view 1 first. */
  forward(batch: RegionBatch, mode: Mode): EncoderOutput {
    const { source, view1, view2 } = batch;
    const rows = plainRows(view1.coords.device, source);
    // Both before either: where one cannot be, no statistics have moved.
    const voxels = [source.view1, source.view2].map((view) => this.#voxels(batch, view, mode));
    const first = this.#unet.forward(view1.feats, voxels[0], mode);
    const second = this.#unet.forward(view2.feats, voxels[1], mode);
    return {
      batch,
      g2l: this.#g2l(batch, rows, first),
      l2g: this.#l2g(batch, rows, second),
      ...this.#heads,
    };
  }

  /** There is nothing to free. */
  [Symbol.dispose](): void {}
}
