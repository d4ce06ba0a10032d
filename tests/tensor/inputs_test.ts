import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { fusedInfoNCE } from "../../src/model/fused/contrast/info_nce.ts";
import { plainInfoNCE } from "../../src/model/info_nce.ts";
import { featureMetrics } from "../../src/model/metrics.ts";
import { Device } from "../../src/gpu/device.ts";
import * as t from "../../src/tensor/mod.ts";
import * as table from "../../src/tensor/operations.ts";
import type { Tensor } from "../../src/tensor/mod.ts";
import { deviceTest, testDevice } from "../support/device.ts";

/**
 * Every operation on tensors, called with one (2, 3) tensor where it takes any, and others of the
 * kind it wants.
 */
const OPERATIONS: Readonly<Record<string, (x: Tensor, other: Tensor) => unknown>> = {
  add: (x, y) => t.add(y, x),
  sub: (x, y) => t.sub(x, y),
  mul: (x, y) => t.mul(y, x),
  div: (x, y) => t.div(x, y),
  scale: (x) => t.scale(x, 2),
  concat: (x, y) => t.concat([y, x]),
  columns: (x) => t.columns(x, 0, 2),
  diagonal: (x) => t.diagonal(x),
  gatherRows: (x) => t.gatherRows(x, t.rowIndex(x.device, Uint32Array.of(0), 2)),
  layerNorm: (x, y) => t.layerNorm(y, x, x),
  logSumExp: (x) => t.logSumExp(x),
  matmul: (x, y) => t.matmul(y, x, { transposeB: true }),
  linear: (x, y) => t.linear(y, x),
  normalize: (x) => t.normalize(x),
  segmentMax: (x) => t.segmentMax(x, t.segmentsOfLengths(x.device, [2])),
  segmentMean: (x) => t.segmentMean(x, t.segmentsOfLengths(x.device, [2])),
  segmentSum: (x) => t.segmentSum(x, t.segmentsOfLengths(x.device, [2])),
  segmentSoftmax: (x) => t.segmentSoftmax(x, t.segmentsOfLengths(x.device, [2])),
  sparseConv: (x) => {
    const map = t.submanifoldMap(x.device, Uint32Array.of(0, 1), 1, 2);
    return t.sparseConv(x, t.tensor(x.device, [1, 1, 1], [1, 1, 3]), map);
  },
  batchNorm: (x) => {
    const row = t.tensor(x.device, [1, 1, 1]);
    return t.batchNorm(x, row, row, { mean: row, variance: row });
  },
  columnStatistics: (x) => t.columnStatistics(x),
  expand: (x) => t.expand(x, [2, 3]),
  mean: (x) => t.mean(x),
  sum: (x) => t.sum(x),
  sumCols: (x) => t.sumCols(x),
  sumRows: (x) => t.sumRows(x),
  transpose: (x) => t.transpose(x),
  exp: (x) => t.exp(x),
  gelu: (x) => t.gelu(x),
  log: (x) => t.log(x),
  relu: (x) => t.relu(x),
  sigmoid: (x) => t.sigmoid(x),
  sqrt: (x) => t.sqrt(x),
  weightedSum: (x, y) => t.weightedSum([y, x], [1, 1]),
  infoNCE: (x, y) => plainInfoNCE(y, x, 1),
  fusedInfoNCE: (x, y) => fusedInfoNCE(x, y, 1),
  featureMetrics: (x, y) => featureMetrics(y, x),
};

/** Operations that take two tensors. */
const PAIRS = new Set(
  ["add", "sub", "mul", "div", "concat", "layerNorm", "matmul", "linear", "weightedSum"].concat(
    ["infoNCE", "fusedInfoNCE", "featureMetrics"],
  ),
);

deviceTest("every exported operation is in this table", () => {
  const others = ["rowIndex", "reshape"];
  const operations = Object.entries(table)
    .filter(([, value]) => typeof value === "function")
    .map(([name]) => name)
    .filter((name) => !others.includes(name));
  assertEquals(operations.filter((name) => !(name in OPERATIONS)), []);
});

deviceTest("integers are no operands: no operation takes their bits for f32", async () => {
  const device = await testDevice();
  using _ = device.scope();
  const other = t.zeros(device, [2, 3]);
  for (const data of [new Int32Array(6), new Uint32Array(6)]) {
    const x = t.tensor(device, data, [2, 3]);
    for (const [name, run] of Object.entries(OPERATIONS)) {
      assertThrows(() => run(x, other), TypeError, "expected tensors of f32 values", name);
    }
  }
});

deviceTest("what is no tensor is refused in words of this library", async () => {
  const device = await testDevice();
  using _ = device.scope();
  const other = t.zeros(device, [2, 3]);
  for (const [name, run] of Object.entries(OPERATIONS)) {
    // deno-lint-ignore no-explicit-any
    const wrong = { device, rows: 2, cols: 3, size: 6, shape: [2, 3] } as any;
    assertThrows(() => run(wrong, other), TypeError, "expected a tensor, got", name);
  }
});

deviceTest("tensors of two devices are refused, and both devices go on", async () => {
  const device = await testDevice();
  using second = await Device.create();
  using _ = device.scope();
  const here = t.tensor(device, [1, 2, 3, 4, 5, 6], [2, 3]);
  const there = t.tensor(second, [1, 2, 3, 4, 5, 6], [2, 3]);
  for (const name of PAIRS) {
    assertThrows(() => OPERATIONS[name](here, there), TypeError, "two devices", name);
  }
  // Below the operations: any buffer of another device.
  assertThrows(() => device.clear(there.slice), Error, "lies on another device");
  assertThrows(() => device.copy(there.slice, here.slice), Error, "lies on another device");
  assertThrows(() => device.write(there.slice, new Float32Array(6)), Error, "another device");
  const index = t.rowIndex(second, Uint32Array.of(0), 2);
  assertThrows(() => t.gatherRows(here, index), Error, "lies on another device");
  await device.sync();
  await second.sync();
  assertEquals([...await t.add(here, here).data()], [2, 4, 6, 8, 10, 12]);
});

