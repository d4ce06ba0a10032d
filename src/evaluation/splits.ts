/**
 * Which rows a head learns from, chooses on and is tested on: stratified by class, and the same for
 * every seed.
 */

import { Random } from "../base/random.ts";

/** How many labels a head may see: a share of each class, or a number of each class. */
export type Budget = { readonly share: number } | { readonly perClass: number };

/** Rows to fit on and rows to judge by. */
export interface Fold {
  /** Ascending. */
  readonly train: Uint32Array;
  /** Ascending. */
  readonly validation: Uint32Array;
}

/** From this many rows on, one fifth of them is enough to choose by. */
const ROWS_FOR_ONE_SPLIT = 200;
/** One row of so many is held out. */
const FOLDS = 5;

/** "10 %", "10 per class". */
export function describeBudget(budget: Budget): string {
  if ("perClass" in budget) return `${budget.perClass} per class`;
  return `${Number((budget.share * 100).toPrecision(4))} %`;
}

/** The rows of each class, ascending. */
export function rowsByClass(labels: ArrayLike<number>, classes: number): number[][] {
  const rows = Array.from({ length: classes }, (): number[] => []);
  for (let row = 0; row < labels.length; row++) rows[labels[row]].push(row);
  return rows;
}

/**
 * The rows that a budget allows: of each class its share, rounded, and at least one. All draws of
 * all budgets are independent of one another; a whole class is the same in every draw.
 */
export function budgetRows(
  labels: ArrayLike<number>,
  classes: number,
  budget: Budget,
  seed: number,
  draw: number,
): Uint32Array {
  const name = describeBudget(budget);
  const rows = rowsByClass(labels, classes).flatMap((own, c) => {
    const wanted = "perClass" in budget
      ? budget.perClass
      : Math.max(1, Math.round(budget.share * own.length));
    const random = new Random(seed, "label budget", name, draw, c);
    return Array.from(random.sampleWithoutReplacement(own.length, wanted), (i) => own[i]);
  });
  return Uint32Array.from(rows).sort();
}

/**
 * A number of [0, folds) for each row: every class is dealt out evenly, in an order drawn from the
 * seed.
 */
export function stratifiedFolds(
  labels: ArrayLike<number>,
  classes: number,
  folds: number,
  seed: number,
): Uint8Array {
  const fold = new Uint8Array(labels.length);
  let next = 0; // goes on from class to class, so that folds are as large as each other
  rowsByClass(labels, classes).forEach((own, c) => {
    for (const row of new Random(seed, "folds", c).shuffle(own)) fold[row] = next++ % folds;
  });
  return fold;
}

/**
 * The divisions of training rows by which a hyper-parameter is chosen: a fifth held out, or, of
 * fewer than 200 rows, five folds, each held out once.
 */
export function validationFolds(
  labels: ArrayLike<number>,
  classes: number,
  seed: number,
): Fold[] {
  const fold = stratifiedFolds(labels, classes, FOLDS, seed);
  const held = labels.length >= ROWS_FOR_ONE_SPLIT
    ? [0]
    : Array.from({ length: FOLDS }, (_, f) => f);
  return held.map((f) => divide(fold, f)).filter(({ train, validation }) =>
    train.length > 0 && validation.length > 0
  );
}

/** How `validationFolds` divides so many rows, in words. */
export function describeValidation(rows: number): string {
  return rows >= ROWS_FOR_ONE_SPLIT
    ? "a fifth of the training rows, held out"
    : "five folds of the training rows";
}

/** A fifth of the rows held out from all that follows, stratified. */
export function holdOut(labels: ArrayLike<number>, classes: number, seed: number): Fold {
  return divide(stratifiedFolds(labels, classes, FOLDS, seed), 0);
}

function divide(fold: Uint8Array, held: number): Fold {
  const rows = Uint32Array.from(fold, (_, row) => row);
  return {
    train: rows.filter((row) => fold[row] !== held),
    validation: rows.filter((row) => fold[row] === held),
  };
}

/** An N-way K-shot task: which classes, and rows of each. */
export interface Episode {
  /** The classes, ascending. */
  readonly classes: readonly number[];
  /** K training rows of each class. */
  readonly support: Uint32Array;
  /** Up to 20 other training rows of each class, to choose by. */
  readonly choice: Uint32Array;
  /** Up to 20 test rows of each class. */
  readonly query: Uint32Array;
}

/** Rows of each class that an episode is judged on, as the field does. */
export const QUERIES = 20;

/** The episode of a fold; undefined where too few classes have K training rows and one more. */
export function episodeOf(
  labels: { readonly train: ArrayLike<number>; readonly test: ArrayLike<number> },
  classes: number,
  ways: number,
  shots: number,
  seed: number,
  fold: number,
): Episode | undefined {
  const train = rowsByClass(labels.train, classes), test = rowsByClass(labels.test, classes);
  const fit = train.flatMap((rows, c) => rows.length > shots && test[c].length > 0 ? [c] : []);
  if (fit.length < ways) return undefined;
  const random = new Random(seed, "few-shot", ways, shots, fold);
  const chosen = Array.from(random.sampleWithoutReplacement(fit.length, ways), (i) => fit[i]);
  const support: number[] = [], choice: number[] = [], query: number[] = [];
  for (const c of chosen) {
    const rows = random.shuffle([...train[c]]);
    support.push(...rows.slice(0, shots));
    choice.push(...rows.slice(shots, shots + QUERIES));
    query.push(...random.shuffle([...test[c]]).slice(0, QUERIES));
  }
  const ordered = (rows: number[]) => Uint32Array.from(rows).sort();
  return {
    classes: chosen,
    support: ordered(support),
    choice: ordered(choice),
    query: ordered(query),
  };
}
