/** Times what is dispatched, to compare alternatives: by the device's timestamps, or by waiting where it has none. */

import type { Device } from "../../../gpu/device.ts";

/** How often each is timed, in turn. */
const ROUNDS = 7;
/** Repetitions of a piece of work between two timestamps, and between two waits, which each add 10 ms. */
const REPEATS = {
  timestamps: { software: 1, gpu: 4 },
  waits: { software: 2, gpu: 16 },
} as const;

/**
 * The time of each of `works`, as a share of the first's. They record dispatches whose kernels have run before.
 *
 * The first has its turn before and after each of the others, and the quicker of the two counts; of several rounds the
 * median. A machine that others use too may be twice as fast for some hundredths of a second (measured), so that the least
 * time says who was lucky, and the first is not to be left without need.
 */
export async function relativeTimes(
  device: Device,
  works: readonly (() => void)[],
): Promise<number[]> {
  const round = [works[0], ...works.slice(1).flatMap((work) => [work, works[0]])];
  const stamped = device.features.has("timestamp-query") ? await byTimestamps(device, round) : null;
  return medianShares(stamped ?? await byWaiting(device, round));
}

/** Of rounds first, second, first, third, first, …: the median of each one's share of the first's beside it. */
export function medianShares(rounds: readonly (readonly number[])[]): number[] {
  const others = Array.from({ length: rounds[0].length >> 1 }, (_, i) => {
    const at = 2 * i + 1;
    const shares = rounds.map((times) => times[at] / Math.min(times[at - 1], times[at + 1]));
    return shares.sort((a, b) => a - b)[shares.length >> 1];
  });
  return [1, ...others];
}

/** Null: the device's timestamps do not advance. */
async function byTimestamps(
  device: Device,
  works: readonly (() => void)[],
): Promise<number[][] | null> {
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
    const rounds = Array.from(
      { length: ROUNDS },
      (_, round) =>
        works.map((_, w) => {
          const at = 2 * (round * works.length + w);
          return Number(ticks[at + 1] - ticks[at]);
        }),
    );
    return rounds.flat().every((time) => time > 0) ? rounds : null;
  } finally {
    querySet.destroy();
    resolved.destroy();
    read.destroy();
  }
}

/** In milliseconds, with what a wait adds. */
async function byWaiting(device: Device, works: readonly (() => void)[]): Promise<number[][]> {
  await device.sync();
  const rounds: number[][] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const times: number[] = [];
    for (const work of works) {
      const started = performance.now();
      for (let i = 0; i < REPEATS.waits[device.kind]; i++) work();
      await device.sync();
      times.push(performance.now() - started);
    }
    rounds.push(times);
  }
  return rounds;
}
