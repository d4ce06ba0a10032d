/** What `deno task bench` says of a problem: the JSON object, and tables. */

import type { Device } from "../src/gpu/device.ts";
import {
  type Phase,
  PHASES,
  type Problem,
  type StepProfile,
  type StepTimes,
  type WarmWorkload,
} from "./step.ts";
import { duration, durations, figures, percent, type Spread, type Table } from "./support.ts";

/** What `--json` prints of a problem. Milliseconds, bytes, 10⁹ operations (two a multiply-add). */
export interface BenchResult {
  readonly device: string;
  readonly config: Problem["config"];
  readonly fused: boolean;
  readonly scenes: number;
  readonly depth: number;
  /** Points and regions of a step, all scenes together. */
  readonly points: number;
  readonly regions: number;
  /** A step of a run, `steps_per_wait` of them submitted together and waited for once. */
  readonly step_ms: Spread;
  readonly steps_per_wait: number;
  /** A step waited for by itself. */
  readonly waited_step_ms: Spread;
  readonly points_per_second: number;
  /** What the merged mathematics of a step asks for, and what the kernels execute. */
  readonly useful_gflop: number;
  readonly executed_gflop: number;
  readonly useful_gflops: number;
  readonly executed_gflops: number;
  /** The median of those measured after each sample of the phases. */
  readonly fma_peak_gflops: number;
  /** Useful, of the whole step. */
  readonly step_share_of_peak: number;
  readonly encoder_forward_ms: Spread;
  /** Useful, and its share: the median of the samples', each of the peak measured after it. */
  readonly encoder_forward_gflops: number;
  readonly encoder_forward_share_of_peak: number;
  /** Rows that the backward pass goes over, of each of G2L's levels and of L2G's leaves. */
  readonly gradient_rows: readonly number[];
  readonly peak_device_bytes: number;
  /** Of a step. */
  readonly dispatches: number;
  readonly submissions: number;
  /**
   * Whether the phases' device time is the device's own account, or the clock's with a wait in
   * each.
   */
  readonly timestamps: boolean;
  readonly phases: readonly {
    readonly phase: Phase;
    /** Until its calls returned: recording, submitting, and waiting where a submission has to. */
    readonly processor_ms: number;
    readonly device_ms: number;
    readonly dispatches: number;
  }[];
}

/** Put together what was measured. */
export function benchResult(
  device: Device,
  { problem, shape, batch }: WarmWorkload,
  times: StepTimes,
  profile: StepProfile,
  peakGflops: number,
): BenchResult {
  const { points, regions, gradientRows, useful, executed } = shape;
  const { step } = times;
  const forward = profile.phases["encoder forward"].ms;
  const gflop = (multiplyAdds: number) => 2 * multiplyAdds / 1e9;
  const rate = (multiplyAdds: number, ms: number) => 1000 * gflop(multiplyAdds) / ms;
  const forwardRate = rate(useful.encoderForward, forward.median);
  return {
    device: device.description,
    config: problem.config,
    fused: problem.fused,
    scenes: problem.scenes,
    depth: batch.levels.length - 1,
    points,
    regions,
    step_ms: step,
    steps_per_wait: times.together,
    waited_step_ms: times.waited,
    points_per_second: 1000 * points / step.median,
    useful_gflop: gflop(useful.step),
    executed_gflop: gflop(executed.step),
    useful_gflops: rate(useful.step, step.median),
    executed_gflops: rate(executed.step, step.median),
    fma_peak_gflops: peakGflops,
    step_share_of_peak: rate(useful.step, step.median) / peakGflops,
    encoder_forward_ms: forward,
    encoder_forward_gflops: forwardRate,
    encoder_forward_share_of_peak: profile.forwardShare.median,
    gradient_rows: gradientRows,
    peak_device_bytes: times.peakBytes,
    dispatches: times.dispatches,
    submissions: times.submissions,
    timestamps: profile.timestamps,
    phases: PHASES.map((phase) => ({
      phase,
      processor_ms: times.processor[phase],
      device_ms: profile.phases[phase].ms.median,
      dispatches: profile.phases[phase].dispatches,
    })),
  };
}

const count = (value: number) => value.toLocaleString("en");
const megabytes = (bytes: number) => `${count(Math.round(bytes / 1e6))} MB`;

