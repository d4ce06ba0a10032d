/**
 * Products of linear layers with nothing between them, computed once a step; see `mergeLinear` in
 * ../plan/passes.ts.
 */

import mergedWgsl from "../../../../shaders/model/fused/weights/merged_layer.wgsl" with {
  type: "text",
};
import type { Device } from "../../../gpu/device.ts";
import type { Kernel } from "../../../gpu/kernel.ts";
import { Tensor } from "../../../tensor/mod.ts";
import type { MergedLayer } from "../plan/row_program.ts";

/** A kernel over merged layers, an invocation a tile. */
export function mergedKernel(device: Device, name: string, source: string): Kernel {
  return device.kernel(name, [mergedWgsl, source], { TWO: 2, FOUR: 4 });
}

/** Tiles of 8 × 8 values of a matrix. */
export function tiles(rows: number, columns: number): number {
  return Math.ceil(rows / 8) * Math.ceil(columns / 8);
}

/** Workgroups for the most tiles that a layer has. */
export function mergedGroups(
  layers: readonly MergedLayer[],
  tilesOf: (layer: MergedLayer) => number,
): number {
  return Math.ceil(Math.max(...layers.map(tilesOf)) / 16);
}

/** Layers as the shaders' `Merged` lists them. */
export function mergedWords(
  device: Device,
  layers: readonly MergedLayer[],
  flatSize: number,
): Tensor {
  const words = layers.flatMap((layer) => [
    layer.outs,
    layer.middle,
    layer.ins,
    layer.outer,
    layer.outerStride,
    layer.inner,
    layer.innerBias,
    layer.outerBias,
    layer.at - flatSize,
  ]);
  return lasting(device, words, "merged layers");
}

/** A tensor that no scope frees. */
export function lasting(device: Device, values: ArrayLike<number>, label: string): Tensor {
  const data = Uint32Array.from(values);
  const size = Math.max(4, data.byteLength);
  const buffer = device.allocate(size, label, false);
  const slice = { buffer, offset: 0, size: data.byteLength };
  const out = new Tensor(device, [data.length], "u32", slice);
  device.write(out.slice, data);
  return out;
}
