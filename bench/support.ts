/**
 * What the benchmarks share: spreads, the clock, the device's multiply-add peak, exponents, tables.
 */

import peakWgsl from "../shaders/bench/fma_peak.wgsl" with { type: "text" };
import type { Device } from "../src/gpu/device.ts";
import { empty } from "../src/tensor/mod.ts";

/** Least, middle and largest of some values. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** The spread of values; of an even number, the median is the mean of the two in the middle. */
export function spread(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  const median = (sorted[Math.floor(middle)] + sorted[Math.ceil(middle)]) / 2;
  return { median, min: sorted[0], max: sorted.at(-1)! };
}

/** Milliseconds that recording and running `work` takes, until the device is done. */
export async function timed(device: Device, work: () => void): Promise<number> {
  await device.sync();
  const start = performance.now();
  work();
  await device.sync();
  return performance.now() - start;
}

/** Runs that a peak is the best of. */
const PEAK_RUNS = 4;

/** Multiply-adds on registers, in GFLOP/s (two operations each): the largest of some runs. */
export async function fmaPeak(device: Device, runs: number = PEAK_RUNS): Promise<number> {
  using _ = device.scope();
  const groups = device.kind === "gpu" ? 16384 : 256;
  const rate = async (turns: number) => {
    const kernel = device.kernel("fma_peak", peakWgsl, { TURNS: turns });
    const out = empty(device, [groups * 64]);
    const run = () => device.run(kernel, { out: out.slice }, {}, groups);
    await timed(device, run);
    const times: number[] = [];
    for (let i = 0; i < runs; i++) times.push(await timed(device, run));
    return { ms: Math.min(...times), operations: 2 * 4 * 8 * turns * groups * 64 };
  };
  // The difference of two lengths leaves out what waiting for the device costs.
  const [short, long] = [await rate(1000), await rate(11000)];
  return (long.operations - short.operations) / (long.ms - short.ms) / 1e6;
}

/**
 * The exponent b of y = a · x^b that fits best: least squares of the logarithms. NaN where all x
 * are the same.
 */
export function exponent(points: readonly (readonly [x: number, y: number])[]): number {
  const logs = points.map(([x, y]) => [Math.log(x), Math.log(y)]);
  const mean = (axis: number) => logs.reduce((sum, point) => sum + point[axis], 0) / logs.length;
  const [mx, my] = [mean(0), mean(1)];
  let xx = 0;
  let xy = 0;
  for (const [x, y] of logs) {
    xx += (x - mx) ** 2;
    xy += (x - mx) * (y - my);
  }
  return xx > 0 ? xy / xx : NaN;
}

/** Rows of cells; the first row is the head. */
export type Table = readonly (readonly string[])[];

/** A table for a terminal: the first column to the left, numbers to the right. */
export function textTable(rows: Table): string {
  const widths = rows[0].map((_, c) => Math.max(...rows.map((row) => row[c].length)));
  return rows.map((row) =>
    row.map((cell, c) => c === 0 ? cell.padEnd(widths[c]) : cell.padStart(widths[c])).join("  ")
      .trimEnd()
  ).join("\n");
}

/** The same for a Markdown page, laid out as `deno fmt` does. */
export function markdownTable(rows: Table): string {
  const widths = rows[0].map((_, c) => Math.max(3, ...rows.map((row) => row[c].length)));
  const line = (cells: readonly string[], fill = " ") =>
    `| ${cells.map((cell, c) => cell.padEnd(widths[c], fill)).join(" | ")} |`;
  return [line(rows[0]), line(rows[0].map(() => ""), "-"), ...rows.slice(1).map((r) => line(r))]
    .join("\n");
}

/** Milliseconds, or seconds from one on, with three figures. */
export function duration(ms: number): string {
  return ms < 1000 ? `${figures(ms)} ms` : `${figures(ms / 1000)} s`;
}

/** A spread of milliseconds. */
export function durations({ median, min, max }: Spread): string {
  const [unit, name] = median < 1000 ? [1, "ms"] : [1000, "s"];
  return `${figures(median / unit)} ${name} (${figures(min / unit)} – ${figures(max / unit)})`;
}

/** A number with three figures, or all of its whole ones. */
export function figures(value: number): string {
  if (!Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  return value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : 2);
}

/** A share in per cent. */
export function percent(share: number): string {
  return `${figures(100 * share)} %`;
}
