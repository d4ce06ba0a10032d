/**
 * Compares this device with numbers that PyTorch computed: one training step's outputs, losses and
 * gradients, then the weights after a few AdamW steps.
 */

import { buildBatch } from "../scenes/batches/batch_builder.ts";
import { inversePermutation, treeFromNested } from "../scenes/region_tree.ts";
import { readSafetensors, type SafeTensors, toFloat32, toIntegers } from "../base/safetensors.ts";
import type { Batch, BatchView } from "../scenes/batches/batch.ts";
import { Random } from "../base/random.ts";
import type { EncoderOutput } from "../model/encoder.ts";
import type { Losses } from "../model/objectives/objective.ts";
import { featureMetrics } from "../model/metrics.ts";
import { Model, type ModelOptions } from "../model/model.ts";
import type { ModelConfig } from "../model/model_config.ts";
import { type RegionBatch, uploadBatch } from "../model/region_batch.ts";
import { DataError } from "../base/errors.ts";
import type { Device } from "../gpu/device.ts";
import { AdamW } from "../nn/adamw.ts";
import { learningRate, type ScheduleConfig } from "../nn/schedule.ts";
import { type RowIndex, rowIndex, type Tensor } from "../tensor/mod.ts";

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
   * than PyTorch did, and the gradient then takes another path; a true error does not go away. 0
   * where the file's own inputs are inside the bar.
   */
  readonly repeats: number;
  /** What lies outside the bar, by tensor name: for a person to read. */
  readonly problems: readonly string[];
}

/** How `verifyGolden` computes. */
export interface VerifyOptions extends ModelOptions {
  /** Most repeats with inputs moved by rounding; default 24. */
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

interface GoldenConfig extends ModelConfig, Omit<ScheduleConfig, "scheduler_type"> {
  readonly weight_decay: number;
  readonly steps: number;
}

interface GoldenProblem {
  readonly config: GoldenConfig;
  readonly batch: Batch;
  /** Rows of the permuted batch drawn for the point loss; null for all. */
  readonly sample: Uint32Array | null;
  readonly file: SafeTensors;
}

function find(file: SafeTensors, name: string, where: string): Float32Array {
  const found = file.tensors.get(name);
  if (!found) throw new DataError(`Cannot verify ${where}: it holds no tensor ${name}.`);
  // What a BatchNorm counts is a whole number.
  return found.dtype === "I64" && found.shape.length === 0
    ? Float32Array.from(found.data as BigInt64Array, Number)
    : toFloat32(found, `${name} of ${where}`);
}

function parseJson(file: SafeTensors, key: string, where: string): unknown {
  const text = file.metadata[key];
  if (text === undefined) {
    throw new DataError(
      `Cannot verify ${where}: it is no golden file, its metadata holds no ${key}.`,
    );
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new DataError(
      `Cannot verify ${where}: its ${key} is not JSON: ${(error as Error).message}`,
    );
  }
}

/** Read a golden file. */
export async function readGolden(path: string): Promise<GoldenProblem> {
  const file = await readSafetensors(path);
  const config = parseJson(file, "config", path) as GoldenConfig;
  const hierarchies = parseJson(file, "hierarchies", path);
  if (!Array.isArray(hierarchies)) {
    throw new DataError(`Cannot verify ${path}: hierarchies is not a list of trees.`);
  }
  const view = (name: string) => ({
    coords: find(file, `input/${name}.coord`, path),
    feats: find(file, `input/${name}.feat`, path),
  });
  const integers = (name: string) => {
    const found = file.tensors.get(name);
    return found && toIntegers(found, `${name} of ${path}`);
  };
  const views = [view("view1"), view("view2")];
  const offsets = integers("input/offset");
  const width = config.input_feat_dim;
  if (!offsets || offsets.length !== hierarchies.length + 1) {
    throw new DataError(
      `Cannot verify ${path}: input/offset does not fit ${hierarchies.length} trees.`,
    );
  }
  const batch = buildBatch(
    hierarchies.map((tree, scene) => {
      const first = Number(offsets[scene]);
      const last = Number(offsets[scene + 1]);
      const [view1, view2] = views.map(({ coords, feats }) => ({
        coords: coords.subarray(first * 3, last * 3),
        feats: feats.subarray(first * width, last * width),
      }));
      const where = `${path}, scene ${scene}`;
      return {
        scene: {
          id: `${scene}`,
          coords: view1.coords,
          feats: view1.feats,
          featureColumns: [{ name: "features", width, kind: "scalar" as const }],
          tree: treeFromNested(tree, last - first, where),
        },
        view1,
        view2,
      };
    }),
    { maxHierarchyDepth: null },
  );
  const drawn = integers("input/point_sample");
  const rowOfPoint = inversePermutation(batch.order);
  const sample = drawn ? Uint32Array.from(drawn, (point) => rowOfPoint[Number(point)]) : null;
  return { config, batch, sample, file };
}

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

/** Collects errors of one kind against its bar. */
class Comparison {
  largest = 0;
  readonly all: number[] = [];
  readonly #bar: number;
  readonly #problems: string[];

  constructor(bar: number, problems: string[]) {
    this.#bar = bar;
    this.#problems = problems;
  }

