/** How a step's cost grows: with points, with regions at fixed points, and with depth. */

import type { Device } from "../src/gpu/device.ts";
import { type Problem, timeSteps, warmWorkload } from "./step.ts";
import { duration, durations, exponent, figures, type Spread, type Table } from "./support.ts";

/** One problem of a sweep. */
export interface SweepRow {
  readonly points: number;
  readonly regions: number;
  readonly depth: number;
  readonly step_ms: Spread;
  readonly dispatches: number;
  readonly peak_device_bytes: number;
}

/** A sweep, and how its steps' time grows. */
export interface Sweep {
  readonly over: "points" | "regions" | "depth";
  readonly rows: readonly SweepRow[];
  /** Exponent of the time against points or regions; null where there is nothing to fit. */
  readonly exponent: number | null;
}

const POINTS = [10_000, 30_000, 100_000, 300_000, 1_000_000];
/** Most children of a region: at the same depth, 5 to 4,681 regions of depth 4. */
const BRANCHING = [2, 3, 4, 6, 8];
const DEPTHS = [1, 2, 3, 4, 5, 6];
/** Children of a region where the depth varies: six levels of them fit into 100,000 points. */
const NARROW = 4;

/** The problems of a sweep. */
export function sweepProblems(
  over: Sweep["over"],
  problem: Problem,
  maxPoints: number,
): Problem[] {
  if (over === "points") {
    const fitting = POINTS.filter((points) => points <= maxPoints);
    return (fitting.length > 0 ? fitting : [maxPoints]).map((points) => ({ ...problem, points }));
  }
  const fixed = { ...problem, points: Math.min(problem.points, maxPoints) };
  return over === "regions"
    ? BRANCHING.map((branching) => ({ ...fixed, branching, minPoints: 8 }))
    : DEPTHS.map((depth) => ({ ...fixed, depth, branching: NARROW, minPoints: 8 }));
}

async function measureRow(device: Device, problem: Problem): Promise<SweepRow> {
  using work = await warmWorkload(device, problem);
  const { step, dispatches, peakBytes } = await timeSteps(device, work);
  return {
    points: work.shape.points,
    regions: work.shape.regions,
    depth: work.batch.levels.length - 1,
    step_ms: step,
    dispatches,
    peak_device_bytes: peakBytes,
  };
}

/** Measure a sweep. */
export async function sweep(
  device: Device,
  over: Sweep["over"],
  problem: Problem,
  maxPoints: number,
  say: (line: string) => void,
): Promise<Sweep> {
  const rows: SweepRow[] = [];
  for (const one of sweepProblems(over, problem, maxPoints)) {
    const row = await measureRow(device, one);
    rows.push(row);
    say(`${over}: ${row.points} points, ${row.regions} regions: ${duration(row.step_ms.median)}`);
  }
  const fitted = over !== "depth" && rows.length > 1
    ? exponent(rows.map((row) => [row[over], row.step_ms.median]))
    : null;
  return { over, rows, exponent: fitted };
}

/** A sweep's table. */
export function sweepTable({ rows }: Sweep): Table {
  return [
    ["points", "regions", "depth", "step", "µs a point", "dispatches", "device memory"],
    ...rows.map((row) => [
      row.points.toLocaleString("en"),
      row.regions.toLocaleString("en"),
      String(row.depth),
      durations(row.step_ms),
      figures(1000 * row.step_ms.median / row.points),
      figures(row.dispatches),
      `${figures(row.peak_device_bytes / 1e6)} MB`,
    ]),
  ];
}

/** What a sweep shows, in a line. */
export function sweepLine({ over, exponent, rows }: Sweep): string {
  const range = (of: (row: SweepRow) => number) => {
    const values = rows.map(of);
    return `${Math.min(...values).toLocaleString("en")} to ${
      Math.max(...values).toLocaleString("en")
    }`;
  };
  return exponent === null
    ? `Depth ${range((row) => row.depth)}.`
    : `Time grows with the power ${figures(exponent)} of ${over} (${range((row) => row[over])}).`;
}
