/**
 * Points drawn for the point loss. Their gradient is not carried back to all points: the encodings'
 * backward passes, which come later, find it in the step's gradients and add it to the rows that
 * they recompute anyway.
 */

import {
  type BackwardPass,
  gatherRows,
  NO_ROW,
  noGrad,
  record,
  type RowIndex,
  rowIndex,
  type Tensor,
} from "../../tensor/mod.ts";
import { type SampledGradient, type SampledPoints, sampleOf } from "./sample_gradients.ts";
import type { FusedStep } from "./weights/fused_step.ts";

/** What a branch keeps of the draws from its points. */
export interface SampledBranch {
  readonly step: FusedStep;
  /** (N, 4 · blocks) */
  readonly points: Tensor;
  /** All draws so far. */
  readonly samples: SampledPoints[];
}

/** The points of a draw, each once, ascending; null: they are so already, in whatever order. */
function distinct(drawn: Uint32Array, points: number): Uint32Array | null {
  const seen = new Uint8Array(points);
  let count = 0;
  for (const point of drawn) {
    if (point === NO_ROW || seen[point] === 1) continue;
    seen[point] = 1;
    count++;
  }
  if (count === drawn.length) return null;
  const list = new Uint32Array(count);
  for (let point = 0, at = 0; point < points; point++) if (seen[point] === 1) list[at++] = point;
  return list;
}

/**
 * Features of drawn points: (draws, 4 · blocks).
 * @param encoded the encodings that the features come from
 * @param rows the draws, a point once or often; null: all points
 */
export function samplePoints(
  branch: SampledBranch,
  encoded: readonly Tensor[],
  rows: RowIndex | null,
): Tensor {
  const { points } = branch;
  const { device } = points;
  const once = rows && distinct(rows.source, points.rows);
  if (rows && once) {
    // Points that repeat are drawn once here, and their gradients added up by the operation that
    // repeats them.
    const place = new Uint32Array(points.rows).fill(NO_ROW);
    once.forEach((point, draw) => place[point] = draw);
    const repeat = rows.source.map((point) => point === NO_ROW ? NO_ROW : place[point]);
    const each = samplePoints(branch, encoded, rowIndex(device, once, points.rows));
    return gatherRows(each, rowIndex(device, repeat, once.length));
  }
  const drawn = rows?.source ?? Uint32Array.from({ length: points.rows }, (_, p) => p);
  const sample = sampleOf(points, drawn, rows?.index ?? null);
  branch.samples.push(sample);
  let out: Tensor;
  {
    using _ = noGrad(device);
    out = rows ? gatherRows(points, rows) : points.detach();
  }
  return record("samplePoints", out, encoded, (gradient, pass) => {
    branch.step.gradients(pass).samplesOf(branch).add(sample, gradient);
    for (const each of encoded) pass.visit(each);
    return encoded.map(() => null);
  });
}

/** The gradient of all points that were drawn, in this pass; null: none has any. */
export function sampledGradient(branch: SampledBranch, pass: BackwardPass): SampledGradient | null {
  return branch.step.gradients(pass).samplesOf(branch).joined(branch.points, branch.samples);
}
