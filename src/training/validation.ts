/** A pass over the validation scenes: no gradients, no change of any parameter. */

import type { Batch } from "../scenes/batches/batch.ts";
import { featureMetrics } from "../model/metrics.ts";
import type { Model } from "../model/model.ts";
import { uploadBatch } from "../model/region_batch.ts";
import { noGrad, type RowIndex } from "../tensor/mod.ts";
import { meanMetrics, type ValidationMetrics } from "./reports.ts";
import { type MetricsRing, RING_STEPS, type StepMetrics } from "./step_metrics.ts";

/**
 * Means over all batches.
 * @param sample the rows for the point loss of batch `k` with so many points; null: all
 */
export async function validateModel(
  model: Model,
  batches: AsyncIterable<Batch>,
  ring: MetricsRing,
  sample: (points: number, k: number) => RowIndex | null,
): Promise<ValidationMetrics> {
  if (ring.waiting > 0) throw new Error("Steps are still waiting to be read");
  const all: StepMetrics[] = [];
  let k = 0;
  for await (const batch of batches) {
    submit(model, batch, ring, sample, k++);
    if (ring.waiting === RING_STEPS) all.push(...await ring.read());
  }
  all.push(...await ring.read());
  return meanMetrics(all);
}

/**
 * Record and submit a batch. Nothing waits in here, so nobody else computes without gradients
 * meanwhile.
 */
function submit(
  model: Model,
  batch: Batch,
  ring: MetricsRing,
  sample: (points: number, k: number) => RowIndex | null,
  k: number,
): void {
  const { device } = model;
  using _off = noGrad(device);
  using _scope = device.scope();
  const output = model.encode(uploadBatch(device, batch), "evaluation");
  const losses = model.losses(output, sample(batch.pointCount, k));
  ring.push(k, losses, featureMetrics(output.g2l.points, output.l2g.points), null);
  device.flush();
}
