/** The sparse U-Net: from voxels' features to theirs in their surroundings, with plain operations. */

import type { Device } from "../../../gpu/device.ts";
import { applyBatchNorm, type BatchNormSettings, type Mode } from "../../../nn/batch_norm.ts";
import type { ParameterSet } from "../../../nn/parameters.ts";
import type { VoxelGeometry } from "../../../scenes/voxels/geometry.ts";
import {
  add,
  concat,
  gatherRows,
  inverseMap,
  type KernelMap,
  layerNorm,
  linear,
  makeSegments,
  matmul,
  relu,
  reshape,
  rowIndex,
  segmentMean,
  sparseConv,
  stridedMap,
  submanifoldMap,
  type Tensor,
} from "../../../tensor/mod.ts";
import { type Block, type ConvNorm, type SpunetLayers, STEM_KERNEL } from "./layers.ts";

/** docs/model.md's. */
const NORM: BatchNormSettings = { eps: 1e-3, momentum: 0.01 };

/** A view's voxels on the device: which rows each convolution reads. */
interface Maps {
  readonly stem: KernelMap;
  /** Of each level, finest first. */
  readonly levels: readonly KernelMap[];
  /** From each level to the next. */
  readonly strided: readonly KernelMap[];
}

function mapsOf(device: Device, { stem, levels }: VoxelGeometry): Maps {
  return {
    stem: submanifoldMap(device, stem, STEM_KERNEL ** 3, levels[0].count),
    levels: levels.map(({ neighbours, count }) => submanifoldMap(device, neighbours, 27, count)),
    strided: levels.slice(0, -1).map(({ parent, corner }, l) =>
      stridedMap(device, parent!, corner!, 8, levels[l + 1].count)
    ),
  };
}

/** One pass over the voxels of a view. */
export class Spunet {
  readonly #layers: SpunetLayers;
  readonly #parameters: ParameterSet;

  constructor(layers: SpunetLayers, parameters: ParameterSet) {
    this.#layers = layers;
    this.#parameters = parameters;
  }

  /** A convolution and its BatchNorm. */
  #convNorm(x: Tensor, { name, norm, kernel }: ConvNorm, map: KernelMap, mode: Mode): Tensor {
    const weight = this.#parameters.get(`${name}.weight`);
    // What spconv does with a kernel of one offset: its weight's memory is (in, out).
    const y = kernel === 1
      ? matmul(x, reshape(weight, [weight.cols, weight.shape[0]]))
      : sparseConv(x, weight, map);
    return applyBatchNorm(y, norm, this.#parameters, NORM, mode);
  }

  #block(x: Tensor, { first, second, projection }: Block, map: KernelMap, mode: Mode): Tensor {
    const inner = relu(this.#convNorm(x, first, map, mode));
    const around = projection ? this.#convNorm(x, projection, map, mode) : x;
    return relu(add(this.#convNorm(inner, second, map, mode), around));
  }

  /**
   * The output of every point's voxel.
   *
   * @param feats (N, C), rows as in the batch
   * @param voxels of the same rows
   * @returns (N, D)
   */
  forward(feats: Tensor, voxels: VoxelGeometry, mode: Mode): Tensor {
    const { device, rows } = feats;
    const { order, start, voxelOfPoint, levels } = voxels;
    const { stem, down, up, outputProjection } = this.#layers;
    const maps = mapsOf(device, voxels);
    const segments = makeSegments(device, start.slice(0, -1), start.slice(1), rows);
    const means = segmentMean(gatherRows(feats, rowIndex(device, order, rows)), segments);
    let x = relu(this.#convNorm(means, stem, maps.stem, mode));
    const skips: Tensor[] = [];
    down.forEach(({ sample, blocks }, s) => {
      skips.push(x);
      x = relu(this.#convNorm(x, sample, maps.strided[s], mode));
      for (const block of blocks) x = this.#block(x, block, maps.levels[s + 1], mode);
    });
    for (let s = up.length - 1; s >= 0; s--) {
      const { sample, blocks } = up[s];
      const above = relu(this.#convNorm(x, sample, inverseMap(maps.strided[s]), mode));
      x = concat([above, skips[s]]);
      for (const block of blocks) x = this.#block(x, block, maps.levels[s], mode);
    }
    if (outputProjection) {
      const of = (name: string) => this.#parameters.get(`${outputProjection.name}.${name}`);
      x = layerNorm(linear(x, of("0.weight"), of("0.bias")), of("1.weight"), of("1.bias"));
    }
    return gatherRows(x, rowIndex(device, voxelOfPoint, levels[0].count));
  }
}
