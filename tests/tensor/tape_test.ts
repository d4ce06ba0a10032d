import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import {
  add,
  diagonal,
  exp,
  logSumExp,
  matmul,
  mean,
  mul,
  noGrad,
  normalize,
  record,
  recordAll,
  reshape,
  scale,
  sub,
  sum,
  type Tensor,
  tensor,
  transpose,
} from "../../src/tensor/mod.ts";
import type { Device } from "../../src/gpu/device.ts";
import { ParameterSet } from "../../src/nn/parameters.ts";
import { deviceTest, testDevice } from "../support/device.ts";
import { testOp } from "../support/gradient_check.ts";
import { at, build, byRow, flip, map, times, total, zip } from "../support/matrix.ts";

function leaf(device: Device, values: readonly number[], shape?: readonly number[]): Tensor {
  return tensor(device, values, shape, { requiresGrad: true });
}

async function gradient(x: Tensor): Promise<number[]> {
  return [...await x.grad!.data()];
}

// Composed functions, each against finite differences of its reference.
const SMALL = [[[3, 5]], [[257, 2]], [[1, 1]]];
testOp("x + x", (x) => add(x, x), (x) => map(x, (v) => 2 * v), SMALL);
testOp("x · x − x", (x) => sub(mul(x, x), x), (x) => map(x, (v) => v * v - v), SMALL);
testOp(
  "a diamond: one tensor on two ways that meet",
  (x) => {
    const shared = mul(x, x);
    return mul(exp(scale(shared, -0.5)), add(shared, x));
  },
  (x) => map(x, (v) => Math.exp(-0.5 * v * v) * (v * v + v)),
  SMALL,
);
testOp(
  "a chain of diamonds",
  (x) => {
    let y = x;
    for (let k = 0; k < 10; k++) y = add(scale(y, 0.25), scale(mul(y, y), 0.1));
    return y;
  },
  (x) =>
    map(x, (v) => {
      for (let k = 0; k < 10; k++) v = 0.25 * v + 0.1 * v * v;
      return v;
    }),
  SMALL,
);
testOp("x xᵀ", (x) => matmul(x, x, { transposeB: true }), (x) => times(x, flip(x)), SMALL);
testOp(
  "a reshaped tensor used twice",
  (x) => {
    const row = reshape(x, [1, 6]);
    return add(mul(row, row), reshape(x, [6]));
  },
  (x) => build(1, 6, (_, c) => x.data[c] ** 2 + x.data[c]),
  [[[2, 3]]],
);
testOp(
  "InfoNCE",
  (query, key) => {
    const similarity = matmul(normalize(query), transpose(normalize(key)));
    return mean(sub(logSumExp(similarity), diagonal(similarity)));
  },
  (query, key) => {
    const unit = (x: typeof query) =>
      byRow(x, (row) => row.map((v) => v / Math.sqrt(total(row.map((u) => u * u)))));
    const similarity = times(unit(query), flip(unit(key)));
    const lse = byRow(similarity, (row) => [Math.log(total(row.map(Math.exp)))]);
    const matched = build(query.rows, 1, (r) => at(similarity, r, r));
    return build(1, 1, () => total(zip(lse, matched, (a, b) => a - b).data) / query.rows);
  },
  [[[7, 5], [7, 5]], [[257, 16], [257, 16]], [[1, 3], [1, 3]]],
);

deviceTest("gradients accumulate over backward calls until the gradient is dropped", async () => {
  const device = await testDevice();
  using _ = device.scope();
  const x = leaf(device, [1, 2, 3]);
  sum(mul(x, x)).backward();
  sum(mul(x, x)).backward();
  assertEquals(await gradient(x), [4, 8, 12]);
  x.grad = null;
  sum(x).backward();
  assertEquals(await gradient(x), [1, 1, 1]);
});

deviceTest("one graph can be differentiated twice", async () => {
  const device = await testDevice();
  using _ = device.scope();
  const x = leaf(device, [1, 2, 3]);
  const loss = sum(add(mul(x, x), x));
  loss.backward();
  loss.backward();
  assertEquals(await gradient(x), [6, 10, 14]);
});

deviceTest("backward returns the leaves that received a gradient", async () => {
  const device = await testDevice();
  using _ = device.scope();
  const [used, unused] = [leaf(device, [1]), leaf(device, [2])];
  const constant = tensor(device, [3]);
  assertEquals(sum(mul(used, constant)).backward(), new Set([used]));
  assertEquals([unused.grad, constant.grad], [null, null]);
});

