/** From features of points to those of regions. */

import { gatherRows, runMax, runMean, type Runs, type Tensor } from "../tensor/mod.ts";
import type { RegionBatch } from "./region_batch.ts";

/** Per-channel maximum or mean over runs. */
export function poolRuns(x: Tensor, runs: Runs, mode: "max" | "mean"): Tensor {
  return mode === "max" ? runMax(x, runs) : runMean(x, runs);
}

/**
 * Features of every region, pooled over its points: for each level (regions, D).
 * @param points (N, D), rows as in the batch
 */
export function poolLevels(points: Tensor, batch: RegionBatch, mode: "max" | "mean"): Tensor[] {
  return batch.levels.map(({ encoded }) =>
    poolRuns(encoded.points ? gatherRows(points, encoded.points) : points, encoded.runs, mode)
  );
}
