import { assertEquals, assertThrows } from "@std/assert";
import {
  makeSegments,
  segmentMax,
  segmentMean,
  type Segments,
  segmentsOfLengths,
  segmentSoftmax,
  segmentSum,
  sum,
  type Tensor,
  tensor,
} from "../../src/tensor/mod.ts";
import type { Device } from "../../src/gpu/device.ts";
import { deviceTest, testDevice } from "../support/device.ts";
import { checkOp } from "../support/gradient_check.ts";
import { at, build, type Matrix, total } from "../support/matrix.ts";

interface Case {
  readonly what: string;
  readonly start: readonly number[];
  readonly end: readonly number[];
  readonly rows: number;
  readonly cols: number;
}

function consecutive(what: string, lengths: readonly number[], cols: number): Case {
  let row = 0;
  const start = lengths.map((length) => (row += length) - length);
  return { what, start, end: start.map((s, r) => s + lengths[r]), rows: row, cols };
}

const CASES = [
  consecutive("one run of one row", [1], 1),
  consecutive("segments of one row", Array(70).fill(1), 3),
  consecutive("a run past one piece", [3, 257, 1], 5),
  consecutive("segments of exactly one and two pieces", [256, 512, 255], 2),
  consecutive("a run of 70,000 rows", [2, 70_000, 5], 2),
  consecutive("empty segments among others", [0, 4, 0, 0, 300, 0], 3),
  consecutive("only empty segments", [0, 0], 3),
  consecutive("no run", [], 3),
  consecutive("many ragged segments", Array.from({ length: 300 }, (_, i) => i * i % 11), 7),
];
const GAPS: Case[] = [
  { what: "gaps between segments", start: [2, 10, 300], end: [5, 280, 310], rows: 333, cols: 4 },
];

function entries(x: Matrix, c: number, from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, i) => at(x, from + i, c));
}

function pooled(pool: (values: number[]) => number) {
  return ({ start, end, cols }: Case) => (x: Matrix) =>
    build(start.length, cols, (s, c) => pool(entries(x, c, start[s], end[s])));
}

function softmax({ start, end }: Case) {
  return (x: Matrix) => {
    const out = build(x.rows, x.cols, () => 0);
    for (let s = 0; s < start.length; s++) {
      for (let c = 0; c < x.cols; c++) {
        const values = entries(x, c, start[s], end[s]);
        const largest = values.reduce((a, b) => Math.max(a, b), -Infinity);
        const sum = total(values.map((v) => Math.exp(v - largest)));
        values.forEach((v, i) => {
          out.data[(start[s] + i) * x.cols + c] = Math.exp(v - largest) / sum;
        });
      }
    }
    return out;
  };
}

function testSegments(
  name: string,
  op: (x: Tensor, segments: Segments) => Tensor,
  reference: (one: Case) => (x: Matrix) => Matrix,
  cases: readonly Case[],
): void {
  deviceTest(`${name} agrees with its float64 reference, forward and backward`, async () => {
    for (const one of cases) {
      const start = Uint32Array.from(one.start);
      const end = Uint32Array.from(one.end);
      await checkOp(
        `${name} over ${one.what}`,
        (x) => op(x, makeSegments(x.device, start, end, one.rows)),
        reference(one),
        [[one.rows, one.cols]],
      );
    }
  });
}

testSegments("segmentSum", segmentSum, pooled(total), [...CASES, ...GAPS]);
testSegments("segmentMean", segmentMean, pooled((v) => total(v) / Math.max(1, v.length)), [
  ...CASES,
  ...GAPS,
]);
const largestOf = (values: number[]) => values.reduce((a, b) => Math.max(a, b), values[0] ?? 0);
testSegments("segmentMax", segmentMax, pooled(largestOf), [...CASES, ...GAPS]);
testSegments("segmentSoftmax", segmentSoftmax, softmax, [...CASES, ...GAPS]);

deviceTest("segmentMax gives all of a tie's gradient to the first row", async () => {
  const device = await testDevice();
  using _ = device.scope();
  const values = new Float32Array(600).fill(3);
  values[0] = 1;
  const x = tensor(device, values, [600, 1], { requiresGrad: true });
  const y = segmentMax(x, segmentsOfLengths(device, [600]));
  sum(y).backward();
  const grad = await x.grad!.data();
  assertEquals([grad[1], total(grad)], [1, 1]);
});

deviceTest("segmentMax of negative values is negative", async () => {
  const device = await testDevice();
  using _ = device.scope();
  const x = tensor(device, new Float32Array(300).fill(-2), [300, 1]);
  assertEquals([...await segmentMax(x, segmentsOfLengths(device, [299, 1])).data()], [-2, -2]);
});

deviceTest("a NaN wins a maximum, so that it is seen", async () => {
  const device = await testDevice();
  using _ = device.scope();
  const values = new Float32Array(300);
  values[270] = NaN;
  const x = tensor(device, values, [300, 1]);
  assertEquals([...await segmentMax(x, segmentsOfLengths(device, [10, 290])).data()], [0, NaN]);
});

deviceTest("segments outlive the scopes they are used in", async () => {
  const device = await testDevice();
  using _ = device.scope();
  const segments = segmentsOfLengths(device, [2, 300]);
  const x = tensor(device, new Float32Array(302).fill(1), [302, 1], { requiresGrad: true });
  for (let step = 1; step <= 2; step++) {
    using _step = device.scope();
    const y = segmentMean(x, segments);
    sum(y).backward();
    x.grad!.keep();
    assertEquals([...(await x.grad!.data()).subarray(0, 2)], [step / 2, step / 2]);
  }
});

deviceTest("operations over segments refuse a matrix of another number of rows", async () => {
  const device: Device = await testDevice();
  using _ = device.scope();
  const x = tensor(device, new Float32Array(6), [3, 2]);
  const segments = segmentsOfLengths(device, [2, 2]);
  for (const op of [segmentSum, segmentMean, segmentMax, segmentSoftmax]) {
    assertThrows(() => op(x, segments), TypeError, "[3, 2] over segments of 4 rows");
  }
});
