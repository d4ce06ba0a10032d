import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { type ContrastSet, smallContrasts } from "../../src/model/fused/contrast/small_contrast.ts";
import { plainInfoNCE } from "../../src/model/info_nce.ts";
import type { Device } from "../../src/gpu/device.ts";
import {
  gatherRows,
  normalize,
  rowIndex,
  type Tensor,
  tensor,
  weightedSum,
} from "../../src/tensor/mod.ts";
import { deviceTest, testDevice } from "../support/device.ts";
import { testOp } from "../support/gradient_check.ts";
import { at, type Matrix } from "../support/matrix.ts";

/** Rows with some likeness to each other, of no particular length. */
function rowValues(rows: number, cols: number): Float32Array {
  return Float32Array.from(
    { length: rows * cols },
    (_, i) => Math.sin(1.7 * i) + 0.6 * Math.cos(i % cols),
  );
}

function rowsOf(x: Tensor, first: number, count: number): Tensor {
  const index = Uint32Array.from({ length: count }, (_, i) => first + i);
  return gatherRows(x, rowIndex(x.device, index, x.rows));
}

/** The plain operations that a small contrast stands for. */
function plainContrasts(x: Tensor, sets: readonly ContrastSet[], temperature: number): Tensor[] {
  const rows = normalize(x);
  return sets.map(({ query, key, size }) =>
    plainInfoNCE(rowsOf(rows, query, size), rowsOf(rows, key, size), temperature)
  );
}

async function computed(
  device: Device,
  contrast: typeof smallContrasts,
  rows: number,
  cols: number,
  sets: readonly ContrastSet[],
  temperature: number,
): Promise<{ losses: number[]; gradient: Float32Array }> {
  using _ = device.scope();
  const x = tensor(device, rowValues(rows, cols), [rows, cols], { requiresGrad: true });
  const losses = contrast(x, sets, temperature);
  weightedSum(losses, losses.map((_, s) => s + 0.5)).backward();
  const values = [];
  for (const loss of losses) values.push(await loss.item());
  return { losses: values, gradient: await x.grad!.data() };
}

const CASES: readonly (readonly [rows: number, cols: number, sets: readonly ContrastSet[]])[] = [
  [2, 4, [{ query: 0, key: 1, size: 1 }]],
  [64, 64, [{ query: 0, key: 18, size: 2 }, { query: 2, key: 20, size: 16 }]],
  [23, 12, [{ query: 3, key: 12, size: 9 }]],
  [70, 8, [{ query: 38, key: 1, size: 32 }, { query: 0, key: 33, size: 1 }]],
  [
    64,
    20,
    Array.from({ length: 8 }, (_, s) => ({ query: 4 * s, key: 32 + 4 * s, size: 1 + s % 4 })),
  ],
];

for (const temperature of [0.02, 0.1, 1]) {
  deviceTest(`small sets at odd sizes are plain InfoNCE, temperature ${temperature}`, async () => {
    const device = await testDevice();
    for (const [rows, cols, sets] of CASES) {
      const got = await computed(device, smallContrasts, rows, cols, sets, temperature);
      const expected = await computed(device, plainContrasts, rows, cols, sets, temperature);
      expected.losses.forEach((loss, s) => {
        assertAlmostEquals(got.losses[s], loss, 1e-5 * Math.max(1, loss), `loss ${s}`);
      });
      const largest = expected.gradient.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
      expected.gradient.forEach((v, i) => {
        assertAlmostEquals(got.gradient[i], v, 2e-5 * largest + 1e-6, `${rows} rows: ${i}`);
      });
    }
  });
}

deviceTest("a row without rivals has no loss and no gradient", async () => {
  const device = await testDevice();
  const sets = [{ query: 0, key: 1, size: 1 }];
  const { losses, gradient } = await computed(device, smallContrasts, 3, 8, sets, 0.07);
  assertEquals(losses, [0]);
  assertEquals([...gradient].map(Math.abs), new Array(24).fill(0));
});

const SLOPE_SETS = [{ query: 0, key: 5, size: 3 }, { query: 9, key: 11, size: 2 }];

