import { assertEquals } from "@std/assert";
import { Random } from "../../src/base/random.ts";
import { LINEAR_TILE, type LinearTile } from "../../src/model/fused/loops/linear_tile.ts";
import { RowChunk, rowLinear } from "../../src/model/fused/loops/row_kernels.ts";
import type { Device } from "../../src/gpu/device.ts";
import { type Tensor, tensor, zeros } from "../../src/tensor/mod.ts";
import { deviceTest, testDevice } from "../support/device.ts";

/** The tiles of all kinds of devices, and some that are neither's. */
const TILES: readonly LinearTile[] = [
  LINEAR_TILE.gpu,
  LINEAR_TILE.software,
  { rows: 1, columns: 1 },
  { rows: 2, columns: 8 },
];

const tileName = ({ rows, columns }: LinearTile) => `${rows} x ${columns}`;

/**
 * A chunk's rows: where it begins in the list, its room, and how many rows the list has if the
 * device knows alone.
 */
interface Problem {
  readonly inBlocks: number;
  readonly outBlocks: number;
  readonly first: number;
  readonly rows: number;
  readonly total: number | null;
  readonly region: boolean;
  readonly scatter: boolean;
}

const POINTS = 401;
const REGIONS = 7;

/** What one tile computes, every value of the output buffer. */
async function compute(device: Device, problem: Problem, tile: LinearTile): Promise<Float32Array> {
  const { inBlocks, outBlocks, first, rows, total, region, scatter } = problem;
  using _ = device.scope();
  const random = new Random(5, inBlocks, outBlocks);
  const values = (count: number) => Float32Array.from({ length: count }, () => random.normal());
  const stride = inBlocks + 3;
  const room = Math.ceil(rows / 64) * 64;
  const x = tensor(device, values(room * stride * 4), [room, stride * 4]);
  const w = tensor(device, values(outBlocks * inBlocks * 16));
  // The list names every point once, in a mixed order.
  const list = tensor(device, Uint32Array.from({ length: POINTS }, (_, i) => i * 150 % POINTS));
  const regionOfPoint = tensor(
    device,
    Uint32Array.from({ length: POINTS }, (_, i) => i % REGIONS),
  );
  const init = tensor(device, values(REGIONS * outBlocks * 4), [REGIONS, outBlocks * 4]);
  const count = total === null ? null : tensor(device, Uint32Array.of(total));
  const chunk = new RowChunk(device, count, first, rows, outBlocks);
  const out: Tensor = zeros(device, [scatter ? POINTS : room, outBlocks * 4]);
  rowLinear(
    chunk,
    { values: x, first: 2, stride },
    { values: w.slice, inBlocks, outBlocks, tile },
    region ? { values: init, regionOfPoint, list } : null,
    scatter ? { out: out.slice, first: 0, list } : null,
    scatter ? null : out.slice,
  );
  return new Float32Array(await device.read(out.slice));
}

deviceTest("every tile gives the same bits at awkward sizes, and the sums are right", async () => {
  const device = await testDevice();
  const plain = { first: 0, total: null, region: false, scatter: false };
  const problems: Problem[] = [
    { ...plain, inBlocks: 1, outBlocks: 1, rows: 1 },
    { ...plain, inBlocks: 9, outBlocks: 5, rows: 131, region: true, first: 64 },
    { ...plain, inBlocks: 6, outBlocks: 17, rows: 200, scatter: true, first: 100 },
    { ...plain, inBlocks: 5, outBlocks: 3, rows: 300, total: 203, region: true, scatter: true },
    { ...plain, inBlocks: 4, outBlocks: 2, rows: 64, total: 0 },
  ];
  for (const problem of problems) {
    const { inBlocks, outBlocks, first, rows, total } = problem;
    const expected = await compute(device, problem, TILES[0]);
    for (const tile of TILES.slice(1)) {
      const got = await compute(device, problem, tile);
      const different = got.findIndex((value, i) => !Object.is(value, expected[i]));
      assertEquals(different, -1, `${tileName(tile)}: ${JSON.stringify(problem)}`);
    }
    const done = total === null ? rows : Math.min(rows, Math.max(0, total - first));
    const width = 4 * outBlocks;
    const filled = Array.from({ length: expected.length / width }, (_, r) =>
      expected.subarray(r * width, (r + 1) * width).some((value) =>
        value !== 0
      )).filter(Boolean).length;
    assertEquals(filled, done, `rows of ${inBlocks} x ${outBlocks}`);
  }
});

deviceTest("a tile's sums are the products", async () => {
  const device = await testDevice();
  using _ = device.scope();
  const [rows, inBlocks, outBlocks] = [70, 6, 9];
  const value = (i: number) => (i * 37 % 17) - 8; // whole numbers: sums are exact
  const x = Float32Array.from({ length: 128 * inBlocks * 4 }, (_, i) => value(i));
  const w = Float32Array.from({ length: outBlocks * inBlocks * 16 }, (_, i) => value(i + 5));
  const expected = Array.from({ length: rows * outBlocks * 4 }, (_, at) => {
    const [row, out] = [Math.floor(at / outBlocks / 4), at % (outBlocks * 4)];
    let sum = 0;
    for (let i = 0; i < inBlocks * 4; i++) {
      const block = (out >> 2) * inBlocks + (i >> 2);
      sum += x[row * inBlocks * 4 + i] * w[block * 16 + (i & 3) * 4 + (out & 3)];
    }
    return sum;
  });
  for (const tile of TILES) {
    const result = rowLinear(
      new RowChunk(device, null, 0, rows),
      { values: tensor(device, x, [128, inBlocks * 4]), first: 0, stride: inBlocks },
      { values: tensor(device, w).slice, inBlocks, outBlocks, tile },
    )!;
    const got = new Float32Array(await device.read(result.slice)).slice(0, expected.length);
    assertEquals([...got], expected, tileName(tile));
  }
});
