/**
 * Checks an operation against a float64 reference: values, and gradients by finite differences of
 * the reference.
 */

import { assert, assertEquals } from "@std/assert";
import { Random } from "../../src/base/random.ts";
import { elements, formatShape, mul, sum, Tensor, tensor } from "../../src/tensor/mod.ts";
import type { Device } from "../../src/gpu/device.ts";
import { deviceTest, testDevice } from "./device.ts";
import type { Matrix } from "./matrix.ts";

/** How inputs are drawn and how far the device may be off. */
export interface CheckOptions {
  /** Entries of input `k`; default normal with deviation 1. */
  readonly values?: (random: Random, k: number) => number;
  /**
   * Largest difference allowed, relative to the largest magnitude in the result (at least 1).
   * Default 5e-6.
   */
  readonly tolerance?: number;
  /** The same for gradients. Default four times `tolerance`. */
  readonly gradientTolerance?: number;
  /** Default the device of the test file. */
  readonly device?: Device;
}

/**
 * Entries of each input whose derivative is taken one by one; all of them are in the random
 * directions.
 */
const SINGLE = 40;
const DIRECTIONS = 3;
const STEP = 1e-5;

function matrix(shape: readonly number[], data: Float64Array): Matrix {
  return { rows: elements(shape.slice(0, -1)), cols: shape.at(-1) ?? 1, data };
}

function compare(
  what: string,
  got: ArrayLike<number>,
  want: ArrayLike<number>,
  tolerance: number,
): void {
  assertEquals(got.length, want.length, `${what}: number of values`);
  let scale = 1;
  for (let i = 0; i < want.length; i++) scale = Math.max(scale, Math.abs(want[i]));
  for (let i = 0; i < want.length; i++) {
    if (!(Math.abs(got[i] - want[i]) <= tolerance * scale)) {
      throw new Error(`${what}: entry ${i} is ${got[i]}, the reference ${want[i]}`);
    }
  }
}

/**
 * Inputs one after the other in one buffer, as parameters are: operations must mind where a tensor
 * starts.
 */
function inOneBuffer(
  device: Device,
  data: readonly Float32Array[],
  shapes: readonly (readonly number[])[],
): Tensor[] {
  let size = 64; // in elements; no input starts at 0
  const starts = data.map((array) => {
    const start = size;
    size += Math.ceil(array.length / 64) * 64;
    return start;
  });
  const all = new Float32Array(size).fill(NaN);
  data.forEach((array, k) => all.set(array, starts[k]));
  const { buffer } = tensor(device, all).slice;
  return data.map((array, k) =>
    new Tensor(
      device,
      shapes[k],
      "f32",
      { buffer, offset: starts[k] * 4, size: array.length * 4 },
      true,
    )
  );
}

/**
 * Run `op` on random inputs of these shapes and compare its values with `reference`, and its
 * gradients with central differences of `reference`: of some entries one by one, and of all along
 * random directions. Also: inputs stay as they were, and nothing is left allocated.
 */
export async function checkOp(
  name: string,
  op: (...inputs: Tensor[]) => Tensor,
  reference: (...inputs: Matrix[]) => Matrix,
  shapes: readonly (readonly number[])[],
  options: CheckOptions = {},
): Promise<void> {
  const device = options.device ?? await testDevice();
  const { values = (random) => random.normal(), tolerance = 5e-6 } = options;
  const gradientTolerance = options.gradientTolerance ?? 4 * tolerance;
  const what = `${name} ${shapes.map(formatShape).join(" ")}`;
  const random = new Random(7, what);
  const data = shapes.map((shape, k) =>
    Float32Array.from({ length: elements(shape) }, () => values(random, k))
  );
  const exact = data.map((array, k) => matrix(shapes[k], Float64Array.from(array)));
  const want = reference(...exact);
  const weights = random.fillNormal(new Float32Array(want.data.length));

  const liveBefore = device.pool.usage.live;
  const { out, grads, unchanged } = await runOp(device, op, data, shapes, want, weights, what);
  assertEquals(device.pool.usage.live, liveBefore, `${what}: bytes left allocated`);
  unchanged.forEach((now, k) => assertEquals(now, data[k], `${what}: input ${k} was changed`));
  compare(what, out, want.data, tolerance);

  const loss = (moved: Matrix[]) => {
    const result = reference(...moved).data;
    let value = 0;
    for (let i = 0; i < result.length; i++) value += weights[i] * result[i];
    return value;
  };
  const slope = (k: number, direction: Float64Array) => {
    const [up, down] = [STEP, -STEP].map((step) =>
      loss(
        exact.map((x, j) =>
          j === k ? { ...x, data: x.data.map((v, i) => v + step * direction[i]) } : x
        ),
      )
    );
    return (up - down) / (2 * STEP);
  };
  grads.forEach((gradient, k) => {
    const label = `${what}: gradient of input ${k}`;
    const along = (direction: Float64Array) => slope(k, direction);
    compareGradient(label, gradient, along, random, gradientTolerance);
  });
}

