import { assertEquals, assertThrows } from "@std/assert";
import {
  add,
  columns,
  concat,
  diagonal,
  div,
  exp,
  expand,
  gatherRows,
  gelu,
  layerNorm,
  linear,
  log,
  logSumExp,
  matmul,
  mean,
  mul,
  NO_ROW,
  normalize,
  relu,
  reshape,
  rowIndex,
  scale,
  sigmoid,
  sqrt,
  sub,
  sum,
  sumCols,
  sumRows,
  tensor,
  transpose,
} from "../../src/tensor/mod.ts";
import { deviceTest, testDevice } from "../support/device.ts";
import { testOp } from "../support/gradient_check.ts";
import {
  at,
  build,
  byRow,
  erf,
  flip,
  map,
  type Matrix,
  times,
  total,
  zip,
} from "../support/matrix.ts";

const ELEMENTWISE = [[[0, 3]], [[1, 1]], [[1, 300]], [[257, 7]], [[513]], [[]]];
const awayFromZero = { values: (random: { normal(): number }) => random.normal() + 0.001 };
const positive = {
  values: (random: { uniform(lo: number, hi: number): number }) => random.uniform(0.05, 9),
};
const exactGelu = (v: number) => 0.5 * v * (1 + erf(v * Math.SQRT1_2));

testOp("relu", relu, (x) => map(x, (v) => Math.max(v, 0)), ELEMENTWISE, awayFromZero);
testOp("gelu", gelu, (x) => map(x, exactGelu), ELEMENTWISE, { tolerance: 1e-6 });
testOp("exp", exp, (x) => map(x, Math.exp), ELEMENTWISE);
testOp("log", log, (x) => map(x, Math.log), ELEMENTWISE, positive);
testOp("sigmoid", sigmoid, (x) => map(x, (v) => 1 / (1 + Math.exp(-v))), ELEMENTWISE);
testOp("sqrt", sqrt, (x) => map(x, Math.sqrt), ELEMENTWISE, positive);
testOp("scale", (x) => scale(x, -2.5), (x) => map(x, (v) => -2.5 * v), ELEMENTWISE);
testOp("scale by an integer", (x) => scale(x, 3), (x) => map(x, (v) => 3 * v), [[[9]]]);

deviceTest("gelu is within 1e-6 of the exact one from -8 to 8, and so is its slope", async () => {
  const device = await testDevice();
  using _ = device.scope();
  const x = Float32Array.from({ length: 16001 }, (_, i) => -8 + i / 1000);
  const input = tensor(device, x, [x.length], { requiresGrad: true });
  const y = gelu(input);
  sum(y).backward();
  const [values, slopes] = await Promise.all([y.data(), input.grad!.data()]);
  let worst = 0;
  let worstSlope = 0;
  for (let i = 0; i < x.length; i++) {
    const cdf = 0.5 * (1 + erf(x[i] * Math.SQRT1_2));
    const slope = cdf + x[i] * Math.exp(-0.5 * x[i] ** 2) / Math.sqrt(2 * Math.PI);
    worst = Math.max(worst, Math.abs(values[i] - x[i] * cdf) / Math.max(1, Math.abs(x[i])));
    worstSlope = Math.max(worstSlope, Math.abs(slopes[i] - slope));
  }
  assertEquals([worst < 1e-6, worstSlope < 1e-6], [true, true], `${worst} ${worstSlope}`);
});

const BROADCASTS = [
  [[257, 7], [257, 7]],
  [[257, 7], [7]],
  [[257, 7], [1, 7]],
  [[257, 7], [257, 1]],
  [[257, 7], []],
  [[257, 7], [1, 1]],
  [[300, 1], [300, 1]],
  [[1, 300], [300]],
  [[5, 300], [5, 1]],
  [[1, 1], [1]],
  [[0, 3], [3]],
  [[0, 3], [0, 1]],
];
const nearTwo = {
  values: (random: { normal(): number; uniform(lo: number, hi: number): number }, k: number) =>
    k === 0 ? random.normal() : random.uniform(0.5, 2) * (random.uniform(0, 1) < 0.5 ? -1 : 1),
};
testOp("add", add, (a, b) => zip(a, b, (u, v) => u + v), BROADCASTS);
testOp("sub", sub, (a, b) => zip(a, b, (u, v) => u - v), BROADCASTS);
testOp("mul", mul, (a, b) => zip(a, b, (u, v) => u * v), BROADCASTS);
testOp("div", div, (a, b) => zip(a, b, (u, v) => u / v), BROADCASTS, nearTwo);

