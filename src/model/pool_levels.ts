/** From features of points to those of regions. */

import { segmentMax, segmentMean, type Segments, type Tensor } from "../tensor/mod.ts";
import type { RegionBatch } from "./region_batch.ts";

/** Per-channel maximum or mean over segments. */
export function poolSegments(x: Tensor, segments: Segments, mode: "max" | "mean"): Tensor {
  return mode === "max" ? segmentMax(x, segments) : segmentMean(x, segments);
}

/**
 * Features of every region, pooled over its points: for each level (regions, D).
 * @param points (N, D), rows as in the batch
 */
export function poolLevels(points: Tensor, batch: RegionBatch, mode: "max" | "mean"): Tensor[] {
  return batch.levels.map(({ segments }) => poolSegments(points, segments, mode));
}
