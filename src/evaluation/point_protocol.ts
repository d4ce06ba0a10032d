/** The protocol for points with a class each: a linear probe per point, whole scenes held out. */

import { Random } from "../base/random.ts";
import type { Device } from "../gpu/device.ts";
import { unitOfPoints, type Units, unitsOf } from "./block_units.ts";
import type { Encoders } from "./gather.ts";
import { CLASSIFIERS } from "./heads/classifiers.ts";
import { fitLinear, predictLinear } from "./heads/linear_head.ts";
import { type LabelledTable, principalAxes, takeRows } from "./heads/table.ts";
import { type Gain, middleLargest } from "./object_protocols.ts";
import { classesOf, labelsOf, type PointScenes, type Survey, survey } from "./point_labels.ts";
import { bootstrap, countInto, type Scores, scoresOf } from "./scores.ts";
import { eachEncoded } from "./point_rows.ts";
import type { FeatureChoice } from "./vectors.ts";

/** Everything the protocol needs. */
export interface PointTask {
  /** Where heads are fitted. */
  readonly device: Device;
  /** The first is what the others are compared with. */
  readonly encoders: Encoders;
  /** Directions that are taken. */
  readonly choice: FeatureChoice;
  /** Scenes to fit on. */
  readonly train: PointScenes;
  /** Scenes to test on. */
  readonly test: PointScenes;
  /** Labels that count for nothing, besides those below 0. */
  readonly ignore: readonly number[];
  /** Most training points, but for the rounding of each class's share. */
  readonly trainPoints: number;
  /** Fixes every draw. */
  readonly seed: number;
  /** Called with what is being done and how far it is. */
  readonly onProgress?: (what: string, done: number, total: number) => void;
}

/** What one kind of features reached. */
export interface PointScore extends Scores {
  /** `trained`, `untrained`, `raw`. */
  readonly features: string;
  /** λ. */
  readonly chosen: number;
  /** For each candidate the mean IoU it was chosen by. */
  readonly validation: readonly { readonly value: number; readonly meanIoU: number }[];
}

/** The result of the protocol. */
export interface PointResult {
  /** The labels that count, ascending; classes are places in this list. */
  readonly classes: readonly number[];
  /** Labelled points of the training scenes, and how many of them were fitted. */
  readonly trainPoints: { readonly all: number; readonly fitted: number };
  /** Labelled points of the test scenes, all of which count. */
  readonly testPoints: number;
  /** Points with a label that is ignored, in train and test. */
  readonly ignoredPoints: number;
  /** On what λ was chosen. */
  readonly chosenOn: string;
  /** What the bootstrap resamples. */
  readonly resampled: string;
  /** In the task's order. */
  readonly scores: readonly PointScore[];
  /** Differences of mean IoU, of the first features over each of the others. */
  readonly gains: readonly Gain[];
}

/** Points at most on each side when λ is chosen. */
const CHOICE_POINTS = 20_000;

/**
 * Runs the protocol.
 * @throws {DataError} Labels are missing, or a class is in the test scenes alone.
 */
export async function pointResult(task: PointTask): Promise<PointResult> {
  const { encoders, seed } = task;
  const train = await survey(task.train, task.ignore);
  const test = await survey(task.test, task.ignore);
  const classes = classesOf(train, test);
  const depth = train.regionsByLevel.length - 1;
  const classOf = new Map(classes.map((label, c) => [label, c]));
  const parts = partsToHoldOut(train.scenes, train.regionsByLevel);
  const { tables, partOfRow, all } = await gatherTraining(task, train, classOf, depth, parts);
  const validation = choiceOf(partOfRow, parts, seed);
  const fitted: Fitted[] = [];
  for (const [name, table] of tables) {
    task.onProgress?.(`points ${name}`, 0, 1);
    fitted.push(await fitChosen(task, name, table, classes.length, validation));
  }
  const units = unitsOf(test.scenes, test.regionsByLevel);
  const confusions = await testAll(task, fitted, classOf, units, depth);
  const scores = fitted.map(({ name, head, validation }, f): PointScore => ({
    features: name,
    ...scoresOf(total(confusions[f], classes.length), classes.length),
    chosen: head.strength,
    validation,
  }));
  return {
    classes,
    trainPoints: { all, fitted: partOfRow.length },
    testPoints: sum(test.counts.values()),
    ignoredPoints: train.ignored + test.ignored,
    chosenOn: validation.text,
    resampled: `test ${units.text}`,
    scores,
    gains: [...encoders.keys()].slice(1).map((over, f) => ({
      over,
      difference: scores[0].meanIoU - scores[f + 1].meanIoU,
      ...bootstrapDifference(confusions[0], confusions[f + 1], classes.length, seed),
    })),
  };
}