deviceTest("numbers are operands, on either side, with the gradients of the others", async () => {
  const device = await testDevice();
  using _ = device.scope();
  const cases: [(x: Tensor) => Tensor, number[], number[]][] = [
    [(x) => t.add(x, 2), [3, 4, 6], [1, 1, 1]],
    [(x) => t.add(2, x), [3, 4, 6], [1, 1, 1]],
    [(x) => t.sub(x, 2), [-1, 0, 2], [1, 1, 1]],
    [(x) => t.sub(2, x), [1, 0, -2], [-1, -1, -1]],
    [(x) => t.mul(x, 3), [3, 6, 12], [3, 3, 3]],
    [(x) => t.mul(3, x), [3, 6, 12], [3, 3, 3]],
    [(x) => t.div(x, 2), [0.5, 1, 2], [0.5, 0.5, 0.5]],
    [(x) => t.div(8, x), [8, 4, 2], [-8, -2, -0.5]],
  ];
  for (const [compute, values, gradient] of cases) {
    const x = t.tensor(device, [1, 2, 4], [3], { requiresGrad: true });
    const y = compute(x);
    t.sum(y).backward();
    assertEquals([...await y.data()], values);
    assertEquals([...await x.grad!.data()], gradient);
  }
  assertThrows(() => t.add(1, 2), TypeError, "add: expected at least one tensor, got the numbers");
  assertThrows(
    () => t.scale(t.zeros(device, [1]), "2" as unknown as number),
    TypeError,
    "scale: expected a number",
  );
});

deviceTest("sizes that count nothing are refused", async () => {
  const device = await testDevice();
  using _ = device.scope();
  const x = t.zeros(device, [2, 3]);
  const refused: [() => unknown, string][] = [
    [() => t.zeros(device, [1.5]), "[1.5]: expected whole numbers of 0 or more, got 1.5"],
    [() => t.zeros(device, [-1, 2]), "got -1"],
    [() => t.zeros(device, [NaN]), "got NaN"],
    [() => t.empty(device, [2 ** 40, 2 ** 40]), "no more elements than 2⁵³"],
    [() => t.full(device, [-2], 1), "got -2"],
    [() => t.tensor(device, [], [0, -1]), "got -1"],
    [() => t.reshape(x, [-2, -3]), "got -2"],
    [() => t.expand(x, [2, 1.5]), "got 1.5"],
    [() => t.columns(x, 0.5, 1), "Cannot take columns"],
    [() => t.columns(x, 0, NaN), "Cannot take columns"],
    [() => t.concat([]), "concat: expected at least one tensor, got none"],
    [() => t.weightedSum([], []), "Cannot add 0 values with 0 weights"],
    [() => t.mean(t.zeros(device, [0, 3])), "Cannot take the mean of a tensor of shape [0, 3]"],
    [() => t.segmentsOfLengths(device, [-1, 3]), "Cannot make a segment of -1 rows (number 0)"],
    [() => t.segmentsOfLengths(device, [1, 0.5]), "Cannot make a segment of 0.5 rows (number 1)"],
    [
      () => t.makeSegments(device, Uint32Array.of(0, 1), Uint32Array.of(2, 3), 3),
      "Cannot make segment 1 of rows 1 to 3",
    ],
    [() => t.makeSegments(device, Uint32Array.of(0), Uint32Array.of(4), 3), "within 3 rows"],
    [() => t.rowIndex(device, Uint32Array.of(0), -1), "Cannot index -1 rows"],
    [() => t.tensor(device, new Float64Array(3) as unknown as Float32Array), "Float64Array"],
    [
      () => t.tensor(device, Int32Array.of(1), [1], { requiresGrad: true }),
      "Cannot give i32 values a gradient",
    ],
    [() => featureMetrics(x, t.zeros(device, [4, 5])), "features [2, 3] and [4, 5]"],
    [() => featureMetrics(t.zeros(device, [0, 3]), t.zeros(device, [0, 3])), "with rows"],
    [() => plainInfoNCE(x, t.zeros(device, [3, 3]), 1), "Cannot contrast [2, 3] with [3, 3]"],
    [() => plainInfoNCE(x, x, 0), "at temperature 0"],
    [() => fusedInfoNCE(x, x, NaN), "at temperature NaN"],
  ];
  for (const [make, words] of refused) {
    assertStringIncludes(assertThrows(make, Error).message, words);
  }
  await device.sync();
});

deviceTest("a backward pass that reaches nothing is refused, not silent", async () => {
  const device = await testDevice();
  using _ = device.scope();
  const x = t.tensor(device, [1, 2], [2], { requiresGrad: true });
  assertThrows(() => t.sum(x.detach()).backward(), TypeError, "nothing it was computed from has");
  {
    using _off = t.noGrad(device);
    assertThrows(() => t.sum(x).backward(), TypeError, "gradients were off (noGrad)");
  }
  const y = t.sum(x);
  const wrong = t.tensor(device, Uint32Array.of(1), []);
  assertThrows(() => y.backward(wrong), TypeError, "expected f32");
});
