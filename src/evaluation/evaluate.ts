/**
 * `evaluate`: what the features of a checkpoint are worth, beside an untrained encoder's and the
 * raw inputs.
 */

import { listScenes, ScenesDataset } from "../scenes/scenes_dataset.ts";
import { DataError, UsageError } from "../base/errors.ts";
import type { Device } from "../gpu/device.ts";
import type { TrainingConfig } from "../run/config.ts";
import {
  encoderFromCheckpoint,
  type SceneEncoder,
  untrainedEncoder,
} from "../inference/encoder.ts";
import { type Encoders, gatherSceneVectors } from "./gather.ts";
import type { ClassifierName } from "./heads/classifiers.ts";
import {
  axesCache,
  budgetResult,
  FEWSHOT_SETTINGS,
  fewShotResult,
  type ObjectFeatures,
  type ObjectResult,
} from "./object_protocols.ts";
import { distinctColumns } from "./heads/table.ts";
import { type PointResult, pointResult } from "./point_protocol.ts";
import { classNames, type EvaluationData, labelsOfSides, openSides, type Sides } from "./sides.ts";
import type { Budget } from "./splits.ts";
import type { FeatureChoice } from "./vectors.ts";

/** The protocols. */
export type Protocol = ClassifierName | "fewshot" | "points";

/** All protocols. */
export const PROTOCOLS: readonly Protocol[] = ["linear", "svm", "knn", "fewshot", "points"];

/** What features are compared with. */
export type Baseline = "untrained" | "raw";

/** What is evaluated, and how. */
export interface EvaluateOptions extends EvaluationData {
  /** The checkpoint. */
  readonly checkpoint: string;
  /** The configuration, for a file of weights alone. */
  readonly config?: TrainingConfig;
  /** null: those that the data has labels for. */
  readonly protocols: readonly Protocol[] | null;
  /** What the features are compared with. */
  readonly compare: readonly Baseline[];
  /** Which of the encoder's features are taken. */
  readonly features: FeatureChoice;
  /** Label budgets of linear, svm and knn. */
  readonly budgets: readonly Budget[];
  /** Point labels that count for nothing. */
  readonly ignore: readonly number[];
  /** Most points that the point probe is fitted on. */
  readonly trainPoints: number;
  /** Fixes every draw; the untrained encoder has the checkpoint's seed. */
  readonly seed: number;
}

/** What is shown while it runs. */
export interface EvaluateHooks {
  /** A line to say. */
  readonly onMessage?: (line: string) => void;
  /** How far something is. */
  readonly onProgress?: (what: string, done: number, total: number) => void;
  /** A protocol at one setting is done. */
  readonly onResult?: (result: ObjectResult) => void;
}

/** The outcome: plain data without times, so that the same evaluation gives the same text. */
export interface Evaluation {
  /** The checkpoint's path. */
  readonly checkpoint: string;
  /** The data's path. */
  readonly data: string;
  /** Where the test scenes are from: "test split of DIR". */
  readonly testedOn: string;
  /** Fixes every draw. */
  readonly seed: number;
  /** The encoder's features that were taken. */
  readonly features: string;
  /** Scenes learnt from and tested on. */
  readonly scenes: { readonly train: number; readonly test: number };
  /** Results on whole scenes; null where those protocols did not run. */
  readonly objects: {
    /** Names of the classes. */
    readonly classes: readonly string[];
    /** Values of a row, by features. */
    readonly widths: Readonly<Record<string, number>>;
    /** One for each protocol and setting. */
    readonly results: readonly ObjectResult[];
    /** Few-shot settings that the data is too small for. */
    readonly skipped: readonly string[];
  } | null;
  /** Result on points; null where that protocol did not run. */
  readonly points: PointResult | null;
}

/** What a data set has labels for: of its first training scene. */
async function protocolsFor(dataset: ScenesDataset): Promise<Protocol[]> {
  const { sceneLabel, pointLabels } = await dataset.get(0);
  const objects = sceneLabel !== undefined, points = pointLabels !== undefined;
  const found = PROTOCOLS.filter((protocol) => protocol === "points" ? points : objects);
  if (found.length > 0) return found;
  throw new DataError(
    `Cannot evaluate: ${
      dataset.source.files[0]
    } has neither a scene label nor point labels. Labels come from ` +
      `folders named after classes, or from a point attribute called label or labels, when scans are prepared`,
  );
}

