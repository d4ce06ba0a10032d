import { assertEquals, assertRejects } from "@std/assert";
import type { Device } from "../../src/gpu/device.ts";
import {
  add,
  exp,
  log,
  mul,
  relu,
  scale,
  sqrt,
  sub,
  sum,
  type Tensor,
  tensor,
} from "../../src/tensor/mod.ts";
import { DataError } from "../../src/base/errors.ts";
import { deviceTest, testDevice } from "../support/device.ts";

/**
 * Run `work` in a scope of a device that checks every operation's output; its messages of
 * DBBD_DEBUG=2 are muted.
 */
async function checked(work: (device: Device) => Promise<unknown>): Promise<void> {
  const { error } = console;
  console.error = () => {};
  try {
    const device = await testDevice({ debug: 3 });
    using _ = device.scope();
    await work(device);
  } finally {
    console.error = error;
  }
}

async function refusal(promise: Promise<unknown>): Promise<string> {
  const error: Error = await assertRejects(() => promise, DataError);
  return error.message;
}

deviceTest("the first operation that made a NaN is named at the next read", async () => {
  await checked(async (device) => {
    const x = tensor(device, [1, 2, 3, -4, 5, -6], [2, 3]);
    const y = relu(mul(sqrt(scale(x, 2)), x)); // relu hides the NaN
    assertEquals(
      await refusal(y.data()),
      "NaN or infinity came out of sqrt: first at element 3 of its result [2, 3]. " +
        "Every operation before it gave finite numbers.",
    );
  });
});

deviceTest("infinity is named too, at the next sync", async () => {
  await checked(async (device) => {
    exp(tensor(device, [1, 100]));
    const message = await refusal(device.sync());
    assertEquals(message.includes("came out of exp: first at element 1 of its result [2]"), true);
    await device.sync(); // told once
  });
});

deviceTest("a gradient that is not finite names the operation it is the gradient of", async () => {
  await checked(async (device) => {
    const x = tensor(device, [4, 0], [2], { requiresGrad: true });
    const y = sqrt(x); // finite, with an infinite slope at 0
    sum(add(y, x)).backward();
    assertEquals(
      (await refusal(x.grad!.data())).includes(
        "came out of the gradient of sqrt: first at element 1",
      ),
      true,
    );
  });
});

deviceTest("finite numbers pass, of any size, and leave nothing allocated", async () => {
  await checked(async (device) => {
    const live = device.pool.usage.live;
    const step = async (values: Tensor) => {
      using _ = device.scope();
      return [...await relu(scale(values, 1)).data()];
    };
    const extremes = [3.4028234663852886e38, -3.4028234663852886e38, 1e-45, 0];
    const x = tensor(device, extremes);
    assertEquals(await step(x), [Math.fround(3.4028234663852886e38), 0, Math.fround(1e-45), 0]);
    x.dispose();
    assertEquals(device.pool.usage.live, live);
  });
});

deviceTest("more outputs than one buffer of flags holds are all checked", async () => {
  await checked(async (device) => {
    let x = tensor(device, [1]);
    for (let k = 0; k < 5000; k++) x = scale(x, 1);
    const y = log(sub(x, x));
    assertEquals((await refusal(y.data())).includes("came out of log"), true);
  });
});

deviceTest("without the debug level nothing is scanned", async () => {
  const device = await testDevice({ debug: 0 });
  using _ = device.scope();
  const y = log(tensor(device, [0]));
  assertEquals([...await y.data()], [-Infinity]);
  assertEquals(device.counters.dispatches, 1);
});
