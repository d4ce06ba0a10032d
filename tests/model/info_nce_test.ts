import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { fusedInfoNCE } from "../../src/model/fused/contrast/info_nce.ts";
import { plainInfoNCE } from "../../src/model/info_nce.ts";
import type { Device } from "../../src/gpu/device.ts";
import { mul, noGrad, tensor } from "../../src/tensor/mod.ts";
import { deviceTest, testDevice } from "../support/device.ts";

interface Result {
  readonly loss: number;
  readonly query: Float64Array;
  readonly key: Float64Array;
}

/** Unit rows with some likeness between the two sides; the same for the same sizes. */
function unitRows(n: number, d: number): { query: Float32Array; key: Float32Array } {
  let state = 12345 + 7 * n + d;
  const random = () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32 - 0.5;
  const [query, key] = [new Float32Array(n * d), new Float32Array(n * d)];
  for (let i = 0; i < n * d; i++) key[i] = 0.6 * (query[i] = random()) + 0.8 * random();
  for (const rows of [query, key]) {
    for (let i = 0; i < n; i++) {
      const row = rows.subarray(i * d, (i + 1) * d);
      const norm = Math.hypot(...row);
      row.forEach((v, c) => row[c] = v / norm);
    }
  }
  return { query, key };
}

/** Loss and gradients of `weight` · InfoNCE in double precision. */
function reference(
  n: number,
  d: number,
  temperature: number,
  weight: number,
  rows = unitRows(n, d),
): Result {
  const query = new Float64Array(n * d);
  const key = new Float64Array(n * d);
  let loss = 0;
  for (let i = 0; i < n; i++) {
    const s = Array.from({ length: n }, (_, j) => {
      let dot = 0;
      for (let c = 0; c < d; c++) dot += rows.query[i * d + c] * rows.key[j * d + c];
      return dot / temperature;
    });
    const largest = Math.max(...s);
    const lse = largest + Math.log(s.reduce((sum, v) => sum + Math.exp(v - largest), 0));
    loss += (lse - s[i]) / n;
    for (let j = 0; j < n; j++) {
      const g = weight * (Math.exp(s[j] - lse) - (i === j ? 1 : 0)) / (n * temperature);
      for (let c = 0; c < d; c++) {
        query[i * d + c] += g * rows.key[j * d + c];
        key[j * d + c] += g * rows.query[i * d + c];
      }
    }
  }
  return { loss, query, key };
}

async function computed(
  device: Device,
  n: number,
  d: number,
  temperature: number,
  weight: number,
  contrast: typeof plainInfoNCE,
  rows = unitRows(n, d),
): Promise<Result> {
  using _ = device.scope();
  const query = tensor(device, rows.query, [n, d], { requiresGrad: true });
  const key = tensor(device, rows.key, [n, d], { requiresGrad: true });
  const loss = contrast(query, key, temperature);
  mul(loss, tensor(device, [weight])).backward();
  return {
    loss: await loss.item(),
    query: Float64Array.from(await query.grad!.data()),
    key: Float64Array.from(await key.grad!.data()),
  };
}

/**
 * @param scale what a gradient is made of differences of: weight / (n τ²), the rounding of a
 * similarity included
 */
function assertSame(got: Result, expected: Result, scale: number): void {
  const tolerance = 2e-5;
  assertAlmostEquals(got.loss, expected.loss, tolerance * Math.max(1, Math.abs(expected.loss)));
  for (const side of ["query", "key"] as const) {
    const largest = expected[side].reduce((most, v) => Math.max(most, Math.abs(v)), 0);
    expected[side].forEach((v, i) => {
      assertAlmostEquals(
        got[side][i],
        v,
        tolerance * largest + 2e-7 * scale,
        `gradient to ${side}, ${i}`,
      );
    });
  }
}

/**
 * The ways a device may compute it. Below 0.025 the kernels are others and compile as long: one way
 * is enough there.
 */
