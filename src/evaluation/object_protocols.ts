/**
 * Protocols for whole scenes with a class each: classifiers at label budgets, and few-shot tasks.
 */

import type { Device } from "../gpu/device.ts";
import { type Classifier, type ClassifierName, CLASSIFIERS } from "./heads/classifiers.ts";
import { type LabelledTable, principalAxes, takeRows } from "./heads/table.ts";
import { bootstrapMean, countInto, type Interval, meanAndDeviation, scoresOf } from "./scores.ts";
import {
  type Budget,
  budgetRows,
  describeBudget,
  describeValidation,
  type Episode,
  episodeOf,
  validationFolds,
} from "./splits.ts";

/** Scene vectors of one encoder. */
export interface ObjectFeatures {
  /** `trained`, `untrained`, `raw`. */
  readonly name: string;
  /** Rows for fitting. */
  readonly train: LabelledTable;
  /** Rows for testing. */
  readonly test: LabelledTable;
}

/** Everything the protocols need. All features are of the same scenes in the same order. */
export interface ObjectTask {
  /** Where heads are fitted. */
  readonly device: Device;
  /** The first is what the others are compared with. */
  readonly features: readonly ObjectFeatures[];
  /** How many classes there are; every one occurs in train and test. */
  readonly classes: number;
  /** Fixes every draw. */
  readonly seed: number;
}

/** What one kind of features reached. */
export interface FeatureScore {
  /** `trained`, `untrained`, `raw`. */
  readonly features: string;
  /** Share of the test rows that are right, the mean over the draws. */
  readonly accuracy: number;
  /** Deviation over the draws; 0 for one. */
  readonly deviation: number;
  /** Mean over classes of the share that is right, the mean over the draws. */
  readonly meanClassAccuracy: number;
  /** The parameter's value in each draw. */
  readonly chosen: readonly number[];
  /** For each candidate the validation accuracy it was chosen by, the mean over the draws. */
  readonly validation: readonly { readonly value: number; readonly accuracy: number }[];
}

/** How much better the first features are. */
export interface Gain extends Interval {
  /** Than which. */
  readonly over: string;
  /** Difference of accuracies (of mean IoUs for points). */
  readonly difference: number;
}

/** One line of a result: one protocol at one setting. */
export interface ObjectResult {
  /** The protocol. */
  readonly protocol: ClassifierName | "fewshot";
  /** The classifier in words. */
  readonly classifier: string;
  /** The label budget, or "5-way 10-shot". */
  readonly setting: string;
  /** Labels that a head saw. */
  readonly labels: number;
  /** Independent draws of the budget, or folds. */
  readonly draws: number;
  /** λ or k. */
  readonly parameter: string;
  /** By what the parameter was chosen. */
  readonly chosenOn: string;
  /** In the task's order. */
  readonly scores: readonly FeatureScore[];
  /** Of the first features over each of the others. */
  readonly gains: readonly Gain[];
}

/** Budgets of fewer labels than this are drawn several times: one draw says little. */
const FEW_LABELS = 500;
const DRAWS = 20;
/** Folds of a few-shot setting. */
export const FEWSHOT_FOLDS = 10;
/** N-way K-shot settings of the field. */
export const FEWSHOT_SETTINGS: readonly (readonly [ways: number, shots: number])[] = [
  [5, 10],
  [5, 20],
  [10, 10],
  [10, 20],
];

/** The principal axes of each features' training rows: computed once and used by every fit. */
export type AxesOf = (features: ObjectFeatures) => Promise<Float32Array>;

/** Computes axes at the first request and keeps them. */
export function axesCache(device: Device): AxesOf {
  const kept = new Map<ObjectFeatures, Promise<Float32Array>>();
  return (features) => {
    let axes = kept.get(features);
    if (!axes) kept.set(features, axes = principalAxes(device, features.train));
    return axes;
  };
}

/** What the draws of one kind of features came to. */
interface Draws {
  /** Per draw (or fold): share that is right. */
  readonly accuracies: number[];
  readonly classAccuracies: number[];
  readonly chosen: number[];
  /** Per candidate the sum over draws of validation accuracies. */
  readonly validation: Float64Array;
  /** Per test row how often it was right, by the number of draws. */
  readonly right: Float64Array;
}