/** Σ (s + 1) · InfoNCE of set s, in double precision. */
function contrastsOf(x: Matrix): Matrix {
  const norm = (r: number) => Math.hypot(...x.data.subarray(r * x.cols, (r + 1) * x.cols));
  const similarity = (a: number, b: number) => {
    let dot = 0;
    for (let c = 0; c < x.cols; c++) dot += at(x, a, c) * at(x, b, c);
    return dot / norm(a) / norm(b) / 0.5;
  };
  let sum = 0;
  SLOPE_SETS.forEach(({ query, key, size }, s) => {
    for (let i = 0; i < size; i++) {
      let total = 0;
      for (let j = 0; j < size; j++) total += Math.exp(similarity(query + i, key + j));
      sum += (s + 1) / size * (Math.log(total) - similarity(query + i, key + i));
    }
  });
  return { rows: 1, cols: 1, data: Float64Array.of(sum) };
}

testOp(
  "smallContrasts",
  (x) => weightedSum(smallContrasts(x, SLOPE_SETS, 0.5), [1, 2]),
  contrastsOf,
  [[[13, 4]], [[15, 8]]],
);

deviceTest("a loss that nothing is made of leaves its rows without gradient", async () => {
  const device = await testDevice();
  using _ = device.scope();
  const x = tensor(device, rowValues(8, 4), [8, 4], { requiresGrad: true });
  const sets = [{ query: 0, key: 2, size: 2 }, { query: 4, key: 6, size: 2 }];
  const [, second] = smallContrasts(x, sets, 0.1);
  second.backward();
  const gradient = await x.grad!.data();
  assertEquals([...gradient.subarray(0, 16)], new Array(16).fill(0));
  assertEquals(gradient.subarray(16).every((v) => v !== 0), true);
});

deviceTest("small sets twice are the same to the bit", async () => {
  const device = await testDevice();
  const [rows, cols, sets] = CASES[1];
  const first = await computed(device, smallContrasts, rows, cols, sets, 0.07);
  assertEquals(await computed(device, smallContrasts, rows, cols, sets, 0.07), first);
});

deviceTest(
  "NaN in a row stays NaN in its set's loss alone; rows of zeros do not make any",
  async () => {
    const device = await testDevice();
    using _ = device.scope();
    const values = rowValues(12, 4);
    values.fill(0, 0, 4);
    values[4 * 9 + 1] = NaN;
    const x = tensor(device, values, [12, 4], { requiresGrad: true });
    const sets = [{ query: 0, key: 3, size: 3 }, { query: 6, key: 9, size: 3 }];
    const [first, second] = smallContrasts(x, sets, 0.1);
    weightedSum([first, second], [1, 1]).backward();
    assertEquals(Number.isFinite(await first.item()), true);
    assertEquals(await second.item(), NaN);
    assertEquals((await x.grad!.data()).subarray(0, 24).every(Number.isFinite), true);
  },
);

deviceTest("sets that are too large or lie outside are refused", async () => {
  const device = await testDevice();
  using _ = device.scope();
  const x = tensor(device, rowValues(70, 4), [70, 4]);
  for (const set of [{ query: 0, key: 33, size: 33 }, { query: 0, key: 68, size: 3 }]) {
    assertThrows(() => smallContrasts(x, [set], 1), TypeError, "Cannot contrast");
  }
  assertEquals(smallContrasts(x, [], 1), []);
});

deviceTest("a weighted sum of one value, of few and of many, and its gradients", async () => {
  const device = await testDevice();
  for (const count of [1, 2, 7, 8, 20]) {
    using _ = device.scope();
    const values = Array.from({ length: count }, (_, k) => k - 2.5);
    const weights = values.map((_, k) => 0.25 * k + 1);
    const scalars = values.map((v) => tensor(device, [v], [], { requiresGrad: true }));
    const sum = weightedSum(scalars, weights);
    sum.backward(tensor(device, [3], []));
    assertAlmostEquals(await sum.item(), values.reduce((s, v, k) => s + v * weights[k], 0), 1e-4);
    for (const [k, { grad }] of scalars.entries()) assertEquals(await grad!.item(), 3 * weights[k]);
  }
  using _ = device.scope();
  assertThrows(() => weightedSum([], []), TypeError, "Cannot add");
  assertThrows(() => weightedSum([tensor(device, [1, 2])], [1]), TypeError, "2 elements");
});