/** The training points that are fitted: of each class the same share, drawn from all scenes. */
async function gatherTraining(
  task: PointTask,
  { counts }: Survey,
  classOf: ReadonlyMap<number, number>,
  depth: number,
  parts: Units,
): Promise<{ tables: Map<string, LabelledTable>; partOfRow: Uint32Array; all: number }> {
  const all = sum(counts.values());
  const share = Math.min(1, task.trainPoints / all);
  const drawn = new Map(
    [...counts].map(([label, count]) => [
      label,
      {
        seen: 0,
        next: 0,
        rows: new Random(task.seed, "training points", label)
          .sampleWithoutReplacement(count, Math.max(1, Math.round(share * count))),
      },
    ]),
  );
  const labels: number[] = [], partOfRow: number[] = [];
  let nextPart = 0;
  const rowsOf = new Map(
    [...task.encoders.keys()].map((name): [string, Float32Array[]] => [name, []]),
  );
  const widths = new Map<string, number>();
  const total = task.train.indices.length;
  const onScenes = (done: number) => task.onProgress?.("Encoding training scenes", done, total);
  await eachEncoded({ ...task, depth }, task.train, onScenes, (scene, _, features) => {
    const { units, next } = unitOfPoints(scene, parts.level, nextPart);
    nextPart = next;
    const picked: number[] = [];
    labelsOf(scene).forEach((label, point) => {
      const own = drawn.get(label);
      if (!own || !classOf.has(label)) return;
      if (own.rows[own.next] === own.seen++) {
        own.next++;
        picked.push(point);
        labels.push(classOf.get(label)!);
        partOfRow.push(units[point]);
      }
    });
    for (const [name, { values, width }] of features) {
      rowsOf.get(name)!.push(rowsAt(values, width, picked));
      widths.set(name, width);
    }
  });
  const tables = new Map([...rowsOf].map(([name, own]): [string, LabelledTable] => {
    const width = widths.get(name)!;
    const values = joined(own, labels.length * width);
    return [name, { values, width, labels: Uint32Array.from(labels) }];
  }));
  return { tables, partOfRow: Uint32Array.from(partOfRow), all };
}

/** The rows of some points. */
function rowsAt(values: Float32Array, width: number, points: readonly number[]): Float32Array {
  const rows = new Float32Array(points.length * width);
  points.forEach((point, i) => {
    rows.set(values.subarray(point * width, (point + 1) * width), i * width);
  });
  return rows;
}

/** Arrays one after the other, `length` values in all. */
function joined(parts: readonly Float32Array[], length: number): Float32Array {
  const values = new Float32Array(length);
  let at = 0;
  for (const part of parts) {
    values.set(part, at);
    at += part.length;
  }
  return values;
}

/** Rows to choose λ with: in each fold some are fitted and others judged. */
interface Choice {
  readonly folds: readonly { readonly fit: Uint32Array; readonly judge: Uint32Array }[];
  readonly text: string;
}

/** Folds at most. */
const FOLDS = 5;

/**
 * What is held out when λ is chosen: scenes; of a single scene regions of the first level that has
 * a few, for single points lie next to others of their own region, and whatever tells regions apart
 * would seem to tell classes.
 */
function partsToHoldOut(scenes: number, regionsByLevel: readonly number[]): Units {
  const level = scenes > 1 ? 0 : regionsByLevel.findIndex((count) => count >= FOLDS);
  return level <= 0
    ? { level: 0, text: "training scenes" }
    : { level, text: `regions of level ${level} of the one training scene` };
}

/**
 * Of few parts each is held out once, alone or with others; of more than 4 scenes a fifth is held
 * out, once.
 */
function choiceOf(partOfRow: Uint32Array, { level, text }: Units, seed: number): Choice {
  const random = new Random(seed, "validation scenes");
  const parts = random.shuffle([...new Set(partOfRow)].sort((a, b) => a - b));
  const folds = Math.min(FOLDS, parts.length);
  const foldOf = new Map(parts.map((part, i) => [part, i % folds]));
  const once = level === 0 && parts.length >= FOLDS;
  const rows = Uint32Array.from(partOfRow, (_, row) => row);
  const most = Math.round(CHOICE_POINTS / (once ? 1 : folds));
  const some = (fold: number, judged: boolean) => {
    const all = rows.filter((row) => (foldOf.get(partOfRow[row]) === fold) === judged);
    const name = judged ? "points to judge" : "points to fit";
    return new Random(seed, name, fold).sampleWithoutReplacement(all.length, most)
      .map((i) => all[i]);
  };
  const held = parts.filter((_, i) => i % folds === 0).length;
  return {
    folds: Array.from({ length: once ? 1 : folds }, (_, fold) => ({
      fit: some(fold, folds === 1),
      judge: some(fold, true),
    })),
    text: once
      ? `${held} of the ${parts.length} ${text}, held out`
      : folds === 1
      ? "the points that were fitted: there is a single region"
      : `${folds} folds of the ${parts.length} ${text}`,
  };
}

