/**
 * Training steps on synthetic rooms: how long they take as a run of them, and what of it goes
 * where.
 */

import type { Batch } from "../src/scenes/batches/batch.ts";
import { makeTrainingBatch } from "../src/scenes/batches/loader.ts";
import { Random } from "../src/base/random.ts";
import { SyntheticDataset } from "../src/scenes/synthetic/synthetic.ts";
import { featureMetrics } from "../src/model/metrics.ts";
import { Model, type ModelOptions } from "../src/model/model.ts";
import { uploadBatch } from "../src/model/region_batch.ts";
import type { Device } from "../src/gpu/device.ts";
import { AdamW } from "../src/nn/adamw.ts";
import { rowIndex } from "../src/tensor/mod.ts";
import { TrainingConfig } from "../src/run/config.ts";
import { READ_EVERY } from "../src/training/pace.ts";
import { type TimedDispatch, timedDispatches, watchGradientRows } from "./profile.ts";
import { fmaPeak, type Spread, spread } from "./support.ts";
import { executedWork, stepRows, type StepWork, usefulWork } from "./work.ts";

/** What a step is made of, in order. */
export const PHASES = [
  "upload",
  "encoder forward",
  "losses",
  "backward",
  "optimiser, metrics",
] as const;

/** A part of a step. */
export type Phase = typeof PHASES[number];

/** What is trained on. */
export interface Problem {
  /** Points a scene. */
  readonly points: number;
  /** Scenes a step. */
  readonly scenes: number;
  /** Depth of the region trees. */
  readonly depth: number;
  /** Most children of a region; default 8. */
  readonly branching?: number;
  /** Points that a region is cut from on, halved; default 32. */
  readonly minPoints?: number;
  readonly config: "small" | "full";
  readonly fused: boolean;
  /** Samples taken of everything that is timed. */
  readonly steps: number;
}

/** A problem set up on a device. */
export interface Workload extends Disposable {
  readonly problem: Problem;
  readonly config: TrainingConfig;
  readonly batch: Batch;
  readonly model: Model;
  /** Record and submit a step; each phase is yielded as it begins. */
  step(): Generator<Phase, void, void>;
}

function roomsOf({ points, scenes, depth, branching, minPoints }: Problem): SyntheticDataset {
  const tree = { branching, minPoints, maxDepth: depth };
  return new SyntheticDataset({ scenes, seed: 1, points, ...tree });
}

async function makeBatch(
  config: TrainingConfig,
  rooms: SyntheticDataset,
  { scenes, depth }: Problem,
): Promise<Batch> {
  return await makeTrainingBatch(rooms, Array.from({ length: scenes }, (_, i) => i), {
    seed: 1,
    epoch: 0,
    step: 0,
    augmentation: config.augmentation,
    maxHierarchyDepth: depth,
    featureWidth: config.input_feat_dim,
  });
}

function workload(
  device: Device,
  problem: Problem,
  config: TrainingConfig,
  batch: Batch,
  options: ModelOptions,
): Workload {
  const model = new Model(device, config, options);
  model.parameters.initialise(1);
  const optimiser = new AdamW(model.parameters);
  const { point_num_samples: samples } = config;
  const { pointCount } = batch;
  let steps = 0;
  return {
    problem,
    config,
    batch,
    model,
    // The same commands as the Trainer's.
    *step() {
      using _ = device.scope();
      yield "upload";
      const uploaded = uploadBatch(device, batch);
      const drawn = new Random(1, "sample", steps++);
      const rows = pointCount > samples
        ? rowIndex(device, drawn.sampleWithoutReplacement(pointCount, samples), pointCount)
        : null;
      yield "encoder forward";
      model.parameters.zeroGradients();
      const output = model.encode(uploaded);
      yield "losses";
      const losses = model.losses(output, rows);
      yield "backward";
      const touched = losses.total.backward();
      yield "optimiser, metrics";
      optimiser.step(config.learning_rate, touched);
      featureMetrics(output.g2l.points, output.l2g.points);
      device.flush();
      device.pool.tick();
    },
    [Symbol.dispose]() {
      optimiser[Symbol.dispose]();
      model[Symbol.dispose]();
    },
  };
}

/** Record and submit a whole step. */
function submit(work: Workload, at: (phase: Phase) => void = () => {}): void {
  for (const phase of work.step()) at(phase);
}