deviceTest("a gradient can be given, and weighs the result", async () => {
  const device = await testDevice();
  using _ = device.scope();
  const x = leaf(device, [1, 2, 3]);
  mul(x, x).backward(tensor(device, [1, 0, -1]));
  assertEquals(await gradient(x), [2, 0, -6]);
});

deviceTest("a given gradient is not changed by what is added to it", async () => {
  const device = await testDevice();
  using _ = device.scope();
  const x = leaf(device, [1, 2]);
  const given = tensor(device, [1, 1]);
  add(add(x, x), x).backward(given);
  assertEquals([...await given.data(), ...await gradient(x)], [1, 1, 3, 3]);
});

deviceTest("backward of more than one value needs a gradient of its size", async () => {
  const device = await testDevice();
  using _ = device.scope();
  const y = scale(leaf(device, [1, 2, 3]), 2);
  assertThrows(() => y.backward(), TypeError, "shape [3] without a gradient");
  assertThrows(() => y.backward(tensor(device, [1])), TypeError, "with a gradient of shape [1]");
});

deviceTest("no history is kept inside noGrad, also nested, and is again after it", async () => {
  const device = await testDevice();
  using _ = device.scope();
  const x = leaf(device, [2]);
  {
    using _outer = noGrad(device);
    {
      using _inner = noGrad(device);
    }
    assertEquals(mul(x, x).node, null);
  }
  assertEquals(mul(x, x).node?.op, "mul");
});

deviceTest("no gradient flows through detach, or into what needs none", async () => {
  const device = await testDevice();
  using _ = device.scope();
  const x = leaf(device, [2, 3]);
  const square = mul(x, x);
  sum(mul(square.detach(), x)).backward();
  assertEquals(await gradient(x), [4, 9]);
  assertEquals(add(square.detach(), tensor(device, [1, 1])).node, null);
});

deviceTest(
  "a tape of 10,000 operations is differentiated without overflowing the stack",
  async () => {
    const device = await testDevice();
    using _ = device.scope();
    const x = leaf(device, [0.5]);
    let y = x;
    for (let k = 0; k < 10_000; k++) y = scale(y, k % 2 === 0 ? 2 : 0.5);
    sum(y).backward();
    assertEquals(await gradient(x), [1]);
  },
);

deviceTest("2^30 ways through shared tensors are differentiated in 30 steps", async () => {
  const device = await testDevice();
  using _ = device.scope();
  const x = leaf(device, [1]);
  let y = x;
  for (let k = 0; k < 30; k++) y = add(y, y);
  sum(y).backward();
  assertEquals(await gradient(x), [2 ** 30]);
});

deviceTest("gradient descent on InfoNCE brings the loss down", async () => {
  const device = await testDevice();
  using _ = device.scope();
  let values = Array.from({ length: 12 }, (_, i) => Math.sin(3 * i + 1));
  const key = tensor(device, Array.from({ length: 12 }, (_, i) => Math.cos(i)), [4, 3]);
  const losses: number[] = [];
  for (let step = 0; step < 20; step++) {
    using _step = device.scope();
    const query = leaf(device, values, [4, 3]);
    const similarity = scale(matmul(normalize(query), transpose(normalize(key))), 5);
    const loss = mean(sub(logSumExp(similarity), diagonal(similarity)));
    loss.backward();
    const [value, grad] = await Promise.all([loss.item(), query.grad!.data()]);
    values = values.map((v, i) => v - 0.3 * grad[i]);
    losses.push(value);
  }
  assertEquals(losses.at(-1)! < 0.5 * losses[0], true, `${losses}`);
});

deviceTest("item and data refuse what they cannot give", async () => {
  const device = await testDevice();
  using _ = device.scope();
  assertAlmostEquals(await tensor(device, [1.5], [1, 1]).item(), 1.5);
  const refused = await tensor(device, [1, 2]).item().catch((error) => String(error));
  assertEquals(refused, "TypeError: Cannot take one value of a tensor of shape [2].");
  const whole = tensor(device, new Uint32Array([1, 4294967295]));
  assertEquals(await whole.integers(), new Uint32Array([1, 4294967295]));
  assertEquals(
    await whole.data().catch((error) => error.message),
    "Cannot read u32 values as f32.",
  );
  assertThrows(() => tensor(device, [1, 2], [3]), TypeError, "shape [3] from 2 values");
  assertThrows(() => reshape(whole, [3]), TypeError, "Cannot reshape [2] to [3]");
});

