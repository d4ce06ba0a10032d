import { assertEquals, assertThrows } from "@std/assert";
import { Random } from "../../src/base/random.ts";
import { Device } from "../../src/gpu/device.ts";
import {
  inverseMap,
  type KernelMap,
  stridedMap,
  submanifoldMap,
} from "../../src/tensor/kernel_map.ts";
import { NO_ROW, sparseConv, sum, tensor } from "../../src/tensor/mod.ts";
import { deviceTest, testDevice } from "../support/device.ts";
import { checkOp } from "../support/gradient_check.ts";
import { at, build, type Matrix } from "../support/matrix.ts";

/** Neighbours of cells on a line of `kernel` offsets: those that are there. */
function lineTable(cells: readonly number[], kernel: number): Uint32Array {
  const half = (kernel - 1) / 2;
  const rowOf = new Map(cells.map((cell, row) => [cell, row]));
  return Uint32Array.from(
    Array.from(
      { length: kernel },
      (_, k) => cells.map((cell) => rowOf.get(cell + k - half) ?? NO_ROW),
    )
      .flat(),
  );
}

/** y[v, o] = Σ_k Σ_i w[o, k, i] x[table[k, v], i] */
function reference(table: Uint32Array, kernel: number, rows: number) {
  return (x: Matrix, w: Matrix): Matrix => {
    const ins = x.cols;
    const outs = w.data.length / (kernel * ins);
    return build(rows, outs, (v, o) => {
      let total = 0;
      for (let k = 0; k < kernel; k++) {
        const source = table[k * rows + v];
        if (source === NO_ROW) continue;
        for (let i = 0; i < ins; i++) {
          total += w.data[(o * kernel + k) * ins + i] * at(x, source, i);
        }
      }
      return total;
    });
  };
}

interface Case {
  readonly what: string;
  readonly cells: readonly number[];
  readonly kernel: number;
  readonly ins: number;
  readonly outs: number;
}

const far = (count: number) => Array.from({ length: count }, (_, i) => 10 * i);
const near = (count: number) => Array.from({ length: count }, (_, i) => i);
const some = (count: number, seed: number) => {
  const random = new Random(seed);
  return near(3 * count).filter(() => random.uniform() < 1 / 3);
};

const CASES: readonly Case[] = [
  { what: "one row", cells: [5], kernel: 27, ins: 4, outs: 8 },
  { what: "rows without neighbours", cells: far(3), kernel: 3, ins: 5, outs: 3 },
  { what: "all neighbours, one channel", cells: near(40), kernel: 27, ins: 1, outs: 1 },
  { what: "five channels to one", cells: some(100, 1), kernel: 5, ins: 5, outs: 1 },
  { what: "wide rows", cells: some(70, 2), kernel: 3, ins: 33, outs: 18 },
  {
    what: "more rows than a workgroup and a slice",
    cells: some(700, 3),
    kernel: 3,
    ins: 4,
    outs: 4,
  },
  { what: "one offset", cells: near(9), kernel: 1, ins: 6, outs: 5 },
];

async function checkCase(
  { what, cells, kernel, ins, outs }: Case,
  device: Device,
): Promise<void> {
  const table = lineTable(cells, kernel);
  await checkOp(
    what,
    (x, w) => sparseConv(x, w, submanifoldMap(x.device, table, kernel, cells.length)),
    reference(table, kernel, cells.length),
    [[cells.length, ins], [outs, kernel, ins]],
    { device, tolerance: 2e-5 },
  );
}

for (const each of CASES) {
  deviceTest(`submanifold convolution: ${each.what}`, async () => {
    await checkCase(each, await testDevice());
  });
}

deviceTest("submanifold convolution through windows of rows, results and offsets", async () => {
  using device = await Device.create({ maxBindingBytes: 16384 });
  // 1,000 rows of 4: 16,000 bytes; tables of 27 offsets are cut into parts of 4.
  await checkCase(
    { what: "windows", cells: some(1000, 4), kernel: 27, ins: 4, outs: 4 },
    device,
  );
  await checkCase({ what: "wide", cells: some(300, 5), kernel: 3, ins: 16, outs: 20 }, device);
});