/** What the shape of a problem says of its steps. */
export interface StepShape {
  readonly points: number;
  readonly regions: number;
  /** Rows that each encoding went over backward: G2L's levels, then L2G's leaves. */
  readonly gradientRows: readonly number[];
  readonly useful: StepWork;
  readonly executed: StepWork;
}

async function shapeOf(device: Device, work: Workload): Promise<StepShape> {
  const { config, batch, problem } = work;
  const rows = stepRows(batch, config);
  const watch = watchGradientRows(device);
  submit(work);
  const gradientRows = (await watch.stop()).map((count, e) => count ?? rows.encodings[e].rows);
  return {
    points: batch.pointCount,
    regions: rows.regions.reduce((sum, count) => sum + count, 0),
    gradientRows,
    useful: usefulWork(config, rows, gradientRows),
    executed: executedWork(config, rows, gradientRows, problem.fused),
  };
}

/** A problem that is set up, compiled and warm. */
export interface WarmWorkload extends Workload {
  readonly shape: StepShape;
}

/** The configuration that is called full or small. */
export function configuration(name: Problem["config"]): TrainingConfig {
  return TrainingConfig.fromObject({ small_mode: name === "small", dataset: "synthetic" });
}

/** Set a problem up and run it twice. */
export async function warmWorkload(device: Device, problem: Problem): Promise<WarmWorkload> {
  const config = configuration(problem.config);
  const rooms = roomsOf(problem);
  const batch = await makeBatch(config, rooms, problem);
  const make = (options: ModelOptions) => workload(device, problem, config, batch, options);
  let shape: StepShape | null = null;
  if (!problem.fused) {
    // The plain path goes over all rows; which of them have gradient the fused path knows.
    using counting = make({ rowVariant: "loops" });
    shape = await shapeOf(device, counting);
  }
  const { fused } = problem;
  const ahead = { steps: Infinity };
  device.pool.trim();
  device.pool.resetPeak();
  const work = make({ fused, ...ahead });
  submit(work);
  await device.sync();
  if (shape) submit(work);
  shape ??= await shapeOf(device, work);
  await device.sync();
  return { ...work, shape };
}

/** How long steps take. */
export interface StepTimes {
  /**
   * A step of a run: several are submitted one after the other and waited for together, as training
   * does it.
   */
  readonly step: Spread;
  /** Steps submitted together. */
  readonly together: number;
  /** A step that is waited for by itself, as `Trainer.trainStep` does it. */
  readonly waited: Spread;
  /**
   * Until the calls of each phase of a step returned: recording, submitting, waiting where a
   * submission has to.
   */
  readonly processor: Readonly<Record<Phase, number>>;
  readonly dispatches: number;
  readonly submissions: number;
  readonly peakBytes: number;
}

/** Most steps between two waits. */
const MOST_TOGETHER = 64;

/** Time steps of a warm workload. Nothing else is measured meanwhile. */
export async function timeSteps(device: Device, work: WarmWorkload): Promise<StepTimes> {
  const { steps } = work.problem;
  const recorded = new Map<Phase, number[]>(PHASES.map((phase) => [phase, []]));
  const once = () => {
    let since = performance.now();
    let phase: Phase | null = null;
    const end = (next: Phase | null) => {
      const now = performance.now();
      if (phase) recorded.get(phase)!.push(now - since);
      [phase, since] = [next, now];
    };
    submit(work, end);
    end(null);
  };
  const several = async (count: number) => {
    const start = performance.now();
    for (let i = 0; i < count; i++) once();
    await device.sync();
    return (performance.now() - start) / count;
  };
  const first = await several(1);
  const together = Math.min(MOST_TOGETHER, Math.max(1, Math.floor(1000 * READ_EVERY / first)));
  for (const times of recorded.values()) times.length = 0;
  const before = { ...device.counters };
  const times: number[] = [];
  for (let i = 0; i < steps; i++) times.push(await several(together));
  const { dispatches, submissions } = device.counters;
  const waited: number[] = [];
  for (let i = 0; together > 1 && i < steps; i++) waited.push(await several(1));
  const medians = [...recorded].map(([phase, values]) => [phase, spread(values).median]);
  return {
    step: spread(times),
    together,
    waited: spread(together > 1 ? waited : times),
    processor: Object.fromEntries(medians) as Record<Phase, number>,
    dispatches: (dispatches - before.dispatches) / (steps * together),
    submissions: (submissions - before.submissions) / (steps * together),
    peakBytes: device.pool.usage.peak,
  };
}