function ways(device: Device, temperature: number): readonly (boolean | undefined)[] {
  if (temperature < 0.025) return [undefined];
  const lanes = device.gpu.adapterInfo?.subgroupMinSize ?? 0;
  return device.gpu.features.has("subgroups") && lanes >= 8 ? [false, true] : [false];
}

const SHAPES = [
  [1, 1],
  [2, 3],
  [3, 65],
  [7, 5],
  [8, 4],
  [9, 128],
  [63, 96],
  [64, 128],
  [65, 64],
  [257, 20],
] as const;

for (const temperature of [0.07, 0.01, 1]) {
  deviceTest(`loss and gradients at odd sizes, temperature ${temperature}`, async () => {
    const device = await testDevice();
    for (const [n, d] of SHAPES) {
      for (const broadcast of ways(device, temperature)) {
        assertSame(
          await computed(
            device,
            n,
            d,
            temperature,
            -1.5,
            (query, key, t) => fusedInfoNCE(query, key, t, broadcast),
          ),
          reference(n, d, temperature, -1.5),
          1.5 / (n * temperature ** 2),
        );
      }
    }
  });
}

deviceTest("more rows than one workgroup finishes, as the plain operations", async () => {
  const device = await testDevice();
  for (const broadcast of ways(device, 0.1)) {
    assertSame(
      await computed(
        device,
        1100,
        12,
        0.1,
        2,
        (query, key, t) => fusedInfoNCE(query, key, t, broadcast),
      ),
      await computed(device, 1100, 12, 0.1, 2, plainInfoNCE),
      2 / 11,
    );
  }
});

deviceTest("similarities in chunks of queries give the same", async () => {
  // A binding as large as the rows of 100 columns is: 96 queries at once.
  for (
    const [temperature, width, bytes] of [[0.1, 12, 1 << 14], [0.015, 12, 1 << 14], [
      0.1,
      100,
      81920,
    ]]
  ) {
    const small = await testDevice({ maxBindingBytes: bytes });
    for (const broadcast of ways(small, temperature)) {
      assertSame(
        await computed(
          small,
          203,
          width,
          temperature,
          1,
          (query, key, t) => fusedInfoNCE(query, key, t, broadcast),
        ),
        reference(203, width, temperature, 1),
        1 / (203 * temperature ** 2),
      );
    }
  }
});

deviceTest("a row that is not a number shows in the loss and in both gradients", async () => {
  const device = await testDevice();
  for (const [n, d] of [[21, 12], [21, 100]]) {
    using _ = device.scope();
    const rows = unitRows(n, d);
    rows.query[5 * d + 2] = NaN;
    const query = tensor(device, rows.query, [n, d], { requiresGrad: true });
    const key = tensor(device, rows.key, [n, d], { requiresGrad: true });
    const loss = fusedInfoNCE(query, key, 0.1);
    loss.backward();
    assertEquals(await loss.item(), NaN);
    assertEquals((await key.grad!.data()).every(Number.isNaN), true);
    const gradient = await query.grad!.data();
    assertEquals(
      gradient.map((v, i) => Number(Number.isNaN(v) === (Math.floor(i / d) === 5))).indexOf(0),
      -1,
    );
  }
});

deviceTest("opposite rows at a small temperature stay finite", async () => {
  const device = await testDevice();
  using _ = device.scope();
  const query = tensor(device, [1, 0, -1, 0], [2, 2], { requiresGrad: true });
  const key = tensor(device, [-1, 0, 1, 0], [2, 2], { requiresGrad: true });
  for (const [temperature, loss] of [[0.01, 200], [0.025, 80], [0.03, 2 / 0.03]]) {
    const got = fusedInfoNCE(query, key, temperature);
    query.grad = null;
    got.backward();
    assertAlmostEquals(await got.item(), loss, 1e-3);
    assertAlmostEquals((await query.grad!.data())[0], 1 / temperature, 1e-2);
  }
});

