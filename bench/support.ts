/** What the benchmarks share: the device's multiply-add peak, medians, rows of a table. */

import peakWgsl from "../shaders/fma_peak.wgsl" with { type: "text" };
import type { Device } from "../src/gpu/device.ts";
import { empty } from "../src/tensor/mod.ts";

/** Least, middle and largest of some values. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** The spread of values. */
export function spread(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  return { median: sorted[sorted.length >> 1], min: sorted[0], max: sorted.at(-1)! };
}

/** Milliseconds that recording and running `work` takes, until the device is done. */
export async function timed(device: Device, work: () => void): Promise<number> {
  await device.sync();
  const start = performance.now();
  work();
  await device.sync();
  return performance.now() - start;
}

/** Multiply-adds on registers, in GFLOP/s (two operations each): the largest of some runs. */
export async function fmaPeak(device: Device): Promise<number> {
  using _ = device.scope();
  const groups = device.kind === "gpu" ? 16384 : 256;
  const rate = async (turns: number) => {
    const kernel = device.kernel("fma_peak", peakWgsl, { TURNS: turns });
    const out = empty(device, [groups * 64]);
    const run = () => device.run(kernel, { out: out.slice }, {}, groups);
    await timed(device, run);
    const times: number[] = [];
    for (let i = 0; i < 5; i++) times.push(await timed(device, run));
    return { ms: Math.min(...times), operations: 2 * 4 * 8 * turns * groups * 64 };
  };
  // The difference of two lengths leaves out what waiting for the device costs.
  const [short, long] = [await rate(1000), await rate(11000)];
  return (long.operations - short.operations) / (long.ms - short.ms) / 1e6;
}
