import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { Device } from "../../src/gpu/device.ts";
import { batchNorm, columnStatistics, tensor } from "../../src/tensor/mod.ts";
import { deviceTest, testDevice } from "../support/device.ts";
import { checkOp } from "../support/gradient_check.ts";
import { at, build, type Matrix } from "../support/matrix.ts";

const EPS = 1e-3;

/** Mean and biased variance of a column. */
function statisticsOf(x: Matrix, c: number): { mean: number; variance: number } {
  const column = Array.from({ length: x.rows }, (_, r) => at(x, r, c));
  const mean = column.reduce((a, b) => a + b, 0) / x.rows;
  return { mean, variance: column.reduce((sum, v) => sum + (v - mean) ** 2, 0) / x.rows };
}

function reference(x: Matrix, w: Matrix, b: Matrix): Matrix {
  const all = Array.from({ length: x.cols }, (_, c) => statisticsOf(x, c));
  return build(x.rows, x.cols, (r, c) => {
    const { mean, variance } = all[c];
    return (at(x, r, c) - mean) / Math.sqrt(variance + EPS) * w.data[c] + b.data[c];
  });
}

const SHAPES = [[2, 1], [5, 3], [300, 7], [513, 16], [70, 130]];

async function check(device: Device, [rows, cols]: readonly number[]): Promise<void> {
  await checkOp(
    "batchNorm",
    (x, w, b) => batchNorm(x, w, b, columnStatistics(x), { eps: EPS }),
    reference,
    [[rows, cols], [cols], [cols]],
    // Two rows: their normalised values are +-1 nearly, whose slope is a difference of like numbers.
    { device, tolerance: rows === 2 ? 1e-4 : 2e-5 },
  );
}

for (const shape of SHAPES) {
  deviceTest(`batchNorm of ${shape.join(" x ")}, by the rows' own statistics`, async () => {
    await check(await testDevice(), shape);
  });
}

deviceTest("batchNorm goes through windows of rows", async () => {
  using device = await Device.create({ maxBindingBytes: 4096 });
  await check(device, [300, 7]);
});

deviceTest("batchNorm by given statistics: they take part in no gradient", async () => {
  const device = await testDevice();
  const given = { mean: [0.5, -1, 2], variance: [4, 1, 0.25] };
  await checkOp(
    "batchNorm, given",
    (x, w, b) => {
      const mean = tensor(x.device, given.mean), variance = tensor(x.device, given.variance);
      return batchNorm(x, w, b, { mean, variance }, { eps: EPS, own: false });
    },
    (x, w, b) =>
      build(
        x.rows,
        3,
        (r, c) =>
          (at(x, r, c) - given.mean[c]) / Math.sqrt(given.variance[c] + EPS) * w.data[c] +
          b.data[c],
      ),
    [[40, 3], [3], [3]],
    { device },
  );
});

deviceTest("statistics are the mean and the biased variance, far from zero too", async () => {
  const device = await testDevice();
  using _ = device.scope();
  const { mean, variance } = columnStatistics(tensor(device, [1000, 1, 1002, 3, 1004, 5], [3, 2]));
  assertEquals([...await mean.data()], [1002, 3]);
  for (const value of await variance.data()) assertAlmostEquals(value, 8 / 3, 1e-5);
  assertThrows(() => columnStatistics(tensor(device, [], [0, 2])), TypeError, "no rows");
  const row = tensor(device, [1, 1]);
  assertThrows(
    () => batchNorm(tensor(device, [1, 2, 3], [1, 3]), row, row, { mean: row, variance: row }),
    TypeError,
    "Cannot normalise [1, 3] with [2]: expected weight, bias, mean and variance of [3].",
  );
});