/**
 * Runs the protocols.
 *
 * @throws {UsageError} There are no such files or splits. @throws {DataError} The checkpoint or the
 * labels don't do.
 */
export async function evaluate(
  options: EvaluateOptions,
  hooks: EvaluateHooks = {},
): Promise<Evaluation> {
  const { checkpoint, config: given, seed, features, compare } = options;
  using stack = new DisposableStack();
  const pointsAhead = await estimatePoints(options);
  const trained = stack.use(
    await encoderFromCheckpoint(checkpoint, { pointsAhead, config: given }),
  );
  const { config, model: { device } } = trained;
  hooks.onMessage?.(`Device: ${device.description}`);
  const sides = await openSides(options, config, seed);
  const protocols = options.protocols ?? await protocolsFor(sides.train.dataset);
  if (features.regions && !protocols.includes("points")) {
    throw new UsageError(
      "--features regions is for points: add --protocol points, or leave it out",
    );
  }
  const encoders = new Map<string, SceneEncoder | null>([["trained", trained]]);
  if (compare.includes("untrained")) {
    encoders.set("untrained", stack.use(await untrainedEncoder(config, { device, pointsAhead })));
  }
  if (compare.includes("raw")) encoders.set("raw", null);
  const objects = protocols.some((protocol) => protocol !== "points")
    ? await evaluateObjects(options, protocols, sides, encoders, device, hooks)
    : null;
  const points = protocols.includes("points")
    ? await pointResult({ ...options, device, encoders, choice: features, ...sides, ...hooks })
    : null;
  return {
    checkpoint,
    data: options.data,
    testedOn: sides.testedOn,
    seed,
    features: features.text,
    scenes: { train: sides.train.indices.length, test: sides.test.indices.length },
    objects,
    points,
  };
}

/** About how many points will be encoded: whether faster kernels are worth their compilation. */
async function estimatePoints({ data, test }: EvaluationData): Promise<number> {
  const { train, val, test: own } = await listScenes(data);
  const others = test === undefined ? Math.max(val.length, own.length) : 0;
  return await new ScenesDataset(train).pointCount(0) * (train.length + others);
}

async function evaluateObjects(
  { data, features: choice, budgets, seed }: EvaluateOptions,
  protocols: readonly Protocol[],
  sides: Sides,
  encoders: Encoders,
  device: Device,
  hooks: EvaluateHooks,
): Promise<Evaluation["objects"]> {
  const names = await classNames(data);
  const labels = await labelsOfSides(sides, names);
  const gather = (side: "train" | "test") =>
    gatherSceneVectors(
      sides[side].dataset,
      sides[side].indices,
      labels[side],
      encoders,
      choice,
      (done, total) =>
        hooks.onProgress?.(`Encoding ${side === "train" ? "training" : side} scenes`, done, total),
    );
  const ofTrain = await gather("train"), ofTest = await gather("test");
  const features = [...encoders.keys()].map((name): ObjectFeatures => {
    const [train, test] = distinctColumns([ofTrain.get(name)!, ofTest.get(name)!]);
    return { name, train, test };
  });
  const task = { device, features, classes: labels.classes.length, seed };
  const axesOf = axesCache(device);
  const results: ObjectResult[] = [], skipped: string[] = [];
  const done = (result: ObjectResult) => {
    results.push(result);
    hooks.onResult?.(result);
  };
  for (const protocol of protocols) {
    if (protocol === "points") continue;
    if (protocol === "fewshot") {
      for (const [ways, shots] of FEWSHOT_SETTINGS) {
        hooks.onProgress?.(`fewshot ${ways}-way ${shots}-shot`, 0, 1);
        const result = await fewShotResult(task, ways, shots, axesOf);
        if (result) done(result);
        else skipped.push(`${ways}-way ${shots}-shot`);
      }
      continue;
    }
    for (const budget of budgets) {
      hooks.onProgress?.(protocol, budgets.indexOf(budget), budgets.length);
      done(await budgetResult(task, protocol, budget, axesOf));
    }
  }
  return {
    classes: labels.classes.map(names),
    widths: Object.fromEntries(features.map(({ name, train }) => [name, train.width])),
    results,
    skipped,
  };
}