deviceTest("add refuses shapes that do not broadcast", async () => {
  const device = await testDevice();
  using _ = device.scope();
  const of = (...shape: number[]) =>
    tensor(device, new Float32Array(shape.reduce((n, s) => n * s, 1)), shape);
  for (
    const [a, b] of [[of(2, 3), of(3, 2)], [of(2, 3), of(2)], [of(3), of(2, 3)], [of(6), of(6, 1)]]
  ) {
    assertThrows(() => add(a, b), TypeError, "Cannot combine shapes");
  }
});

for (const transposeA of [false, true]) {
  for (const transposeB of [false, true]) {
    const shapes = [
      [1, 1, 1],
      [5, 300, 3], // inner size past one chunk
      [300, 5, 7], // tall; the weight gradient sums over 300 rows
      [3, 4, 290], // wide
      [33, 65, 34],
      [0, 3, 4],
      [3, 0, 4],
      [3, 4, 0],
      [70, 1, 1],
    ].map(([m, k, n]) => [transposeA ? [k, m] : [m, k], transposeB ? [n, k] : [k, n]]);
    testOp(
      `matmul ${transposeA ? "Aᵀ" : "A"} ${transposeB ? "Bᵀ" : "B"}`,
      (a, b) => matmul(a, b, { transposeA, transposeB }),
      (a, b) => times(transposeA ? flip(a) : a, transposeB ? flip(b) : b),
      shapes,
    );
  }
}

deviceTest("matmul sums over more than a software device's loop can count", async () => {
  const device = await testDevice();
  using _ = device.scope();
  const k = 70_001;
  const want = [0, 0, 0, 0, 0, 0];
  const [left, right] = [
    (i: number, r: number) => (2 * r + i) % 7 - 3,
    (r: number, j: number) => (3 * r + j) % 5 - 2,
  ];
  for (let r = 0; r < k; r++) {
    for (let i = 0; i < 6; i++) want[i] += left(Math.floor(i / 3), r) * right(r, i % 3);
  }
  for (const transposeA of [false, true]) {
    for (const transposeB of [false, true]) {
      const a = build(2, k, left);
      const b = build(k, 3, right);
      const put = ({ rows, cols, data }: Matrix) =>
        tensor(device, Float32Array.from(data), [rows, cols]);
      const out = matmul(put(transposeA ? flip(a) : a), put(transposeB ? flip(b) : b), {
        transposeA,
        transposeB,
      });
      assertEquals([...await out.data()], want);
    }
  }
});

deviceTest("matmul takes more rows than a grid has workgroups", async () => {
  const device = await testDevice();
  using _ = device.scope();
  const rows = 65_535 * 32 + 77;
  const a = tensor(device, Float32Array.from({ length: rows }, (_, i) => i), [rows, 1]);
  const out = await matmul(a, tensor(device, [2], [1, 1])).data();
  for (const i of [0, 65_535 * 32 - 65, 65_535 * 32 - 1, 65_535 * 32, rows - 1]) {
    assertEquals(out[i], 2 * i);
  }
});

testOp(
  "linear",
  (x, w, b) => linear(x, w, b),
  (x, w, b) => zip(times(x, flip(w)), b, (u, v) => u + v),
  [
    [[300, 5], [7, 5], [7]],
    [[1, 1], [1, 1], [1]],
    [[0, 5], [7, 5], [7]],
    [[2, 65], [33, 65], [33]],
  ],
);
testOp("linear without bias", (x, w) => linear(x, w), (x, w) => times(x, flip(w)), [[[9, 5], [
  7,
  5,
]]]);

deviceTest("matmul refuses inner sizes that differ", async () => {
  const device = await testDevice();
  using _ = device.scope();
  const a = tensor(device, new Float32Array(6), [2, 3]);
  assertThrows(() => matmul(a, a), TypeError, "inner sizes are 3 and 2");
});

