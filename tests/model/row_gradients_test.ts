import { assert, assertEquals, assertLess } from "@std/assert";
import { Random } from "../../src/base/random.ts";
import { ROWS_TO_COMPILE_LANES, variantPolicy } from "../../src/model/fused/plan/variants.ts";
import {
  addNormGradients,
  addNormSums,
  addWeightGradient,
  type GradientVariant,
  laneTile,
} from "../../src/model/fused/loops/row_gradients.ts";
import type { ProgramSums } from "../../src/model/fused/weights/step_gradients.ts";
import { RowChunk } from "../../src/model/fused/loops/row_kernels.ts";
import type { Device } from "../../src/gpu/device.ts";
import { empty, type Tensor, tensor } from "../../src/tensor/mod.ts";
import { deviceTest, testDevice } from "../support/device.ts";

/** A layer alone: its weights' sums, then those of γ and β. */
function layerSums(
  device: Device,
  outBlocks: number,
  inBlocks: number,
  slices: number,
): ProgramSums {
  const weights = 16 * outBlocks * inBlocks;
  const sums = Math.ceil((weights + 8 * outBlocks) / 64) * 64;
  const made = { values: empty(device, [slices, sums]), slices, filled: false };
  // What stands there before the first sums are made is not read.
  device.write(made.values.slice, new Float32Array(slices * sums).fill(NaN));
  return {
    program: { layers: [{ inBlocks }] },
    layout: { weightSums: [0], normSums: [weights], sums },
    ...made,
  };
}

/** Slices added up. */
async function added(run: ProgramSums, first: number, size: number): Promise<Float64Array> {
  const { values, slices } = run;
  const all = new Float32Array(await values.device.read(values.slice));
  const out = new Float64Array(size);
  for (let s = 0; s < slices; s++) {
    for (let i = 0; i < size; i++) out[i] += all[s * values.cols + first + i];
  }
  return out;
}

interface Case {
  readonly outs: number;
  readonly inBlocks: number;
  /** Blocks before and behind a row's input. */
  readonly before?: number;
  readonly behind?: number;
  readonly slices: number;
  /** Rows there are, and rows of each chunk; chunks past the end are empty. */
  readonly total: number;
  readonly chunks: readonly number[];
}

const CASES: readonly Case[] = [
  { outs: 1, inBlocks: 1, slices: 1, total: 1, chunks: [1] },
  { outs: 1, inBlocks: 17, slices: 3, total: 31, chunks: [31] },
  { outs: 13, inBlocks: 7, before: 2, behind: 1, slices: 4, total: 333, chunks: [200, 200] },
  { outs: 64, inBlocks: 17, slices: 16, total: 2500, chunks: [2176, 2176, 2176] },
  { outs: 66, inBlocks: 25, behind: 3, slices: 5, total: 700, chunks: [640, 640] },
  { outs: 96, inBlocks: 33, slices: 2, total: 300, chunks: [64, 64, 64, 64, 64, 64] },
  { outs: 32, inBlocks: 9, slices: 8, total: 0, chunks: [64, 64] },
  { outs: 130, inBlocks: 8, slices: 2, total: 129, chunks: [129] },
];

function told({ outs, inBlocks, total, chunks }: Case): string {
  return `${outs} outputs, ${inBlocks} blocks of inputs, ${total} rows in chunks of ${chunks}`;
}

/** Random rows; those past `rows` are NaN, as what nobody wrote may be. */
function rowsOf(device: Device, rows: number, room: number, cols: number, seed: number) {
  const random = new Random(seed);
  const data = new Float32Array(room * cols).fill(NaN);
  for (let i = 0; i < rows * cols; i++) data[i] = random.uniform() - 0.5;
  return { data, values: tensor(device, data, [room, cols]) };
}

