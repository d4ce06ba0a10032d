/**
 * Compares this device with numbers that PyTorch computed: one training step's outputs, losses and
 * gradients, then the weights after a few AdamW steps.
 */

import type { Batch, BatchView } from "../scenes/batches/batch.ts";
import { Random } from "../base/random.ts";
import type { EncoderOutput } from "../model/encoder.ts";
import type { Losses } from "../model/objectives/objective.ts";
import { featureMetrics } from "../model/metrics.ts";
import { Model, type ModelOptions } from "../model/model.ts";
import { type RegionBatch, uploadBatch } from "../model/region_batch.ts";
import type { Device } from "../gpu/device.ts";
import { AdamW } from "../nn/adamw.ts";
import { learningRate } from "../nn/schedule.ts";
import { type RowIndex, rowIndex, type Tensor } from "../tensor/mod.ts";
import { find, type GoldenProblem, readGolden } from "./golden_file.ts";

/**
 * Largest relative errors of one golden file on one device; each kind's own bar is in
 * `GOLDEN_BARS`.
 */
export interface GoldenReport {
  /** Its path. */
  readonly file: string;
  /** What computed it. */
  readonly device: string;
  /** Whether everything is inside the bar. */
  readonly ok: boolean;
  /** Region and point features of both branches. */
  readonly outputs: number;
  /** Losses and metrics of the first step. */
  readonly losses: number;
  /** Gradients, each relative to its tensor's largest entry. */
  readonly gradients: number;
  /** Total loss over the steps. */
  readonly history: number;
  /** Weights after the steps. */
  readonly params_after: number;
  /**
   * How often the problem was repeated with its inputs moved by rounding (a few units in the last
   * place). A max over points whose two best values are equal to rounding may pick the other point
   * than PyTorch did, a ReLU fall on the other side of 0, and the gradient then takes another path;
   * a true error does not go away. Each number is to be inside the bar once. 0 where the file's own
   * inputs are inside the bar.
   */
  readonly repeats: number;
  /** What lies outside the bar, by tensor name: for a person to read. */
  readonly problems: readonly string[];
}

/** How `verifyGolden` computes. */
export interface VerifyOptions extends ModelOptions {
  /** Most repeats with inputs moved by rounding; default 48. */
  readonly maxRepeats?: number;
}

/** How close is close: float32 sums in another order. */
export const GOLDEN_BARS = {
  outputs: 1e-4,
  losses: 1e-4,
  gradients: 1e-3,
  /** Nine in ten gradients are better than this. */
  mostGradients: 1e-4,
  history: 2e-3,
  params_after: 2e-3,
} as const;

/**
 * Gradients that vanish in exact arithmetic hold rounding only: errors below this count as none.
 */
const GRADIENT_FLOOR = 1e-7;
/** Where a gradient is smaller, Adam turns rounding into a sign; such weights are not compared. */
const ADAM_FLOOR = 1e-6;

/** Largest difference relative to the largest expected entry. */
function relativeError(
  actual: Float32Array,
  expected: Float32Array,
  floor = 0,
  skip: (i: number) => boolean = () => false,
): number {
  if (actual.length !== expected.length) return Infinity;
  let largest = 0;
  let difference = 0;
  for (let i = 0; i < expected.length; i++) {
    largest = Math.max(largest, Math.abs(expected[i]));
    if (skip(i)) continue;
    const d = Math.abs(actual[i] - expected[i]);
    // NaN compares false with everything and must not pass.
    if (!(d <= floor)) difference = Number.isFinite(d) ? Math.max(difference, d) : Infinity;
  }
  // NaN among the expected, too, is an error without bounds.
  return difference === 0 || difference === Infinity
    ? difference
    : difference / Math.max(largest, 1e-30);
}

/** Relative errors by the names of what was compared, kind by kind. */
type Errors = Readonly<
  Record<"outputs" | "losses" | "gradients" | "history" | "params_after", Map<string, number>>
>;

const KINDS = ["outputs", "losses", "gradients", "history", "params_after"] as const;

const noErrors = (): Errors => ({
  outputs: new Map(),
  losses: new Map(),
  gradients: new Map(),
  history: new Map(),
  params_after: new Map(),
});