function referenceNorm(x: Matrix, weight: Matrix, bias: Matrix): Matrix {
  return byRow(x, (row) => {
    const centre = total(row) / row.length;
    const variance = total(row.map((v) => (v - centre) ** 2)) / row.length;
    return row.map((v, c) =>
      (v - centre) / Math.sqrt(variance + 1e-5) * weight.data[c] + bias.data[c]
    );
  });
}
testOp("layerNorm", (x, w, b) => layerNorm(x, w, b), referenceNorm, [
  [[300, 7], [7], [7]],
  [[1, 300], [300], [300]],
  [[65, 96], [96], [96]],
  [[3, 1], [1], [1]],
  [[0, 3], [3], [3]],
]);
testOp(
  "layerNorm of a large mean and small variance",
  (x, w, b) => layerNorm(x, w, b),
  referenceNorm,
  [
    [[70, 33], [33], [33]],
  ],
  {
    values: (random, k) => k === 0 ? 100 + 0.1 * random.normal() : random.normal(),
    tolerance: 2e-4,
  },
);

testOp(
  "concat",
  (a, b, c) => concat([a, b, c]),
  (a, b, c) =>
    build(
      a.rows,
      a.cols + b.cols + c.cols,
      (r, col) =>
        col < a.cols
          ? at(a, r, col)
          : col < a.cols + b.cols
          ? at(b, r, col - a.cols)
          : at(c, r, col - a.cols - b.cols),
    ),
  [[[257, 3], [257, 1], [257, 70]], [[1, 1], [1, 1], [1, 1]], [[0, 3], [0, 1], [0, 2]], [[4, 0], [
    4,
    2,
  ], [4, 0]]],
);
deviceTest("concat refuses different numbers of rows", async () => {
  const device = await testDevice();
  using _ = device.scope();
  const parts = [tensor(device, [1, 2], [2, 1]), tensor(device, [1, 2, 3], [3, 1])];
  assertThrows(() => concat(parts), TypeError, "[2, 1] and [3, 1] side by side");
});

testOp("columns", (x) => columns(x, 2, 3), (x) => build(x.rows, 3, (r, c) => at(x, r, c + 2)), [
  [[257, 7]],
  [[1, 5]],
  [[0, 5]],
]);
testOp("no columns", (x) => columns(x, 2, 0), (x) => build(x.rows, 0, () => 0), [[[9, 2]]]);
deviceTest("columns refuses what the matrix has not", async () => {
  const device = await testDevice();
  using _ = device.scope();
  const x = tensor(device, new Float32Array(6), [2, 3]);
  assertThrows(() => columns(x, 2, 2), TypeError, "Cannot take columns 2 to 4 of [2, 3]");
});

/** Picks of `count` rows of `rows`: in order with repeats, or scattered with some missing. */
function picks(count: number, rows: number, kind: "ordered" | "scattered"): Uint32Array {
  return Uint32Array.from(
    { length: count },
    (_, i) =>
      kind === "ordered"
        ? Math.floor(i * rows / count)
        : i % 5 === 2 || rows === 0
        ? NO_ROW
        : (i * 7 + 3) % rows,
  );
}
for (const kind of ["ordered", "scattered"] as const) {
  for (
    const [count, rows, cols] of [[600, 2, 3], [5, 300, 7], [1, 1, 1], [0, 4, 2], [300, 257, 1], [
      4,
      0,
      2,
    ]]
  ) {
    if (rows === 0 && kind === "ordered") continue;
    const index = picks(count, rows, kind);
    testOp(
      `gatherRows of ${count} ${kind} rows out of ${rows}`,
      (x) => gatherRows(x, rowIndex(x.device, index, rows)),
      (x) => build(count, cols, (r, c) => index[r] === NO_ROW ? 0 : at(x, index[r], c)),
      [[[rows, cols]]],
    );
  }
}
deviceTest("rowIndex refuses rows that are not there", async () => {
  const device = await testDevice();
  using _ = device.scope();
  assertThrows(
    () => rowIndex(device, new Uint32Array([0, 4]), 4),
    RangeError,
    "Cannot pick row 4 (entry 1) of 4 rows",
  );
});

