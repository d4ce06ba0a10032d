/** The worker that loads, augments and builds batches. */

import { openSource } from "../dataset_source.ts";
import type { Batch } from "./batch.ts";
import { type BatchRequest, type BatchSetup, makeBatch } from "./worker_loader.ts";
import { serveRequests } from "../../base/worker_pool.ts";

serveRequests<BatchSetup, BatchRequest, Batch>(({ source, readers, options }) => {
  const dataset = openSource(source, readers);
  return async (request) => {
    const result = await makeBatch(dataset, request, options);
    return { result, transfer: buffersOf(result) };
  };
});

/** The memory of a batch's arrays, each of which has its own. */
function buffersOf({ pointOffsets, order, view1, view2, levels }: Batch): ArrayBuffer[] {
  const arrays: ArrayBufferView[] = [pointOffsets, order];
  for (const part of [view1, view2, ...levels]) arrays.push(...Object.values(part));
  return arrays.map(({ buffer }) => buffer as ArrayBuffer);
}