function noDraws(candidates: number, testRows: number): Draws {
  return {
    accuracies: [],
    classAccuracies: [],
    chosen: [],
    validation: new Float64Array(candidates),
    right: new Float64Array(testRows),
  };
}

/**
 * A classifier on a label budget: the parameter is chosen within the budget's rows, then all of
 * them are fitted.
 */
export async function budgetResult(
  { device, features, classes, seed }: ObjectTask,
  name: ClassifierName,
  budget: Budget,
  axesOf: AxesOf,
): Promise<ObjectResult> {
  const classifier = CLASSIFIERS[name];
  const { train: { labels }, test } = features[0];
  const labelled = budgetRows(labels, classes, budget, seed, 0).length;
  const draws = labelled < FEW_LABELS && labelled < labels.length ? DRAWS : 1;
  // Together, because most fits are small and each waits for the device most of the time.
  const all = await Promise.all(features.map(async (own) => {
    const axes = await axesOf(own);
    const sum = noDraws(classifier.candidates.length, test.labels.length);
    const outcomes = await Promise.all(Array.from({ length: draws }, async (_, draw) => {
      const table = takeRows(own.train, budgetRows(labels, classes, budget, seed, draw));
      const accuracies = await validate(device, classifier, table, classes, seed + draw, axes);
      const best = classifier.candidates[middleLargest(accuracies)];
      const [[predicted]] = await classifier.predict(
        device,
        table,
        classes,
        [own.test],
        [best],
        axes,
      );
      return { accuracies, best, predicted };
    }));
    for (const { accuracies, best, predicted } of outcomes) {
      addDraw(sum, accuracies, best, own.test.labels, predicted, classes, draws);
    }
    return sum;
  }));
  return {
    protocol: name,
    classifier: classifier.title,
    setting: describeBudget(budget),
    labels: labelled,
    draws,
    parameter: classifier.parameter,
    chosenOn: describeValidation(labelled),
    scores: features.map((own, f) => scoreOf(own.name, classifier, all[f])),
    gains: features.slice(1).map((own, f) => {
      const difference = all[0].right.map((value, row) => value - all[f + 1].right[row]);
      return gainOver(own.name, difference, seed);
    }),
  };
}

/**
 * N-way K-shot with a linear SVM: folds of N classes, K training rows and up to 20 test rows of
 * each. λ is the one that does best, over all folds, on up to 20 further training rows of each
 * class. The interval resamples folds. Undefined where there are too few classes, or rows in them.
 */
export async function fewShotResult(
  { device, features, classes, seed }: ObjectTask,
  ways: number,
  shots: number,
  axesOf: AxesOf,
): Promise<ObjectResult | undefined> {
  const classifier = CLASSIFIERS.svm;
  const labels = { train: features[0].train.labels, test: features[0].test.labels };
  const episodes = Array.from(
    { length: FEWSHOT_FOLDS },
    (_, fold) => episodeOf(labels, classes, ways, shots, seed, fold),
  ).filter((episode) => episode !== undefined);
  if (episodes.length < FEWSHOT_FOLDS) return undefined;
  const all = await Promise.all(features.map(async (own) => {
    const axes = await axesOf(own);
    const choice = new Float64Array(classifier.candidates.length);
    const perFold = await Promise.all(
      episodes.map((episode) => predictEpisode(device, own, episode, classifier, ways, axes)),
    );
    for (const { held, onHeld } of perFold) {
      onHeld.forEach((predicted, i) => {
        choice[i] += countRight(held.labels, predicted) / held.labels.length;
      });
    }
    const best = middleLargest(choice);
    const sum = noDraws(classifier.candidates.length, FEWSHOT_FOLDS);
    perFold.forEach(({ labels: truth, predictions }, fold) => {
      const confusion = new Float64Array(ways * ways);
      countInto(confusion, truth, predictions[best], ways);
      const { accuracy, meanAccuracy } = scoresOf(confusion, ways);
      sum.accuracies.push(accuracy);
      sum.classAccuracies.push(meanAccuracy);
      sum.right[fold] = accuracy;
    });
    choice.forEach((value, i) => sum.validation[i] = value);
    sum.chosen.push(classifier.candidates[best]);
    return sum;
  }));
  return {
    protocol: "fewshot",
    classifier: classifier.title,
    setting: `${ways}-way ${shots}-shot`,
    labels: ways * shots,
    draws: FEWSHOT_FOLDS,
    parameter: classifier.parameter,
    chosenOn: "other training rows of the folds' classes",
    scores: features.map((own, f) => scoreOf(own.name, classifier, all[f])),
    gains: features.slice(1).map((own, f) => {
      const difference = all[0].right.map((value, fold) => value - all[f + 1].right[fold]);
      return gainOver(own.name, difference, seed);
    }),
  };
}