/** Joins rows of cells two by two. */
function pairs(
  cells: readonly number[],
): { parent: Uint32Array; corner: Uint32Array; count: number } {
  const above = [...new Set(cells.map((cell) => cell >> 1))];
  const row = new Map(above.map((cell, r) => [cell, r]));
  return {
    parent: Uint32Array.from(cells, (cell) => row.get(cell >> 1)!),
    corner: Uint32Array.from(cells, (cell) => cell & 1),
    count: above.length,
  };
}

for (const cells of [[3], some(150, 6)]) {
  const { parent, corner, count } = pairs(cells);
  const strided = (device: Device): KernelMap => stridedMap(device, parent, corner, 2, count);
  const down = new Uint32Array(2 * count).fill(NO_ROW);
  const up = new Uint32Array(2 * cells.length).fill(NO_ROW);
  parent.forEach((result, v) => {
    down[corner[v] * count + result] = v;
    up[corner[v] * cells.length + v] = result;
  });
  deviceTest(`strided convolution of ${cells.length} rows, and its inverse`, async () => {
    const options = { device: await testDevice(), tolerance: 1e-5 };
    await checkOp(
      "strided",
      (x, w) => sparseConv(x, w, strided(x.device)),
      reference(down, 2, count),
      [[cells.length, 6], [7, 2, 6]],
      options,
    );
    await checkOp(
      "inverse",
      (x, w) => sparseConv(x, w, inverseMap(strided(x.device))),
      reference(up, 2, cells.length),
      [[count, 7], [6, 2, 7]],
      options,
    );
  });
}

deviceTest("no rows are no results, and weights that nothing reads have no gradient", async () => {
  const device = await testDevice();
  using _ = device.scope();
  const map = submanifoldMap(device, new Uint32Array(0), 3, 0);
  const w = tensor(device, new Float32Array(24).fill(1), [2, 3, 4], { requiresGrad: true });
  const y = sparseConv(tensor(device, [], [0, 4]), w, map);
  assertEquals(y.shape, [0, 2]);
  sum(y).backward();
  assertEquals(await w.grad!.data(), new Float32Array(24));
});

deviceTest("the same inputs give the same bits", async () => {
  const device = await testDevice();
  const cells = some(500, 7);
  const table = lineTable(cells, 27);
  const random = new Random(8);
  const values = random.fillNormal(new Float32Array(cells.length * 12));
  const weights = random.fillNormal(new Float32Array(8 * 27 * 12));
  const once = async () => {
    using _ = device.scope();
    const x = tensor(device, values, [cells.length, 12], { requiresGrad: true });
    const w = tensor(device, weights, [8, 27, 12], { requiresGrad: true });
    const y = sparseConv(x, w, submanifoldMap(device, table, 27, cells.length));
    sum(y).backward();
    return [await y.data(), await x.grad!.data(), await w.grad!.data()];
  };
  assertEquals(await once(), await once());
});

deviceTest("shapes that do not fit are refused", async () => {
  const device = await testDevice();
  using _ = device.scope();
  const map = submanifoldMap(device, lineTable([0, 1], 3), 3, 2);
  const x = tensor(device, [1, 2], [2, 1]);
  assertThrows(
    () => sparseConv(x, tensor(device, [1, 2], [1, 2, 1]), map),
    TypeError,
    "Cannot convolve [2, 1] with [1, 2, 1] at 3 offsets: expected 2 rows, and a weight of " +
      "(outputs, 3 offsets, 1).",
  );
  assertThrows(
    () => submanifoldMap(device, new Uint32Array(5), 3, 2),
    TypeError,
    "a table of 5 entries: expected 3 offsets of 2 rows",
  );
});