deviceTest(
  "an operation may add to a leaf itself, and send for inputs without a gradient",
  async () => {
    const device = await testDevice();
    using _ = device.scope();
    const w = leaf(device, [1, 2]);
    w.grad = tensor(device, [10, 20]);
    const order: string[] = [];
    // `shared` is used twice; each use leaves its gradient with the pass, and `shared` adds them to
    // the leaf at the end.
    const key = {};
    const shared = w.detach();
    recordAll("shared", [shared], [w], (own, pass) => {
      order.push("shared");
      assertEquals(own, [null]);
      const sums = pass.state<Tensor[]>(key, () => []);
      w.grad = sums.reduce((a, b) => add(a, b), pass.gradientOf(w));
      return [null];
    });
    const use = (name: string, factor: number) =>
      record(name, scale(shared.detach(), factor), [shared], (gradient, pass) => {
        order.push(name);
        pass.state<Tensor[]>(key, () => []).push(scale(gradient, factor));
        pass.visit(shared);
        return [null];
      });
    const touched = sum(add(use("three", 3), use("four", 4))).backward();
    assertEquals(order.at(-1), "shared");
    assertEquals(order.length, 3);
    assertEquals([...touched], [w]);
    assertEquals(await gradient(w), [17, 27]);
  },
);

deviceTest("who is sent for and has no gradient has zeros", async () => {
  const device = await testDevice();
  using _ = device.scope();
  const x = leaf(device, [1, 2]);
  const first = scale(x, 3);
  const second = record("second", scale(x.detach(), 1), [first], (_gradient, pass) => {
    pass.visit(first);
    return [null];
  });
  assertEquals(sum(second).backward(), new Set([x]));
  assertEquals(await gradient(x), [0, 0]);
});

deviceTest(
  "an operation with several outputs goes back once, when all that read them have",
  async () => {
    const device = await testDevice();
    using _ = device.scope();
    const x = leaf(device, [1, 2, 3, 4]);
    const calls: (number[] | null)[][] = [];
    const split = () => {
      const { buffer, offset } = x.slice;
      const part = (first: number) =>
        scale(tensor(device, [1, 2, 3, 4].slice(first, first + 2)).detach(), 1);
      assertEquals(offset % 4, 0, `${buffer.size}`);
      return recordAll("split", [part(0), part(2)], [x], (gradients) => {
        const order = calls.push([]);
        const all = gradients.map((each) => each ?? tensor(device, [0, 0]));
        gradients.forEach((each) => calls[order - 1].push(each && []));
        return [add(mul(tensor(device, [1, 1, 0, 0]), reshapeTo(all[0])), rest(all[1]))];
      });
    };
    const reshapeTo = (g: Tensor) => matmulPlaces(g, [1, 0, 0, 0, 0, 1, 0, 0]);
    const rest = (g: Tensor) => matmulPlaces(g, [0, 0, 1, 0, 0, 0, 0, 1]);
    const matmulPlaces = (g: Tensor, places: number[]) =>
      reshape(matmul(reshape(g, [1, 2]), tensor(device, places, [2, 4])), [4]);
    const [a, b] = split();
    // b is read twice, once behind a.
    sum(add(mul(a, b), scale(b, 10))).backward();
    assertEquals(await gradient(x), [3, 4, 11, 12]);
    assertEquals(calls, [[[], []]]);
    // Of one output alone the other has none.
    sum(a).backward();
    assertEquals(calls[1], [[], null]);
    assertEquals(await gradient(x), [4, 5, 11, 12]);
  },
);

deviceTest("gradients of many parameters of a set are each added in their place", async () => {
  const device = await testDevice();
  // More than go into one dispatch, of sizes that fill no workgroup and more than one.
  const sizes = [1, 3, 300, 64, 65, 2, 513, 7, 9, 1000, 5, 4, 3, 2, 1, 6];
  using set = new ParameterSet(
    device,
    sizes.map((size, i) => ({ name: `p${i}`, shape: [size], initial: () => new Float32Array() })),
  );
  using _ = device.scope();
  for (const round of [1, 2]) {
    const terms = sizes.map((_, i) => sum(scale(set.get(`p${i}`), i + 1)));
    const touched = terms.reduce((a, b) => add(a, b)).backward();
    assertEquals(touched.size, sizes.length);
    const gradients = await set.read(set.gradients);
    sizes.forEach((size, i) => {
      assertEquals(gradients.get(`p${i}`), new Float32Array(size).fill(round * (i + 1)));
    });
  }
  // Padding between them stays zero.
  const total = (await set.gradients.data()).reduce((a, b) => a + b);
  assertEquals(total, 2 * sizes.reduce((a, size, i) => a + size * (i + 1), 0));
});
