/** Times what is dispatched, to compare alternatives: by the device's timestamps, or by waiting where it has none. */

import type { Device } from "../../gpu/device.ts";

/** Each is timed so often, in turn; the least counts. */
const ROUNDS = 5;
/** Repetitions of a piece of work between two timestamps, and between two waits, which each add 10 ms. */
const REPEATS = {
  timestamps: { software: 1, gpu: 4 },
  waits: { software: 2, gpu: 16 },
} as const;

/**
 * The least time of each of `works`, which record dispatches whose kernels have run before. In ticks of the device or in
 * milliseconds with what a wait adds: good for comparison alone.
 */
export async function timeEach(device: Device, works: readonly (() => void)[]): Promise<number[]> {
  return (device.features.has("timestamp-query") ? await byTimestamps(device, works) : null) ??
    await byWaiting(device, works);
}

/** Null: the device's timestamps do not advance. */
async function byTimestamps(
  device: Device,
  works: readonly (() => void)[],
): Promise<number[] | null> {
  const { gpu } = device;
  const count = 2 * ROUNDS * works.length;
  const querySet = gpu.createQuerySet({ type: "timestamp", count });
  const usage = GPUBufferUsage;
  const resolved = gpu.createBuffer({
    size: 8 * count,
    usage: usage.QUERY_RESOLVE | usage.COPY_SRC,
  });
  const read = gpu.createBuffer({ size: 8 * count, usage: usage.MAP_READ | usage.COPY_DST });
  let next = 0;
  // A pass without dispatches between two submissions: written when what was submitted before it is done.
  const mark = () => {
    device.flush();
    const encoder = gpu.createCommandEncoder();
    encoder.beginComputePass({
      timestampWrites: { querySet, beginningOfPassWriteIndex: next++ },
    }).end();
    gpu.queue.submit([encoder.finish()]);
  };
  try {
    for (let round = 0; round < ROUNDS; round++) {
      for (const work of works) {
        mark();
        for (let i = 0; i < REPEATS.timestamps[device.kind]; i++) work();
        mark();
      }
    }
    const encoder = gpu.createCommandEncoder();
    encoder.resolveQuerySet(querySet, 0, count, resolved, 0);
    encoder.copyBufferToBuffer(resolved, 0, read, 0, 8 * count);
    gpu.queue.submit([encoder.finish()]);
    await read.mapAsync(GPUMapMode.READ);
    await device.sync(); // throws what went wrong
    const ticks = new BigUint64Array(read.getMappedRange());
    const times = works.map((_, w) =>
      Math.min(...Array.from({ length: ROUNDS }, (_, round) => {
        const at = 2 * (round * works.length + w);
        return Number(ticks[at + 1] - ticks[at]);
      }))
    );
    return times.every((time) => time > 0) ? times : null;
  } finally {
    querySet.destroy();
    resolved.destroy();
    read.destroy();
  }
}

async function byWaiting(device: Device, works: readonly (() => void)[]): Promise<number[]> {
  const times = works.map(() => Infinity);
  await device.sync();
  for (let round = 0; round < ROUNDS; round++) {
    for (const [w, work] of works.entries()) {
      const started = performance.now();
      for (let i = 0; i < REPEATS.waits[device.kind]; i++) work();
      await device.sync();
      times[w] = Math.min(times[w], performance.now() - started);
    }
  }
  return times;
}
