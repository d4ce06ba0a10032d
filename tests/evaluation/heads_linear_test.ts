import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { Random } from "../../src/base/random.ts";
import {
  fitLinear,
  type LinearHead,
  predictLinear,
} from "../../src/evaluation/heads/linear_head.ts";
import { minimizeAll } from "../../src/evaluation/heads/minimize.ts";
import { symmetricEigen } from "../../src/base/symmetric_eigen.ts";
import {
  distinctColumns,
  type LabelledTable,
  principalAxes,
  standardise,
  standardiserOf,
} from "../../src/evaluation/heads/table.ts";
import { deviceTest, testDevice } from "../support/device.ts";

/**
 * Overlapping clouds of points, one a class, in columns of very different sizes and a constant one.
 */
function clouds(rows: number, width: number, classes: number, seed = 7): LabelledTable {
  const random = new Random(seed, "clouds");
  const centers = Array.from({ length: classes * width }, () => random.normal());
  const labels = Uint32Array.from({ length: rows }, (_, row) => row % classes);
  const values = new Float32Array(rows * width);
  for (let row = 0; row < rows; row++) {
    for (let c = 0; c < width; c++) {
      const value = centers[labels[row] * width + c] + 1.5 * random.normal();
      values[row * width + c] = c === width - 1 ? 3 : 5 + 10 ** (c % 4 - 2) * value;
    }
  }
  return { values, width, labels };
}

/** Objective and gradient of a head in float64, straight from their definitions. */
function definition(kind: "logistic" | "svm", table: LabelledTable, head: LinearHead) {
  const { width, labels } = table, { classes, weights, bias, strength } = head;
  const x = standardise(table, standardiserOf(table));
  const rows = labels.length;
  let value = 0;
  const gradient = Float64Array.from(weights, (w) => strength * w);
  const biasGradient = new Float64Array(classes);
  for (const w of weights) value += strength * w * w / 2;
  for (let row = 0; row < rows; row++) {
    const scores = Array.from(bias);
    for (let i = 0; i < width; i++) {
      for (let c = 0; c < classes; c++) {
        scores[c] += x[row * width + i] * weights[i * classes + c];
      }
    }
    let slopes: number[];
    if (kind === "logistic") {
      const total = scores.reduce((sum, s) => sum + Math.exp(s), 0);
      value += (Math.log(total) - scores[labels[row]]) / rows;
      slopes = scores.map((s, c) => Math.exp(s) / total - (c === labels[row] ? 1 : 0));
    } else {
      const short = scores.map((s, c) => Math.max(0, c === labels[row] ? 1 - s : 1 + s));
      value += short.reduce((sum, m) => sum + m * m, 0) / rows;
      slopes = short.map((m, c) => c === labels[row] ? -2 * m : 2 * m);
    }
    slopes.forEach((slope, c) => {
      biasGradient[c] += slope / rows;
      for (let i = 0; i < width; i++) {
        gradient[i * classes + c] += slope * x[row * width + i] / rows;
      }
    });
  }
  return { value, gradient, biasGradient };
}

Deno.test("eigenvectors are orthonormal and put the matrix together again", () => {
  for (const n of [1, 2, 3, 17, 40]) {
    const random = new Random(n, "symmetric");
    const half = Float64Array.from({ length: n * n }, () => random.normal());
    // Of rank n / 2: several eigenvalues are zero.
    const rank = Math.ceil(n / 2);
    const a = new Float64Array(n * n);
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < n; j++) {
        for (let k = 0; k < rank; k++) a[i * n + j] += half[i * n + k] * half[j * n + k];
      }
    }
    const { values, vectors } = symmetricEigen(a, n);
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < n; j++) {
        let back = 0, product = 0;
        for (let k = 0; k < n; k++) {
          back += values[k] * vectors[k * n + i] * vectors[k * n + j];
          product += vectors[i * n + k] * vectors[j * n + k];
        }
        assertAlmostEquals(back, a[i * n + j], 1e-11 * n * n);
        assertAlmostEquals(product, i === j ? 1 : 0, 1e-12 * n);
      }
    }
  }
});

Deno.test("minimising finds the known minima of several functions at once", async () => {
  // ½ (x − m)ᵀ H (x − m) with H tridiagonal, and a quartic that the quadratic model gets wrong.
  const minima = await minimizeAll(
    [new Float64Array(30).fill(0.5), new Float64Array(2).fill(1)],
    (trials) =>
      Promise.resolve(trials.map(({ problem, x }) => {
        const gradient = new Float64Array(x.length);
        let value = 0;
        if (problem === 0) {
          for (let i = 0; i < 30; i++) {
            gradient[i] = (2 + i) * (x[i] - i) - (i > 0 ? x[i - 1] - i + 1 : 0) -
              (i < 29 ? x[i + 1] - i - 1 : 0);
            value += gradient[i] * (x[i] - i) / 2;
          }
        } else {
          value = (x[0] - 3) ** 4 + (x[0] + x[1]) ** 2;
          gradient[0] = 4 * (x[0] - 3) ** 3 + 2 * (x[0] + x[1]);
          gradient[1] = 2 * (x[0] + x[1]);
        }
        return { value, gradient };
      })),
    { tolerance: 1e-6 },
  );
  assert(minima[0].converged && minima[1].converged);
  minima[0].x.forEach((value, i) => assertAlmostEquals(value, i, 1e-3));
  assertAlmostEquals(minima[1].x[0], 3, 0.02);
  assertAlmostEquals(minima[1].x[1], -3, 0.02);
});