  add(name: string, error: number): void {
    this.all.push(error);
    this.largest = Math.max(this.largest, error);
    if (error > this.#bar) {
      this.#problems.push(`${name}: ${error.toExponential(1)} (allowed ${this.#bar})`);
    }
  }
}

type Comparisons = Readonly<
  Record<"outputs" | "losses" | "gradients" | "history" | "params_after", Comparison>
>;

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
 * Every value moved by a few units in the last place, up or down by chance: about what four layers
 * of float32 sums in another order come to.
 */
function movedByRounding(values: Float32Array, random: Random): Float32Array {
  const units = new Int32Array(values.slice().buffer);
  // The next float32 away from zero or towards it is the next integer; zero stays.
  for (let i = 0; i < units.length; i++) if (values[i] !== 0) units[i] += random.int(9) - 4;
  return new Float32Array(units.buffer);
}

/** Run one golden file on `device` and compare. */
export async function verifyGolden(
  device: Device,
  path: string,
  options: VerifyOptions = {},
): Promise<GoldenReport> {
  const { maxRepeats = 24 } = options;
  const problem = await readGolden(path);
  const first = (await compare(device, path, problem, options, false))!;
  if (first.ok || first.outputs > GOLDEN_BARS.outputs || first.losses > GOLDEN_BARS.losses) {
    return first;
  }
  for (let repeats = 1; repeats <= maxRepeats; repeats++) {
    const moved = (view: "view1" | "view2"): BatchView => ({
      coords: movedByRounding(problem.batch[view].coords, new Random(repeats, view, "coords")),
      feats: movedByRounding(problem.batch[view].feats, new Random(repeats, view, "feats")),
    });
    const batch = { ...problem.batch, view1: moved("view1"), view2: moved("view2") };
    const report = await compare(device, path, { ...problem, batch }, options, true);
    if (report?.ok) return { ...report, repeats };
  }
  return { ...first, repeats: maxRepeats };
}

/** Compare the first step: outputs, losses, metrics, gradients. */
async function compareFirstStep(
  kinds: Comparisons,
  problems: string[],
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
      kinds.outputs.add(name, relativeError(await level.data(), find(file, name, path)));
    }
    const name = `output/point_feats_${branch}`;
    kinds.outputs.add(
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
    kinds.losses.add(name, error);
  }
  const gradients = await model.parameters.read(model.parameters.gradients);
  for (const { name } of model.parameters.trained) {
    const values = gradients.get(name)!;
    const expected = find(file, `grad/${name}`, path);
    kinds.gradients.add(`grad/${name}`, relativeError(values, expected, GRADIENT_FLOOR));
  }
  const coarse = kinds.gradients.all.filter((error) => error > GOLDEN_BARS.mostGradients).length;
  if (coarse > kinds.gradients.all.length / 10) {
    problems.push(
      `${coarse} of ${kinds.gradients.all.length} gradients are past ${GOLDEN_BARS.mostGradients}`,
    );
  }
}

/**
 * Weights after all steps, but for those that AdamW moves by the sign of next to nothing, and
 * buffers.
 */
async function compareTrainedWeights(
  kind: Comparison,
  file: GoldenProblem["file"],
  path: string,
  model: Model,
): Promise<void> {
  const all = await model.parameters.read();
  for (const { name, buffer } of model.parameters.specs) {
    const values = all.get(name)!;
    if (buffer) {
      const own = `buffer_after/${name}`;
      kind.add(own, relativeError(values, find(file, own, path)));
      continue;
    }
    const gradient = find(file, `grad/${name}`, path);
    const expected = find(file, `param_after/${name}`, path);
    const error = relativeError(values, expected, 0, (i) => Math.abs(gradient[i]) < ADAM_FLOOR);
    kind.add(`param_after/${name}`, error);
  }
}

/** What the trained model says by its running statistics, in files of backbones that have some. */
async function compareEvaluation(
  kind: Comparison,
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
    kind.add(name, relativeError(points, find(file, name, path)));
  }
  const loss = Float32Array.of(await model.losses(output, rows).total.item());
  kind.add("loss_eval/total", relativeError(loss, find(file, "loss_eval/total", path)));
}

/**
 * One comparison. With `giveUp` null as soon as the first step lies outside the bar: the others
 * take long.
 */
async function compare(
  device: Device,
  path: string,
  problem: GoldenProblem,
  options: ModelOptions,
  giveUp: boolean,
): Promise<GoldenReport | null> {
  const { config, batch, sample, file } = problem;
  const problems: string[] = [];
  const kinds: Comparisons = {
    outputs: new Comparison(GOLDEN_BARS.outputs, problems),
    losses: new Comparison(GOLDEN_BARS.losses, problems),
    gradients: new Comparison(GOLDEN_BARS.gradients, problems),
    history: new Comparison(GOLDEN_BARS.history, problems),
    params_after: new Comparison(GOLDEN_BARS.params_after, problems),
  };
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
    if (step === 0) await compareFirstStep(kinds, problems, problem, path, model, output, losses);
    if (giveUp && problems.length > 0) return null;
    optimiser.step(learningRate({ ...config, scheduler_type: "cosine" }, step), touched);
    history.push(await losses.total.item());
  }
  kinds.history.add(
    "train/loss_history",
    relativeError(Float32Array.from(history), find(file, "train/loss_history", path)),
  );
  await compareTrainedWeights(kinds.params_after, file, path, model);
  if (file.tensors.has("loss_eval/total")) {
    await compareEvaluation(kinds.params_after, problem, path, model, deviceBatch, rows);
  }
  return {
    file: path,
    device: device.description,
    ok: problems.length === 0,
    outputs: kinds.outputs.largest,
    losses: kinds.losses.largest,
    gradients: kinds.gradients.largest,
    history: kinds.history.largest,
    params_after: kinds.params_after.largest,
    repeats: 0,
    problems,
  };
}
