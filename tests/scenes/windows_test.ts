import { assert, assertEquals, assertThrows } from "@std/assert";
import { Random } from "../../src/base/random.ts";
import type { Device } from "../../src/gpu/device.ts";
import { DeviceError } from "../../src/gpu/errors.ts";
import {
  add,
  columns,
  concat,
  diagonal,
  div,
  elements,
  exp,
  expand,
  gatherRows,
  gelu,
  layerNorm,
  linear,
  log,
  logSumExp,
  matmul,
  mul,
  NO_ROW,
  normalize,
  relu,
  rowIndex,
  scale,
  segmentMax,
  segmentMean,
  segmentsOfLengths,
  segmentSoftmax,
  segmentSum,
  sqrt,
  sub,
  sum,
  sumCols,
  sumRows,
  type Tensor,
  tensor,
  transpose,
} from "../../src/tensor/mod.ts";
import { deviceTest, testDevice } from "../support/device.ts";

/**
 * Tensors of more than 64 KiB do not fit in one binding of this device, so operations go over them
 * in windows.
 */
const windowed = () => testDevice({ maxBindingBytes: 65_536 });

type Op = (...inputs: Tensor[]) => Tensor;

/** The result and the gradients of all inputs. */
async function results(
  device: Device,
  op: Op,
  shapes: readonly number[][],
): Promise<Float32Array[]> {
  using _ = device.scope();
  const inputs = shapes.map((shape, k) => {
    const values = new Random(5, k).fillUniform(new Float32Array(elements(shape)), 0.1, 2);
    return tensor(device, values, shape, { requiresGrad: true });
  });
  const out = op(...inputs);
  const weights = new Random(6).fillUniform(new Float32Array(out.size), 0.5, 2);
  out.backward(tensor(device, weights, out.shape));
  return await Promise.all([out, ...inputs.map((x) => x.grad!)].map((x) => x.data()));
}

/** `tolerance` is 0 where every sum is made in one order, whatever the windows. */
function sameInWindows(name: string, op: Op, shapes: number[][], tolerance = 0): void {
  deviceTest(`${name} is the same in windows`, async () => {
    const whole = await results(await testDevice(), op, shapes);
    const device = await windowed();
    const live = device.pool.usage.live;
    const cut = await results(device, op, shapes);
    assertEquals(device.pool.usage.live, live);
    whole.forEach((want, k) => {
      const scale = want.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
      const wrong = want.findIndex((v, i) => !(Math.abs(cut[k][i] - v) <= tolerance * scale));
      assert(wrong < 0, `result ${k}, entry ${wrong}: ${cut[k][wrong]}, whole ${want[wrong]}`);
    });
  });
}

const ROUNDING = 1e-5;
const BIG = [900, 41]; // three windows of 384 rows, the last one ragged
const LONG = [70_003];

for (const [name, op] of Object.entries({ relu, gelu, exp, log, sqrt })) {
  sameInWindows(name, op, [LONG]);
}
sameInWindows("scale", (x) => scale(x, 3), [BIG]);
for (const [name, op] of Object.entries({ add, sub, mul, div })) {
  sameInWindows(name, op, [BIG, BIG]);
  sameInWindows(`${name} with a row`, op, [BIG, [41]], ROUNDING);
  sameInWindows(`${name} with a column`, op, [BIG, [900, 1]]);
  sameInWindows(`${name} with a value`, op, [BIG, []], ROUNDING);
}
sameInWindows("matmul", (a, b) => matmul(a, b), [BIG, [41, 33]], ROUNDING);
sameInWindows("linear", (x, w, b) => linear(x, w, b), [BIG, [70, 41], [70]], ROUNDING);
sameInWindows("matmul Aᵀ B of tall matrices", (a, b) => matmul(a, b, { transposeA: true }), [
  [4100, 7],
  [4100, 9],
], ROUNDING);
sameInWindows("layerNorm", (x, w, b) => layerNorm(x, w, b), [BIG, [41], [41]], ROUNDING);
sameInWindows("concat", (a, b) => concat([a, b]), [BIG, [900, 3]]);
sameInWindows("columns", (x) => columns(x, 1, 30), [BIG]);
sameInWindows("normalize", (x) => normalize(x), [BIG]);
sameInWindows("logSumExp", (x) => logSumExp(x), [BIG]);
sameInWindows("diagonal", diagonal, [[200, 200]]);
sameInWindows("sum", sum, [LONG], ROUNDING);
sameInWindows("sumRows of one long row", sumRows, [[1, 16_000]]);
sameInWindows("sumRows", sumRows, [BIG], ROUNDING);
sameInWindows("sumRows of rows that fill a window 64 at a time", sumRows, [[300, 200]], ROUNDING);
sameInWindows("sumCols", sumCols, [BIG]);
sameInWindows("expand a row", (x) => expand(x, BIG), [[41]], ROUNDING);
sameInWindows("expand a column", (x) => expand(x, BIG), [[900, 1]]);
sameInWindows("transpose both ways larger than a binding", transpose, [[200, 210]]);

const ragged = (rows: number) => {
  const lengths = [0, 1, 300];
  for (let left = rows - 301, i = 0; left > 0; i++) {
    const length = Math.min(left, (i * i) % 13);
    lengths.push(length);
    left -= length;
  }
  return [...lengths, 0];
};
for (const [name, op] of Object.entries({ segmentSum, segmentMean, segmentMax, segmentSoftmax })) {
  // More rows than a binding, and more runs; a long run puts a second stage over windows of pieces.
  for (const rows of name === "segmentSoftmax" ? [900] : [900, 6016]) {
    const lengths = ragged(rows);
    const over: Op = (x) => op(x, segmentsOfLengths(x.device, lengths));
    sameInWindows(`${name} over ${lengths.length} runs`, over, [[rows, 40]]);
  }
}
const pick = (
  rows: number,
  source: number,
  entry: (i: number) => number,
): [string, Op, number[][]] => [
  `gatherRows of ${rows} out of ${source}`,
  (x) =>
    gatherRows(
      x,
      rowIndex(x.device, Uint32Array.from({ length: rows }, (_, i) => entry(i)), source),
    ),
  [[source, 40]],
];
sameInWindows(...pick(5000, 20, (i) => Math.floor(i / 250)));
sameInWindows(...pick(1000, 900, (i) => i % 7 === 3 ? NO_ROW : (i * 37) % 900));
sameInWindows(...pick(70, 3000, (i) => 2999 - 41 * i));

deviceTest("a single run or row that fits in no binding is refused in words", async () => {
  const device = await windowed();
  using _ = device.scope();
  const wide = tensor(device, new Float32Array(300 * 300), [300, 300]);
  for (
    const op of [
      layerNormOf,
      (x: Tensor) => gatherRows(x, rowIndex(device, new Uint32Array(3), 300)),
    ]
  ) {
    assertThrows(() => op(wide), DeviceError, "Cannot bind");
  }
  assertThrows(
    () => segmentSum(wide, segmentsOfLengths(device, [300])),
    DeviceError,
    "Cannot bind",
  );
  await device.sync();
});

function layerNormOf(x: Tensor): Tensor {
  const ones = tensor(x.device, new Float32Array(x.cols).fill(1));
  return layerNorm(x, ones, ones);
}