/** What the device did in a phase of a step. */
export interface PhaseTime {
  readonly ms: Spread;
  readonly dispatches: number;
}

/** What the device did in a kernel, of all phases of a step. */
export interface KernelTime {
  readonly name: string;
  readonly ms: number;
  readonly dispatches: number;
}

/** Where the device's time goes in a step. */
export interface StepProfile {
  /**
   * Whether it is the device's own account: kernels alone. Else the clock's, with a wait for the
   * device in each phase.
   */
  readonly timestamps: boolean;
  readonly phases: Readonly<Record<Phase, PhaseTime>>;
  /** Multiply-add peaks in GFLOP/s, one measured after each sample. */
  readonly peaks: readonly number[];
  /**
   * Useful arithmetic of the encoder's forward pass in its time, against the peak measured after
   * it.
   */
  readonly forwardShare: Spread;
  /** The longest first; none without timestamps. */
  readonly kernels: readonly KernelTime[];
}

/** A kernel's name without the numbers of its shape. */
export function kernelTitle(name: string): string {
  return name.replace(/ \d.*$/, "");
}

/**
 * Profile steps of a warm workload.
 * @param tickMs null: the device has no timestamps
 */
export async function profileSteps(
  device: Device,
  work: WarmWorkload,
  tickMs: number | null,
): Promise<StepProfile> {
  const { steps } = work.problem;
  const times = new Map<Phase, number[]>(PHASES.map((phase) => [phase, []]));
  const dispatches = new Map<Phase, number>();
  const kernels = new Map<string, { ms: number; dispatches: number }>();
  const peaks: number[] = [];
  for (let i = 0; i < steps; i++) {
    // After each sample: a shared machine is not as fast at the end as it was at the beginning.
    if (i > 0) peaks.push(await fmaPeak(device, 2));
    if (tickMs === null) {
      await waitedPhases(device, work, (phase, ms, count) => {
        times.get(phase)!.push(ms);
        dispatches.set(phase, count);
      });
      continue;
    }
    const all = await timedDispatches(device, tickMs, (at) => submit(work, at));
    for (const phase of PHASES) {
      const own = all.filter((dispatch) => dispatch.phase === phase);
      times.get(phase)!.push(own.reduce((sum, { ms }) => sum + ms, 0));
      dispatches.set(phase, own.length);
    }
    addKernels(kernels, all, steps);
  }
  peaks.push(await fmaPeak(device, 2));
  const forwardOperations = 2 * work.shape.useful.encoderForward;
  const forward = times.get("encoder forward")!;
  const phases = PHASES.map((phase): [Phase, PhaseTime] => [phase, {
    ms: spread(times.get(phase)!),
    dispatches: dispatches.get(phase)!,
  }]);
  return {
    timestamps: tickMs !== null,
    peaks,
    forwardShare: spread(peaks.map((peak, i) => forwardOperations / forward[i] / 1e6 / peak)),
    phases: Object.fromEntries(phases) as Record<Phase, PhaseTime>,
    kernels: [...kernels].map(([name, sums]) => ({ name, ...sums })).sort((a, b) => b.ms - a.ms),
  };
}

async function waitedPhases(
  device: Device,
  work: Workload,
  done: (phase: Phase, ms: number, dispatches: number) => void,
): Promise<void> {
  let phase: Phase | null = null;
  let since = 0;
  let dispatches = 0;
  const end = async (next: Phase | null) => {
    await device.sync();
    if (phase) done(phase, performance.now() - since, device.counters.dispatches - dispatches);
    phase = next;
    dispatches = device.counters.dispatches;
    since = performance.now();
  };
  for (const next of work.step()) await end(next);
  await end(null);
}

/** Add the dispatches of one of `steps` steps to the means of the kernels. */
function addKernels(
  kernels: Map<string, { ms: number; dispatches: number }>,
  dispatches: readonly TimedDispatch[],
  steps: number,
): void {
  for (const { kernel, ms } of dispatches) {
    const name = kernelTitle(kernel);
    const sums = kernels.get(name) ?? { ms: 0, dispatches: 0 };
    sums.ms += ms / steps;
    sums.dispatches += 1 / steps;
    kernels.set(name, sums);
  }
}