deviceTest(
  "8,192 rows at temperature 0.025 with one opposed pair: 9.02, not infinity",
  async () => {
    const device = await testDevice();
    const n = 8192;
    for (const broadcast of ways(device, 0.025)) {
      using _ = device.scope();
      const rows = () => Float32Array.from({ length: 4 * n }, (_, i) => Number(i % 4 === 0));
      const opposed = rows();
      opposed[0] = -1;
      const query = tensor(device, rows(), [n, 4], { requiresGrad: true });
      const key = tensor(device, opposed, [n, 4], { requiresGrad: true });
      const loss = fusedInfoNCE(query, key, 0.025, broadcast);
      loss.backward();
      assertAlmostEquals(await loss.item(), Math.log(n - 1) + 80 / n, 1e-4);
      // The opposed row's own key has probability 0, all others 1 / (n − 1): its gradient is Σ p k
      // − k_own = 2 e₀.
      assertAlmostEquals((await query.grad!.data())[0], 2 / (0.025 * n), 1e-7);
      // Every row's probability of the opposed key is 0; its own row pulls with 1.
      assertAlmostEquals((await key.grad!.data())[0], -1 / (0.025 * n), 1e-7);
    }
  },
);

deviceTest(
  "all keys opposed at temperature 0.025: small probabilities keep their digits",
  async () => {
    const device = await testDevice();
    for (const [n, d] of [[40, 8], [40, 128]]) {
      // Keys near −q, told apart by their other columns: sums of exp(s/τ − 1/τ) are as small as
      // they get.
      const rows = unitRows(n, d);
      const axis = (values: Float32Array, sign: number) => {
        for (let i = 0; i < n; i++) {
          const row = values.subarray(i * d, (i + 1) * d);
          row.forEach((v, c) => row[c] = c === 0 ? sign : 0.02 * v);
          const norm = Math.hypot(...row);
          row.forEach((v, c) => row[c] = v / norm);
        }
      };
      axis(rows.query, 1);
      axis(rows.key, -1);
      for (const broadcast of ways(device, 0.025)) {
        assertSame(
          await computed(
            device,
            n,
            d,
            0.025,
            1,
            (q, k, t) => fusedInfoNCE(q, k, t, broadcast),
            rows,
          ),
          reference(n, d, 0.025, 1, rows),
          1 / (n * 0.025 ** 2),
        );
      }
    }
  },
);

deviceTest("a row alone has loss 0 and no gradient, to the bit", async () => {
  const device = await testDevice();
  for (const temperature of [0.07, 0.01]) {
    const got = await computed(device, 1, 7, temperature, 1, fusedInfoNCE);
    assertEquals([got.loss, ...got.query, ...got.key].map(Math.abs), Array(15).fill(0));
  }
});

deviceTest("repeated to the bit; without gradients the same loss", async () => {
  const device = await testDevice();
  const first = await computed(device, 100, 16, 0.07, 1, fusedInfoNCE);
  const second = await computed(device, 100, 16, 0.07, 1, fusedInfoNCE);
  assertEquals(first, second);
  using _ = device.scope();
  const rows = unitRows(100, 16);
  using _off = noGrad(device);
  const loss = fusedInfoNCE(
    tensor(device, rows.query, [100, 16]),
    tensor(device, rows.key, [100, 16]),
    0.07,
  );
  assertEquals(await loss.item(), first.loss);
});

deviceTest("a graph can be differentiated twice", async () => {
  const device = await testDevice();
  using _ = device.scope();
  const rows = unitRows(5, 4);
  const query = tensor(device, rows.query, [5, 4], { requiresGrad: true });
  const key = tensor(device, rows.key, [5, 4]);
  const loss = fusedInfoNCE(query, key, 0.5);
  loss.backward();
  const once = await query.grad!.data();
  loss.backward();
  assertEquals(await query.grad!.data(), once.map((v) => 2 * v));
});

deviceTest("rows that do not pair are refused", async () => {
  const device = await testDevice();
  using _ = device.scope();
  assertThrows(
    () => fusedInfoNCE(tensor(device, [1, 0], [1, 2]), tensor(device, [1], [1, 1]), 1),
    TypeError,
    "Cannot contrast [1, 2] with [1, 1].",
  );
});