/** What each candidate says of the rows that a fold holds out, and of those that it asks. */
async function predictEpisode(
  device: Device,
  own: ObjectFeatures,
  episode: Episode,
  classifier: Classifier,
  ways: number,
  axes: Float32Array,
) {
  const local = new Map(episode.classes.map((c, i) => [c, i]));
  const take = (table: LabelledTable, rows: Uint32Array): LabelledTable => {
    const taken = takeRows(table, rows);
    return { ...taken, labels: taken.labels.map((label) => local.get(label)!) };
  };
  const held = take(own.train, episode.choice), query = take(own.test, episode.query);
  const support = take(own.train, episode.support);
  const [onHeld, onQuery] = await classifier.predict(
    device,
    support,
    ways,
    [held, query],
    classifier.candidates,
    axes,
  );
  return { held, onHeld, labels: query.labels, predictions: onQuery };
}

/** The accuracy of each candidate on the rows that were held out of its training. */
async function validate(
  device: Device,
  classifier: Classifier,
  table: LabelledTable,
  classes: number,
  seed: number,
  axes: Float32Array,
): Promise<Float64Array> {
  const folds = validationFolds(table.labels, classes, seed);
  const right = new Float64Array(classifier.candidates.length);
  let judged = 0;
  await Promise.all(folds.map(async ({ train, validation }) => {
    const held = takeRows(table, validation);
    const [predictions] = await classifier.predict(
      device,
      takeRows(table, train),
      classes,
      [held],
      classifier.candidates,
      axes,
    );
    judged += validation.length;
    predictions.forEach((predicted, i) => right[i] += countRight(held.labels, predicted));
  }));
  return right.map((count) => count / judged);
}

function addDraw(
  sum: Draws,
  validation: Float64Array,
  chosen: number,
  labels: Uint32Array,
  predicted: Uint32Array,
  classes: number,
  draws: number,
): void {
  const confusion = new Float64Array(classes * classes);
  countInto(confusion, labels, predicted, classes);
  const { accuracy, meanAccuracy } = scoresOf(confusion, classes);
  sum.accuracies.push(accuracy);
  sum.classAccuracies.push(meanAccuracy);
  sum.chosen.push(chosen);
  validation.forEach((value, i) => sum.validation[i] += value);
  labels.forEach((label, row) => {
    if (label === predicted[row]) sum.right[row] += 1 / draws;
  });
}

function scoreOf(name: string, { candidates }: Classifier, sum: Draws): FeatureScore {
  const { mean, deviation } = meanAndDeviation(sum.accuracies);
  return {
    features: name,
    accuracy: mean,
    deviation,
    meanClassAccuracy: meanAndDeviation(sum.classAccuracies).mean,
    chosen: sum.chosen,
    validation: candidates.map((value, i) => ({
      value,
      accuracy: sum.validation[i] / sum.accuracies.length,
    })),
  };
}

function gainOver(name: string, difference: Float64Array, seed: number): Gain {
  const mean = difference.reduce((sum, value) => sum + value, 0) / difference.length;
  return { over: name, difference: mean, ...bootstrapMean(difference, seed) };
}

function countRight(labels: Uint32Array, predicted: Uint32Array): number {
  let right = 0;
  for (let row = 0; row < labels.length; row++) right += labels[row] === predicted[row] ? 1 : 0;
  return right;
}

/**
 * The place of the largest value; of several, the middle one: the edges of a plateau are no good
 * choice.
 */
export function middleLargest(values: ArrayLike<number>): number {
  const most = Math.max(...Array.from(values));
  const places = Array.from(values, (_, i) => i).filter((i) => values[i] === most);
  return places[places.length >> 1];
}