/** What an operation gives, the gradients of the weighted sum of it, and its inputs afterwards. */
async function runOp(
  device: Device,
  op: (...inputs: Tensor[]) => Tensor,
  data: readonly Float32Array[],
  shapes: readonly (readonly number[])[],
  want: Matrix,
  weights: Float32Array,
  what: string,
): Promise<{ out: Float32Array; grads: Float32Array[]; unchanged: Float32Array[] }> {
  using _ = device.scope();
  const inputs = inOneBuffer(device, data, shapes);
  const result = op(...inputs);
  if (want.data.length > 0) {
    assertEquals([result.rows, result.cols], [want.rows, want.cols], `${what}: shape`);
  }
  assertEquals(result.size, want.data.length, `${what}: size`);
  sum(mul(result, tensor(device, weights, result.shape))).backward();
  const reads = [result, ...inputs.map((input) => input.grad!), ...inputs];
  const all = await Promise.all(reads.map((read) => read.data()));
  const [grads, unchanged] = [all.slice(1, 1 + inputs.length), all.slice(1 + inputs.length)];
  return { out: all[0], grads, unchanged };
}

/** Compares a gradient with slopes: of single entries, and along random directions. */
function compareGradient(
  label: string,
  gradient: Float32Array,
  slope: (direction: Float64Array) => number,
  random: Random,
  tolerance: number,
): void {
  const size = gradient.length;
  let scale = 1;
  for (const value of gradient) {
    assert(Number.isFinite(value), `${label}: ${value}`);
    scale = Math.max(scale, Math.abs(value));
  }
  const chosen = size <= SINGLE
    ? Array.from({ length: size }, (_, i) => i)
    : [0, size - 1, ...Array.from({ length: SINGLE }, () => random.int(size))];
  const differences = chosen.map((i) => {
    const direction = new Float64Array(size);
    direction[i] = 1;
    return slope(direction);
  });
  compare(
    `${label} at ${chosen}`,
    chosen.map((i) => gradient[i] / scale),
    differences.map((value) => value / scale),
    tolerance,
  );
  for (let d = 0; d < DIRECTIONS && size > SINGLE; d++) {
    const direction = Float64Array.from({ length: size }, () => random.normal());
    let along = 0;
    let norm = 0;
    for (let i = 0; i < size; i++) {
      along += gradient[i] * direction[i];
      norm += (Math.abs(gradient[i]) + scale / Math.sqrt(size)) ** 2;
    }
    norm = Math.sqrt(norm);
    compare(`${label} along a direction`, [along / norm], [slope(direction) / norm], tolerance);
  }
}

/** A test of one operation at several lists of input shapes. */
export function testOp(
  name: string,
  op: (...inputs: Tensor[]) => Tensor,
  reference: (...inputs: Matrix[]) => Matrix,
  cases: readonly (readonly (readonly number[])[])[],
  options: CheckOptions = {},
): void {
  deviceTest(`${name} agrees with its float64 reference, forward and backward`, async () => {
    for (const shapes of cases) await checkOp(name, op, reference, shapes, options);
  });
}