/** Of each the smaller error: what one run explains, no run needs to explain again. */
function smaller(one: Errors, two: Errors): Errors {
  const out = noErrors();
  for (const kind of KINDS) {
    for (const name of new Set([...one[kind].keys(), ...two[kind].keys()])) {
      out[kind].set(
        name,
        Math.min(one[kind].get(name) ?? Infinity, two[kind].get(name) ?? Infinity),
      );
    }
  }
  return out;
}

/** What lies outside the bar, for a person to read. */
function problemsOf(errors: Errors): string[] {
  const problems = KINDS.flatMap((kind) =>
    [...errors[kind]].filter(([, error]) => error > GOLDEN_BARS[kind]).map(([name, error]) =>
      `${name}: ${error.toExponential(1)} (allowed ${GOLDEN_BARS[kind]})`
    )
  );
  const gradients = [...errors.gradients.values()];
  const coarse = gradients.filter((error) => error > GOLDEN_BARS.mostGradients).length;
  if (coarse > gradients.length / 10) {
    problems.push(
      `${coarse} of ${gradients.length} gradients are past ${GOLDEN_BARS.mostGradients}`,
    );
  }
  return problems;
}

/** Rows of a point tensor in the order of the file. */
async function inFileOrder(points: Tensor, batch: Batch): Promise<Float32Array> {
  const rows = await points.data();
  const out = new Float32Array(rows.length);
  batch.order.forEach((point, row) => {
    out.set(rows.subarray(row * points.cols, (row + 1) * points.cols), point * points.cols);
  });
  return out;
}

/**
 * Every value moved by up to `most` units in the last place, up or down by chance. Four are about
 * what four layers of float32 sums in another order come to.
 */
function movedByRounding(values: Float32Array, random: Random, most: number): Float32Array {
  const units = new Int32Array(values.slice().buffer);
  // The next float32 away from zero or towards it is the next integer; zero stays.
  for (let i = 0; i < units.length; i++) {
    if (values[i] !== 0) units[i] += random.int(2 * most + 1) - most;
  }
  return new Float32Array(units.buffer);
}

/** Run one golden file on `device` and compare. */
export async function verifyGolden(
  device: Device,
  path: string,
  options: VerifyOptions = {},
): Promise<GoldenReport> {
  const { maxRepeats = 48 } = options;
  const problem = await readGolden(path);
  let errors = await compare(device, path, problem, options);
  let repeats = 0;
  const largest = (kind: keyof Errors) => Math.max(0, ...errors[kind].values());
  const explicable = largest("outputs") <= GOLDEN_BARS.outputs &&
    largest("losses") <= GOLDEN_BARS.losses;
  while (explicable && repeats < maxRepeats && problemsOf(errors).length > 0) {
    repeats++;
    // By one unit and by four in turn: the path to be met may be near or further off.
    const most = 1 + 3 * (repeats % 2);
    const moved = (view: "view1" | "view2"): BatchView => {
      const { coords, feats } = problem.batch[view];
      return {
        coords: movedByRounding(coords, new Random(repeats, view, "coords"), most),
        feats: movedByRounding(feats, new Random(repeats, view, "feats"), most),
      };
    };
    const batch = { ...problem.batch, view1: moved("view1"), view2: moved("view2") };
    errors = smaller(errors, await compare(device, path, { ...problem, batch }, options));
  }
  const problems = problemsOf(errors);
  return {
    file: path,
    device: device.description,
    ok: problems.length === 0,
    outputs: largest("outputs"),
    losses: largest("losses"),
    gradients: largest("gradients"),
    history: largest("history"),
    params_after: largest("params_after"),
    repeats,
    problems,
  };
}

