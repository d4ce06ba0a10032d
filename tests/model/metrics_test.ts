import { assertAlmostEquals, assertEquals } from "@std/assert";
import { featureMetrics } from "../../src/model/metrics.ts";
import type { Device } from "../../src/gpu/device.ts";
import { tensor } from "../../src/tensor/mod.ts";
import { deviceTest, testDevice } from "../support/device.ts";

/** Alignment, spread and norm in double precision. */
function reference(a: Float32Array, b: Float32Array, rows: number, cols: number): number[] {
  let cosines = 0;
  let norms = 0;
  for (let r = 0; r < rows; r++) {
    const [u, v] = [a, b].map((x) => x.subarray(r * cols, (r + 1) * cols));
    const [nu, nv] = [Math.hypot(...u), Math.hypot(...v)];
    let dot = 0;
    for (let c = 0; c < cols; c++) dot += u[c] * v[c];
    cosines += dot / Math.max(nu, 1e-8) / Math.max(nv, 1e-8);
    norms += nu;
  }
  const mean = a.reduce((sum, v) => sum + v, 0) / a.length;
  const squares = a.reduce((sum, v) => sum + (v - mean) ** 2, 0);
  return [cosines / rows, Math.sqrt(squares / Math.max(a.length - 1, 1)), norms / rows];
}

async function check(
  device: Device,
  rows: number,
  cols: number,
  value: (i: number) => number,
  tolerance = 2e-5,
): Promise<void> {
  using _ = device.scope();
  const a = Float32Array.from({ length: rows * cols }, (_, i) => value(i));
  const b = a.map((v, i) => v + 0.5 * Math.sin(3 * i));
  const metrics = featureMetrics(tensor(device, a, [rows, cols]), tensor(device, b, [rows, cols]));
  const got = await metrics.data();
  assertEquals(got.length, 3);
  reference(a, b, rows, cols).forEach((v, k) =>
    assertAlmostEquals(got[k], v, tolerance * Math.max(1, Math.abs(v)), `${rows} x ${cols}: ${k}`)
  );
}

const SHAPES = [[1, 1], [1, 7], [2, 4], [63, 12], [64, 64], [65, 5], [2049, 8], [
  9000,
  20,
]] as const;

deviceTest("alignment, spread and norm are those of the rows at any size", async () => {
  const device = await testDevice();
  for (const [rows, cols] of SHAPES) {
    await check(device, rows, cols, (i) => Math.sin(i * i % 977) + 0.1);
  }
});

deviceTest("the same through bindings that hold a part of the rows", async () => {
  const device = await testDevice({ maxBindingBytes: 16384 });
  for (const [rows, cols] of [[100, 12], [700, 12], [3000, 8]]) {
    await check(device, rows, cols, (i) => Math.sin(i * i % 977) + 0.1);
  }
});

deviceTest("a small spread around a large mean is not lost", async () => {
  const device = await testDevice();
  for (const cols of [16, 7]) {
    using _ = device.scope();
    const a = Float32Array.from({ length: 500 * cols }, (_, i) => 100 + (i % 3) / 8);
    const [, spread] = reference(a, a, 500, cols);
    const x = tensor(device, a, [500, cols]);
    const [alignment, got] = await featureMetrics(x, x).data();
    assertAlmostEquals(got, spread, 1e-4 * spread);
    assertAlmostEquals(alignment, 1, 1e-5);
  }
});

deviceTest("rows of zeros have cosine 0, and NaN shows", async () => {
  const device = await testDevice();
  using _ = device.scope();
  const zeros = tensor(device, new Float32Array(24), [6, 4]);
  assertEquals([...await featureMetrics(zeros, zeros).data()], [0, 0, 0]);
  const values = new Float32Array(24).fill(1);
  values[13] = NaN;
  const broken = tensor(device, values, [6, 4]);
  assertEquals([...await featureMetrics(broken, zeros).data()], [NaN, NaN, NaN]);
});