/** Sums of a case by a variant, and what they are in float64. */
async function gradients(
  device: Device,
  c: Case,
  variant: GradientVariant,
  known: boolean,
): Promise<{ got: Float64Array; want: Float64Array }> {
  using _ = device.scope();
  const { before = 0, behind = 0, inBlocks, total } = c;
  const outBlocks = Math.ceil(c.outs / 4);
  const run = layerSums(device, outBlocks, inBlocks, c.slices);
  const [own, ins] = [4 * outBlocks, 4 * inBlocks];
  const stride = before + inBlocks + behind;
  const weights = own * ins;
  const want = new Float64Array(weights + 2 * own);
  const length: Tensor | null = known ? null : empty(device, [1], "u32");
  if (length) device.write(length.slice, Uint32Array.of(total));
  let first = 0;
  for (const [i, most] of c.chunks.entries()) {
    const rows = Math.max(0, Math.min(most, total - first));
    if (known && rows === 0) break;
    const chunk = new RowChunk(device, length, first, known ? rows : most, 8);
    const x = rowsOf(device, rows, chunk.room, 4 * stride, 10 * i + 1);
    const dz = rowsOf(device, rows, chunk.room, own, 10 * i + 2);
    const normal = rowsOf(device, rows, chunk.room, own, 10 * i + 3);
    const place = { values: x.values, first: before, stride };
    addWeightGradient(chunk, run, 0, place, dz.values, variant);
    addNormGradients(chunk, run, 0, normal.values, null, dz.values);
    run.filled = true;
    for (let r = 0; r < rows; r++) {
      for (let n = 0; n < own; n++) {
        const g = dz.data[r * own + n];
        const from = 4 * (r * stride + before);
        for (let k = 0; k < ins; k++) want[n * ins + k] += g * x.data[from + k];
        want[weights + n] += g * normal.data[r * own + n];
        want[weights + own + n] += g;
      }
    }
    first += most;
  }
  return { got: await added(run, 0, want.length), want };
}

for (const variant of ["loops", "lanes"] as const) {
  deviceTest(`${variant}: weight and norm gradients are the sums over the rows`, async () => {
    const device = await testDevice();
    for (const c of CASES) {
      for (const known of c.total > 0 ? [true, false] : [false]) {
        const { got, want } = await gradients(device, c, variant, known);
        let error = 0;
        want.forEach((value, i) => error = Math.max(error, Math.abs(got[i] - value)));
        assertLess(error, 2e-5 * Math.sqrt(c.total + 1), told(c));
      }
    }
  });

  deviceTest(`${variant}: the same rows give the same sums to the bit`, async () => {
    const device = await testDevice();
    const c = CASES[3];
    const { got } = await gradients(device, c, variant, false);
    assertEquals((await gradients(device, c, variant, false)).got, got);
  });
}

deviceTest("sums of 8 rows each add up to norm gradients, chunk after chunk", async () => {
  const device = await testDevice();
  using _ = device.scope();
  for (const [total, ...chunks] of [[1, 1], [333, 200, 200], [2500, 2176, 2176, 64], [0, 64]]) {
    const outBlocks = 7;
    const cols = 8 * outBlocks;
    const run = layerSums(device, outBlocks, 1, 5);
    const length = empty(device, [1], "u32");
    device.write(length.slice, Uint32Array.of(total));
    const want = new Float64Array(cols);
    let first = 0;
    for (const [i, most] of chunks.entries()) {
      const rows = Math.max(0, Math.min(most, total - first));
      const chunk = new RowChunk(device, length, first, most, 1);
      const filled = Math.ceil(rows / 8);
      const eighths = rowsOf(device, filled, chunk.room / 8, cols, i);
      addNormSums(chunk, run, eighths.values);
      run.filled = true;
      for (let e = 0; e < filled * cols; e++) want[e % cols] += eighths.data[e];
      first += most;
    }
    const got = await added(run, 16 * outBlocks, cols);
    want.forEach((value, i) => assertLess(Math.abs(got[i] - value), 1e-4));
  }
});

Deno.test("a tile of lanes covers a layer and fits workgroup memory, or loops are as fast", () => {
  assertEquals(laneTile(16, 1, 32768), null);
  assertEquals(laneTile(1, 4, 32768), null);
  assertEquals(laneTile(16, 17, 32768), { vecs: 2, inputs: 17 });
  assertEquals(laneTile(24, 33, 32768), { vecs: 3, inputs: 11 });
  for (let outBlocks = 1; outBlocks < 70; outBlocks++) {
    for (let inBlocks = 1; inBlocks < 70; inBlocks++) {
      const tile = laneTile(outBlocks, inBlocks, 16384);
      if (!tile) continue;
      assert(tile.inputs <= inBlocks && tile.inputs > 0);
      assert(tile.vecs * tile.inputs * 32 * 16 <= 16384);
    }
  }
});

deviceTest("lanes where the work ahead pays for compiling them", async () => {
  const device = await testDevice();
  const software = device.kind === "software";
  const steps = 1000;
  const enough = Math.ceil(ROWS_TO_COMPILE_LANES / steps);
  const policy = variantPolicy(device, { steps });
  assertEquals(policy.gradients(enough), software ? "lanes" : "loops");
  assertEquals(policy.gradients(enough - 1), "loops");
  assertEquals(variantPolicy(device, {}).gradients(1e9), "loops");
  assertEquals(variantPolicy(device, { rowVariant: "straight-line" }).gradients(1), "lanes");
  assertEquals(variantPolicy(device, { rowVariant: "loops", steps }).gradients(1e9), "loops");
});