/** What was measured, line by line. */
export function resultLines(result: BenchResult): string {
  const rows = result.gradient_rows.reduce((sum, own) => sum + own, 0);
  const lines = [
    ["device", result.device],
    ["points, regions of a step", `${count(result.points)}, ${count(result.regions)}`],
    [`step of a run (${result.steps_per_wait} to a wait)`, durations(result.step_ms)],
    ["step waited for by itself", durations(result.waited_step_ms)],
    ["points per second", count(Math.round(result.points_per_second))],
    ["multiply-add peak", `${figures(result.fma_peak_gflops)} GFLOP/s`],
    [
      "useful arithmetic of a step",
      `${figures(result.useful_gflop)} GFLOP, ${figures(result.useful_gflops)} GFLOP/s, ` +
      `${percent(result.step_share_of_peak)} of the peak`,
    ],
    [
      "executed",
      `${figures(result.executed_gflop)} GFLOP, ${figures(result.executed_gflops)} GFLOP/s`,
    ],
    [
      "encoder forward, useful",
      `${durations(result.encoder_forward_ms)}, ${
        figures(result.encoder_forward_gflops)
      } GFLOP/s, ` +
      `${percent(result.encoder_forward_share_of_peak)} of the peak`,
    ],
    ["rows with gradient", count(rows)],
    ["device memory, most", megabytes(result.peak_device_bytes)],
    [
      "dispatches, submissions of a step",
      `${figures(result.dispatches)}, ${figures(result.submissions)}`,
    ],
  ];
  return lines.map(([name, value]) => `${name.padEnd(36)}${value}`).join("\n");
}

/** Where the time of a step goes. */
export function phaseTable(result: BenchResult): Table {
  const whole = result.step_ms.median;
  const device = result.phases.reduce((sum, { device_ms }) => sum + device_ms, 0);
  const processor = result.phases.reduce((sum, { processor_ms }) => sum + processor_ms, 0);
  const dispatches = result.phases.reduce((sum, own) => sum + own.dispatches, 0);
  const kind = result.timestamps ? "in kernels" : "waited for";
  return [
    ["phase", "processor", kind, "of the step", "dispatches"],
    ...result.phases.map(({ phase, processor_ms, device_ms, dispatches }) => [
      phase,
      duration(processor_ms),
      duration(device_ms),
      percent(device_ms / whole),
      String(dispatches),
    ]),
    ["all", duration(processor), duration(device), percent(device / whole), String(dispatches)],
  ];
}

/** The kernels of a step, those below a thousandth of it together. */
export function kernelTable({ kernels }: StepProfile): Table {
  const whole = kernels.reduce((sum, { ms }) => sum + ms, 0);
  const large = kernels.filter(({ ms }) => ms >= whole / 1000);
  const small = kernels.filter(({ ms }) => ms < whole / 1000);
  const sum = (of: "ms" | "dispatches") => small.reduce((total, own) => total + own[of], 0);
  const rest = { name: `${small.length} others`, ms: sum("ms"), dispatches: sum("dispatches") };
  return [
    ["kernel", "dispatches", "time", "share"],
    ...[...large, ...(small.length > 0 ? [rest] : [])].map(({ name, ms, dispatches }) => [
      name,
      figures(dispatches),
      duration(ms),
      percent(ms / whole),
    ]),
  ];
}

/** One line of the table of problems in docs/performance.md. */
export function problemRow(title: string, command: string, result: BenchResult): string[] {
  return [
    title,
    `\`${command}\``,
    durations(result.step_ms),
    count(Math.round(result.points_per_second)),
    duration(result.encoder_forward_ms.median),
    `${percent(result.encoder_forward_share_of_peak)} of ${
      figures(result.fma_peak_gflops)
    } GFLOP/s`,
    `${figures(result.useful_gflops)}, ${figures(result.executed_gflops)} GFLOP/s`,
    figures(result.dispatches),
    megabytes(result.peak_device_bytes),
  ];
}

/** The head of the table of problems. */
export const PROBLEM_HEAD: readonly string[] = [
  "problem",
  "command",
  "step",
  "points a second",
  "encoder forward",
  "its share of the peak",
  "useful, executed",
  "dispatches",
  "device memory",
];
