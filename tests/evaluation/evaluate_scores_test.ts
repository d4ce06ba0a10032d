import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import {
  bootstrapMean,
  countInto,
  meanAndDeviation,
  scoresOf,
} from "../../src/evaluation/scores.ts";
import {
  budgetRows,
  describeBudget,
  episodeOf,
  holdOut,
  stratifiedFolds,
  validationFolds,
} from "../../src/evaluation/splits.ts";
import { middleLargest } from "../../src/evaluation/object_protocols.ts";
import { unitsOf } from "../../src/evaluation/block_units.ts";

const labelsOf = (...counts: readonly number[]) =>
  counts.flatMap((count, c) => new Array<number>(count).fill(c));
const perClass = (rows: Uint32Array, labels: readonly number[], classes: number) =>
  Array.from({ length: classes }, (_, c) => rows.filter((row) => labels[row] === c).length);

Deno.test("intersection over union and accuracies, by hand", () => {
  // labels 0 0 0 1 1 2, predictions 0 0 1 1 2 2; class 3 does not occur.
  const confusion = new Float64Array(16);
  countInto(confusion, [0, 0, 0, 1, 1, 2], [0, 0, 1, 1, 2, 2], 4);
  const { accuracy, meanAccuracy, meanIoU, iou } = scoresOf(confusion, 4);
  assertAlmostEquals(accuracy, 4 / 6, 1e-12);
  assertAlmostEquals(meanAccuracy, (2 / 3 + 1 / 2 + 1) / 3, 1e-12);
  assertEquals(iou, [2 / 3, 1 / 3, 1 / 2, null]);
  assertAlmostEquals(meanIoU, (2 / 3 + 1 / 3 + 1 / 2) / 3, 1e-12);
});

Deno.test("a bootstrap interval is that of the normal law for many numbers", () => {
  // 400 numbers ±1: the mean's deviation is 1/20, 1.96 of them are 0.098.
  const values = Float64Array.from({ length: 400 }, (_, i) => i % 2 === 0 ? 1 : -1);
  const { low, high } = bootstrapMean(values, 5);
  assertAlmostEquals(low, -0.098, 0.012);
  assertAlmostEquals(high, 0.098, 0.012);
  assertEquals(bootstrapMean(values, 5), { low, high });
  assertEquals(bootstrapMean(new Float64Array(9).fill(0.25), 1), { low: 0.25, high: 0.25 });
});

Deno.test("of equally good candidates the middle one is taken", () => {
  assertEquals(middleLargest([3, 7, 7, 7, 2]), 2);
  assertEquals(middleLargest([3, 9, 1]), 1);
  assertEquals(middleLargest([5, 1, 5]), 2);
});

Deno.test("mean and deviation", () => {
  assertEquals(meanAndDeviation([1, 2, 3, 4]), { mean: 2.5, deviation: Math.sqrt(5 / 3) });
  assertEquals(meanAndDeviation([7]), { mean: 7, deviation: 0 });
});

Deno.test("budgets take their share of every class, at least one row, the same for the same seed", () => {
  const labels = labelsOf(100, 30, 3);
  const rows = (budget: Parameters<typeof budgetRows>[2], draw = 0, seed = 1) =>
    budgetRows(labels, 3, budget, seed, draw);
  assertEquals(perClass(rows({ share: 0.1 }), labels, 3), [10, 3, 1]);
  assertEquals(perClass(rows({ perClass: 10 }), labels, 3), [10, 10, 3]);
  assertEquals([...rows({ share: 1 })], labels.map((_, row) => row));
  assertEquals(rows({ share: 0.1 }), rows({ share: 0.1 }));
  assert(rows({ share: 0.1 }).join() !== rows({ share: 0.1 }, 1).join());
  assert(rows({ share: 0.1 }).join() !== rows({ share: 0.1 }, 0, 2).join());
  assertEquals([describeBudget({ share: 0.05 }), describeBudget({ perClass: 10 })], [
    "5 %",
    "10 per class",
  ]);
});

Deno.test("folds deal every class out evenly and hold each row out once", () => {
  const labels = labelsOf(23, 9, 2);
  const fold = stratifiedFolds(labels, 3, 5, 4);
  for (let c = 0; c < 3; c++) {
    const counts = [0, 1, 2, 3, 4].map((f) =>
      fold.filter((v, r) => v === f && labels[r] === c).length
    );
    assert(Math.max(...counts) - Math.min(...counts) <= 1, counts.join());
  }
  const folds = validationFolds(labels, 3, 4);
  assertEquals(folds.length, 5);
  assertEquals(folds.flatMap(({ validation }) => [...validation]).sort((a, b) => a - b).length, 34);
  for (const { train, validation } of folds) assertEquals(train.length + validation.length, 34);
  const many = labelsOf(150, 150);
  assertEquals(validationFolds(many, 2, 4).map(({ validation }) => validation.length), [60]);
  const { train, validation } = holdOut(many, 2, 4);
  assertEquals(perClass(validation, many, 2), [30, 30]);
  assertEquals(new Set([...train, ...validation]).size, 300);
});

Deno.test("few-shot episodes draw K rows a class, judge others, and repeat for the same seed", () => {
  const labels = { train: labelsOf(30, 30, 12, 30), test: labelsOf(25, 5, 25, 25) };
  const episode = episodeOf(labels, 4, 3, 12, 9, 0)!;
  assertEquals(episode.classes, [0, 1, 3]); // class 2 has no row left to choose by
  assertEquals(perClass(episode.support, labels.train, 4), [12, 12, 0, 12]);
  assertEquals(perClass(episode.choice, labels.train, 4), [18, 18, 0, 18]);
  assertEquals(perClass(episode.query, labels.test, 4), [20, 5, 0, 20]);
  assertEquals([...episode.support].filter((row) => episode.choice.includes(row)), []);
  assertEquals(episodeOf(labels, 4, 3, 12, 9, 0), episode);
  assert(episodeOf(labels, 4, 3, 12, 9, 1)!.support.join() !== episode.support.join());
  assertEquals(episodeOf(labels, 4, 4, 12, 9, 0), undefined);
});

Deno.test("few scenes are resampled by the regions of the first level that has enough", () => {
  assertEquals(unitsOf(12, [12, 90]).level, 0);
  assertEquals(unitsOf(2, [2, 16, 128, 900]).level, 2);
  assertEquals(unitsOf(2, [2, 16]).level, 1);
  assertEquals(unitsOf(2, [2]).level, 0);
});