for (const kind of ["logistic", "svm"] as const) {
  deviceTest(
    `${kind} heads of all strengths reach the optimum that the definition demands`,
    async () => {
      const device = await testDevice();
      const table = clouds(211, 9, 4);
      const strengths = [1e-3, 1e-1, 10];
      for (const axes of [undefined, await principalAxes(device, table)]) {
        const heads = await fitLinear(device, kind, table, 4, strengths, { axes, tolerance: 1e-5 });
        for (const [i, head] of heads.entries()) {
          assert(head.converged, `${kind} ${head.strength} did not converge`);
          assertEquals(head.strength, strengths[i]);
          const { value, gradient, biasGradient } = definition(kind, table, head);
          assertAlmostEquals(head.objective, value, 1e-6);
          for (const g of [...gradient, ...biasGradient]) assertAlmostEquals(g, 0, 3e-5);
          assertEquals(head.weights.slice(-4), new Float32Array(4)); // the constant column
        }
      }
    },
  );

  deviceTest(`${kind} slopes are the differences of the objective`, async () => {
    const device = await testDevice();
    const table = clouds(40, 3, 3);
    const [head] = await fitLinear(device, kind, table, 3, [0.1], { maxIterations: 2 });
    const { gradient, value } = definition(kind, table, head);
    assertAlmostEquals(head.objective, value, 1e-6);
    const moved = (i: number, by: number) =>
      definition(kind, table, {
        ...head,
        weights: head.weights.map((w, j) => j === i ? w + by : w),
      });
    for (let i = 0; i < 6; i++) {
      const h = 2 ** -10;
      const slope = (moved(i, h).value - moved(i, -h).value) / (2 * h);
      assertAlmostEquals(slope, gradient[i], 1e-4);
    }
  });
}

deviceTest("two classes at ±1 give the weights that one equation fixes", async () => {
  // Rows x = ±1 with labels by sign: with W = (−w, w) the slope is λ w − σ(−2w)·1 = 0.
  const device = await testDevice();
  const table = {
    values: Float32Array.of(-1, 1, -1, 1),
    width: 1,
    labels: Uint32Array.of(0, 1, 0, 1),
  };
  const [head] = await fitLinear(device, "logistic", table, 2, [0.25], { tolerance: 1e-6 });
  let w = 1;
  for (let i = 0; i < 200; i++) w = 0.5 * w + 0.5 / (0.25 * (1 + Math.exp(2 * w)));
  assertAlmostEquals(head.weights[1], w, 1e-5);
  assertAlmostEquals(head.weights[0], -w, 1e-5);
  assertAlmostEquals(head.bias[0], 0, 1e-5);
  assertEquals([...(await predictLinear(device, [head], table))[0]], [0, 1, 0, 1]);
});

deviceTest(
  "heads of several strengths predict as each alone; equal scores give the lower class",
  async () => {
    const device = await testDevice();
    const table = clouds(97, 5, 3);
    const heads = await fitLinear(device, "logistic", table, 3, [1e-2, 1]);
    const together = await predictLinear(device, heads, table);
    for (const [i, head] of heads.entries()) {
      assertEquals((await predictLinear(device, [head], table))[0], together[i]);
      const right = together[i].filter((label, row) => label === table.labels[row]).length;
      assert(right > 60, `${right} of 97`);
    }
    const none = { ...heads[0], weights: new Float32Array(15), bias: new Float32Array(3) };
    assertEquals(Math.max(...(await predictLinear(device, [none], table))[0]), 0);
  },
);

deviceTest("the same fit twice gives the same numbers to the bit", async () => {
  const device = await testDevice();
  const table = clouds(150, 12, 5);
  const axes = await principalAxes(device, table);
  const fit = () => fitLinear(device, "svm", table, 5, [1e-4, 1e-1], { axes });
  const [first, second] = [await fit(), await fit()];
  assertEquals(first, second);
});

deviceTest("columns are standardised by the training rows alone", async () => {
  const device = await testDevice();
  const train = clouds(60, 4, 2);
  const [head] = await fitLinear(device, "logistic", train, 2, [0.1]);
  const mean = [0, 1].map((c) => {
    let sum = 0;
    for (let row = 0; row < 60; row++) sum += train.values[row * 4 + c];
    return sum / 60;
  });
  assertAlmostEquals(head.standardiser.mean[0], mean[0], 1e-9);
  assertAlmostEquals(head.standardiser.mean[1], mean[1], 1e-9);
  assertEquals(head.standardiser.scale[3], 0);
});

Deno.test("columns that repeat in every row of every table count once", () => {
  const table = (...rows: number[][]) => ({
    values: Float32Array.from(rows.flat()),
    width: rows[0].length,
  });
  const train = table([1, 1, 1, 0, 2], [3, 3, 3, 0, 4]);
  // The third column is the first one in training rows alone.
  const test = table([5, 5, 6, 0, 7]);
  const [a, b] = distinctColumns([train, test]);
  assertEquals([a.width, [...a.values], [...b.values]], [4, [1, 1, 0, 2, 3, 3, 0, 4], [
    5,
    6,
    0,
    7,
  ]]);
});