testOp(
  "normalize",
  (x) => normalize(x),
  (x) =>
    byRow(x, (row) => row.map((v) => v / Math.max(1e-12, Math.sqrt(total(row.map((u) => u * u)))))),
  [[[300, 7]], [[1, 128]], [[3, 1]], [[0, 3]]],
);
deviceTest("normalize leaves a zero row at zero, and its gradient finite", async () => {
  const device = await testDevice();
  using _ = device.scope();
  const x = tensor(device, [0, 0, 3, 4], [2, 2], { requiresGrad: true });
  const y = normalize(x, 0.5);
  sum(y).backward();
  const [values, grad] = await Promise.all([y.data(), x.grad!.data()]);
  [0, 0, 0.6, 0.8].forEach((v, i) => assertEquals(Math.fround(v) - values[i] < 1e-7, true));
  assertEquals([...grad.subarray(0, 2)], [2, 2]); // gradient / floor where the floor held
});

const stable = (row: ArrayLike<number>) => {
  const largest = Math.max(...Array.from(row));
  return [largest + Math.log(total(Array.from(row, (v) => Math.exp(v - largest))))];
};
testOp("logSumExp", (x) => logSumExp(x), (x) => byRow(x, stable), [
  [[300, 7]],
  [[3, 200]],
  [[5, 1]],
  [[1, 64]],
]);
testOp("logSumExp of large values", (x) => logSumExp(x), (x) => byRow(x, stable), [[[33, 65]]], {
  values: (random) => 500 * random.normal(),
});
testOp("diagonal", (x) => diagonal(x), (x) => build(x.rows, 1, (r) => at(x, r, r)), [[[1, 1]], [[
  7,
  7,
]], [[300, 300]]]);
testOp("sum", (x) => sum(x), (x) => build(1, 1, () => total(x.data)), [[[1, 1]], [[257, 7]], [[
  4097,
]], [[0, 3]]]);
testOp("mean", (x) => mean(x), (x) => build(1, 1, () => total(x.data) / x.data.length), [[[1, 1]], [
  [257, 7],
]]);
const rowTotal = (x: Matrix) =>
  build(1, x.cols, (_, c) => total(Array.from({ length: x.rows }, (_, r) => at(x, r, c))));
testOp("sumRows", (x) => sumRows(x), rowTotal, [[[1, 5]], [[300, 7]], [[4097, 1]], [[65, 300]], [[
  0,
  3,
]]]);
testOp("sumCols", (x) => sumCols(x), (x) => byRow(x, (row) => [total(row)]), [
  [[1, 5]],
  [[300, 7]],
  [[70, 1]],
  [[3, 300]],
]);

for (
  const [from, to] of [
    [[7], [257, 7]],
    [[1, 7], [257, 7]],
    [[257, 1], [257, 7]],
    [[], [257, 7]],
    [[1], [1, 1]],
    [[3], [0, 3]],
    [[257], [257, 1]],
  ]
) {
  testOp(
    `expand to [${to}]`,
    (x) => expand(x, to),
    (x) =>
      build(
        to[0],
        to[1],
        (r, c) => x.data[x.data.length === 1 ? 0 : x.data.length === to[1] ? c : r],
      ),
    [[from]],
  );
}
testOp("transpose", transpose, flip, [[[257, 7]], [[1, 300]], [[300, 1]], [[0, 3]], [[33, 34]]]);
testOp("reshape", (x) => reshape(x, [5, 3, 2]), (x) => ({ rows: 15, cols: 2, data: x.data }), [[[
  6,
  5,
]]]);

deviceTest("sigmoid is 0 and 1, with no slope, far from 0", async () => {
  const device = await testDevice();
  using _ = device.scope();
  const x = tensor(device, [-1000, -100, 0, 100, 1000], [5], { requiresGrad: true });
  const y = sigmoid(x);
  sum(y).backward();
  assertEquals([...await y.data()].map(Math.round), [0, 0, 1, 1, 1]);
  const slopes = [...await x.grad!.data()];
  assertEquals(slopes.map((slope) => Math.round(1e9 * slope)), [0, 0, 250000000, 0, 0]);
});