/** A head and what it came from. */
interface Fitted {
  readonly name: string;
  readonly head: Awaited<ReturnType<typeof fitLinear>>[number];
  readonly validation: PointScore["validation"];
}

async function fitChosen(
  { device }: PointTask,
  name: string,
  table: LabelledTable,
  classes: number,
  { folds }: Choice,
): Promise<Fitted> {
  const axes = await principalAxes(device, table);
  const { candidates } = CLASSIFIERS.linear;
  const confusions = candidates.map(() => new Float64Array(classes ** 2));
  for (const { fit, judge } of folds) {
    const held = takeRows(table, judge);
    const heads = await fitLinear(device, "logistic", takeRows(table, fit), classes, candidates, {
      axes,
    });
    (await predictLinear(device, heads, held)).forEach((predicted, i) =>
      countInto(confusions[i], held.labels, predicted, classes)
    );
  }
  const judged = confusions.map((confusion) => scoresOf(confusion, classes).meanIoU);
  const strength = candidates[middleLargest(judged)];
  const [head] = await fitLinear(device, "logistic", table, classes, [strength], { axes });
  return {
    name,
    head,
    validation: candidates.map((value, i) => ({ value, meanIoU: judged[i] })),
  };
}

/** For each head the confusion matrices of the units that the bootstrap draws. */
async function testAll(
  task: PointTask,
  fitted: readonly Fitted[],
  classOf: ReadonlyMap<number, number>,
  { level }: Units,
  depth: number,
): Promise<Float64Array[][]> {
  const size = classOf.size ** 2;
  const confusions = fitted.map((): Float64Array[] => []);
  let first = 0;
  const total = task.test.indices.length;
  const onScenes = (done: number) => task.onProgress?.("Encoding test scenes", done, total);
  await eachEncoded({ ...task, depth }, task.test, onScenes, async (scene, _, features) => {
    const labels = labelsOf(scene);
    const { units, next } = unitOfPoints(scene, level, first);
    for (const [f, { name, head }] of fitted.entries()) {
      const [predicted] = await predictLinear(task.device, [head], features.get(name)!);
      for (let unit = first; unit < next; unit++) confusions[f].push(new Float64Array(size));
      predicted.forEach((prediction, point) => {
        const label = classOf.get(labels[point]);
        if (label === undefined) return;
        confusions[f][units[point]][label * classOf.size + prediction]++;
      });
    }
    first = next;
  });
  return confusions;
}

function total(confusions: readonly Float64Array[], classes: number): Float64Array {
  const all = new Float64Array(classes ** 2);
  for (const confusion of confusions) confusion.forEach((count, i) => all[i] += count);
  return all;
}

/** The interval of the difference of mean IoUs when the units are drawn anew. */
function bootstrapDifference(
  a: readonly Float64Array[],
  b: readonly Float64Array[],
  classes: number,
  seed: number,
): { low: number; high: number } {
  // Units without a labelled point say nothing; most entries of the others are zero.
  const sparse = a.map((own, unit) => [own, b[unit]].map(entries));
  const kept = sparse.filter(([own]) => own.length > 0);
  const sums = [new Float64Array(classes ** 2), new Float64Array(classes ** 2)];
  return bootstrap(kept.length, (drawn) => {
    const [first, second] = sums.map((sum, side) => {
      sum.fill(0);
      kept.forEach((unit, u) => {
        if (drawn[u] === 0) return;
        for (const [i, count] of unit[side]) sum[i] += drawn[u] * count;
      });
      return scoresOf(sum, classes).meanIoU;
    });
    return first - second;
  }, seed);
}

function entries(confusion: Float64Array): [number, number][] {
  return [...confusion].flatMap((count, i): [number, number][] => count > 0 ? [[i, count]] : []);
}

function sum(values: Iterable<number>): number {
  let all = 0;
  for (const value of values) all += value;
  return all;
}