/** Compare the first step: outputs, losses, metrics, gradients. */
async function compareFirstStep(
  errors: Errors,
  { batch, file }: GoldenProblem,
  path: string,
  model: Model,
  output: EncoderOutput,
  losses: Losses,
): Promise<void> {
  for (const branch of ["g2l", "l2g"] as const) {
    const { regions, points } = output[branch];
    for (const [l, level] of regions.entries()) {
      const name = `output/${branch}.level_${l}`;
      errors.outputs.set(name, relativeError(await level.data(), find(file, name, path)));
    }
    const name = `output/point_feats_${branch}`;
    errors.outputs.set(
      name,
      relativeError(await inFileOrder(points, batch), find(file, name, path)),
    );
  }
  const scalars: [string, number][] = [["loss/total", await losses.total.item()]];
  for (const [name, loss] of Object.entries(losses.scalars)) {
    scalars.push([`loss/${name}`, await loss.item()]);
  }
  const metrics = await featureMetrics(output.g2l.points, output.l2g.points).data();
  ["alignment", "feat_std", "feat_norm"].forEach((name, i) => {
    scalars.push([`metric/${name}`, metrics[i]]);
  });
  for (const [name, value] of scalars) {
    // A loss of 0 (one row has nothing to contrast with) is compared absolutely.
    const error = relativeError(Float32Array.of(value), find(file, name, path), 1e-6);
    errors.losses.set(name, error);
  }
  const gradients = await model.parameters.read(model.parameters.gradients);
  for (const { name } of model.parameters.trained) {
    const values = gradients.get(name)!;
    const expected = find(file, `grad/${name}`, path);
    errors.gradients.set(`grad/${name}`, relativeError(values, expected, GRADIENT_FLOOR));
  }
}

/**
 * Weights after all steps, but for those that AdamW moves by the sign of next to nothing, and
 * buffers.
 */
async function compareTrainedWeights(
  kind: Map<string, number>,
  file: GoldenProblem["file"],
  path: string,
  model: Model,
): Promise<void> {
  const all = await model.parameters.read();
  for (const { name, buffer } of model.parameters.specs) {
    const values = all.get(name)!;
    if (buffer) {
      const own = `buffer_after/${name}`;
      kind.set(own, relativeError(values, find(file, own, path)));
      continue;
    }
    const gradient = find(file, `grad/${name}`, path);
    const expected = find(file, `param_after/${name}`, path);
    const error = relativeError(values, expected, 0, (i) => Math.abs(gradient[i]) < ADAM_FLOOR);
    kind.set(`param_after/${name}`, error);
  }
}

/** What the trained model says by its running statistics, in files of backbones that have some. */
async function compareEvaluation(
  kind: Map<string, number>,
  { batch, file }: GoldenProblem,
  path: string,
  model: Model,
  deviceBatch: RegionBatch,
  rows: RowIndex | null,
): Promise<void> {
  using _ = model.device.scope();
  const output = model.encode(deviceBatch, "evaluation");
  for (const branch of ["g2l", "l2g"] as const) {
    const name = `output_eval/point_feats_${branch}`;
    const points = await inFileOrder(output[branch].points, batch);
    kind.set(name, relativeError(points, find(file, name, path)));
  }
  const loss = Float32Array.of(await model.losses(output, rows).total.item());
  kind.set("loss_eval/total", relativeError(loss, find(file, "loss_eval/total", path)));
}

/** One comparison. */
async function compare(
  device: Device,
  path: string,
  problem: GoldenProblem,
  options: ModelOptions,
): Promise<Errors> {
  const { config, batch, sample, file } = problem;
  const errors = noErrors();
  using model = new Model(device, config, options);
  using optimiser = new AdamW(model.parameters, { weightDecay: config.weight_decay });
  using _ = device.scope();
  for (const { name, buffer } of model.parameters.specs) {
    model.parameters.write(name, find(file, `${buffer ? "buffer" : "param"}/${name}`, path));
  }
  const deviceBatch = uploadBatch(device, batch);
  const rows = sample ? rowIndex(device, sample, batch.pointCount) : null;
  const history: number[] = [];
  for (let step = 0; step < config.steps; step++) {
    using _step = device.scope();
    model.parameters.zeroGradients();
    const output = model.encode(deviceBatch);
    const losses = model.losses(output, rows);
    const touched = losses.total.backward();
    if (step === 0) await compareFirstStep(errors, problem, path, model, output, losses);
    optimiser.step(learningRate({ ...config, scheduler_type: "cosine" }, step), touched);
    history.push(await losses.total.item());
  }
  errors.history.set(
    "train/loss_history",
    relativeError(Float32Array.from(history), find(file, "train/loss_history", path)),
  );
  await compareTrainedWeights(errors.params_after, file, path, model);
  if (file.tensors.has("loss_eval/total")) {
    await compareEvaluation(errors.params_after, problem, path, model, deviceBatch, rows);
  }
  return errors;
}
