/**
 * How good predictions are: accuracies, intersection over union, and how sure a difference of them
 * is.
 */

import { Random } from "../base/random.ts";

/** Scores of a confusion matrix. */
export interface Scores {
  /** Share of the rows that are right. */
  readonly accuracy: number;
  /** Mean over the classes that occur of the share of their rows that are right. */
  readonly meanAccuracy: number;
  /** Mean of `iou` over the classes that occur. */
  readonly meanIoU: number;
  /**
   * (classes) right / (right + wrongly so called + missed); null for a class that does not occur.
   */
  readonly iou: readonly (number | null)[];
}

/** An interval that holds the true difference in 95 of 100 experiments like this one. */
export interface Interval {
  /** 2.5 % of the resamples are lower. */
  readonly low: number;
  /** 2.5 % are higher. */
  readonly high: number;
}

/** Adds to `confusion` (classes, classes), rows by label, columns by prediction. */
export function countInto(
  confusion: Float64Array,
  labels: ArrayLike<number>,
  predictions: ArrayLike<number>,
  classes: number,
): void {
  for (let row = 0; row < labels.length; row++) {
    confusion[labels[row] * classes + predictions[row]]++;
  }
}

/** Scores of a confusion matrix (classes, classes), rows by label, columns by prediction. */
export function scoresOf(confusion: Float64Array, classes: number): Scores {
  let all = 0, right = 0, recalls = 0, ious = 0, present = 0;
  const iou: (number | null)[] = [];
  for (let c = 0; c < classes; c++) {
    let labelled = 0, called = 0;
    for (let other = 0; other < classes; other++) {
      labelled += confusion[c * classes + other];
      called += confusion[other * classes + c];
    }
    const hits = confusion[c * classes + c];
    all += labelled;
    right += hits;
    if (labelled === 0) {
      iou.push(null);
      continue;
    }
    present++;
    recalls += hits / labelled;
    iou.push(hits / (labelled + called - hits));
    ious += hits / (labelled + called - hits);
  }
  return {
    accuracy: right / all,
    meanAccuracy: recalls / present,
    meanIoU: ious / present,
    iou,
  };
}

/** Resamples of a bootstrap. */
export const RESAMPLES = 2000;

/**
 * A percentile bootstrap: `units` things are drawn with replacement as often as there are, and
 * `statistic` is told how often each was drawn. Paired where the statistic is a difference on the
 * same things. The seed fixes every draw.
 */
export function bootstrap(
  units: number,
  statistic: (drawn: Uint32Array) => number,
  seed: number,
): Interval {
  const random = new Random(seed, "bootstrap");
  const values = new Float64Array(RESAMPLES);
  const drawn = new Uint32Array(units);
  for (let r = 0; r < RESAMPLES; r++) {
    drawn.fill(0);
    for (let i = 0; i < units; i++) drawn[random.int(units)]++;
    values[r] = statistic(drawn);
  }
  values.sort();
  return { low: quantile(values, 0.025), high: quantile(values, 0.975) };
}

/** The interval of a mean of `values`. */
export function bootstrapMean(values: Float64Array, seed: number): Interval {
  return bootstrap(values.length, (drawn) => {
    let sum = 0;
    for (let i = 0; i < values.length; i++) sum += drawn[i] * values[i];
    return sum / values.length;
  }, seed);
}

/** Of values in ascending order; between two of them in proportion. */
function quantile(sorted: Float64Array, q: number): number {
  const at = q * (sorted.length - 1), below = Math.floor(at);
  return sorted[below] + (at - below) * ((sorted[below + 1] ?? sorted[below]) - sorted[below]);
}

/** Mean and standard deviation (n − 1); of one value the deviation is 0. */
export function meanAndDeviation(values: readonly number[]): { mean: number; deviation: number } {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, deviation: values.length > 1 ? Math.sqrt(squares / (values.length - 1)) : 0 };
}
