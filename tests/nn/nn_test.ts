import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { Random } from "../../src/base/random.ts";
import { AdamW } from "../../src/nn/adamw.ts";
import {
  constant,
  fanInUniform,
  standardNormal,
  xavierUniform,
} from "../../src/nn/initialisers.ts";
import {
  applySteps,
  before,
  declareSteps,
  linearStep,
  mlp,
  type Step,
} from "../../src/nn/network.ts";
import { ParameterRegistry, ParameterSet } from "../../src/nn/parameters.ts";
import { learningRate } from "../../src/nn/schedule.ts";
import { tensor } from "../../src/tensor/mod.ts";
import { deviceTest, noDevice, testDevice } from "../support/device.ts";

const ignore = noDevice;

function moments(values: Float32Array) {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return { mean, variance, largest };
}

Deno.test("Xavier fills ±sqrt(6 / (in + out)) evenly", () => {
  const bound = Math.sqrt(6 / 500);
  const values = xavierUniform([200, 300], new Random(1));
  assertEquals(values.length, 60_000);
  const { mean, variance, largest } = moments(values);
  assert(largest <= bound && largest > 0.999 * bound);
  assertAlmostEquals(mean, 0, 5 * bound / Math.sqrt(3 * 60_000));
  assertAlmostEquals(variance, bound ** 2 / 3, 0.02 * bound ** 2 / 3);
});

Deno.test("PyTorch's own default fills ±1/sqrt(fan in) evenly, whatever the shape", () => {
  const bound = 1 / Math.sqrt(37);
  for (const shape of [[1000, 37], [37_000]]) {
    const { mean, variance, largest } = moments(fanInUniform(37)(shape, new Random(2)));
    assert(largest <= bound && largest > 0.999 * bound);
    assertAlmostEquals(mean, 0, 5 * bound / Math.sqrt(3 * 37_000));
    assertAlmostEquals(variance, bound ** 2 / 3, 0.02 * bound ** 2 / 3);
  }
});

Deno.test("standard normal has mean 0 and variance 1, its tails too", () => {
  const values = standardNormal([1, 40_000], new Random(3));
  const { mean, variance } = moments(values);
  assertAlmostEquals(mean, 0, 5 / 200);
  assertAlmostEquals(variance, 1, 5 * Math.sqrt(2) / 200);
  const beyond = values.filter((value) => Math.abs(value) > 1.96).length / values.length;
  assertAlmostEquals(beyond, 0.05, 0.006);
  assertEquals(constant(1.5)([2, 3], new Random(1)), new Float32Array(6).fill(1.5));
});

Deno.test("layers name their parameters as PyTorch's Sequential does", () => {
  const registry = new ParameterRegistry();
  const x = (width: number) => ({ name: "x", width });
  const c = linearStep("c", [x(2)], 3);
  declareSteps(registry, mlp("a.mlp", [x(2), x(3)], [7, 7, 2], "gelu"));
  declareSteps(registry, [linearStep("b.0", [x(3)], 4), { step: "gelu" }]);
  declareSteps(registry, [linearStep("b.2", [before(4)], 4), c]);
  declareSteps(registry, [{ step: "norm", name: "d", width: 9 }]);
  const shapes = registry.specs.map(({ name, shape }) => `${name} ${shape.join("x")}`);
  assertEquals(shapes, [
    "a.mlp.0.weight 7x5",
    "a.mlp.0.bias 7",
    "a.mlp.1.weight 7",
    "a.mlp.1.bias 7",
    "a.mlp.3.weight 7x7",
    "a.mlp.3.bias 7",
    "a.mlp.4.weight 7",
    "a.mlp.4.bias 7",
    "a.mlp.6.weight 2x7",
    "a.mlp.6.bias 2",
    "b.0.weight 4x3",
    "b.0.bias 4",
    "b.2.weight 4x4",
    "b.2.bias 4",
    "c.weight 3x2",
    "c.bias 3",
    "d.weight 9",
    "d.bias 9",
  ]);
  assertThrows(() => declareSteps(registry, [c]), Error, "c.weight declared twice");
});

Deno.test("a linear layer starts with Xavier and zero bias, or with PyTorch's default for both", () => {
  const start = (init: "xavier" | "default") => {
    const registry = new ParameterRegistry();
    declareSteps(registry, [linearStep("x", [{ name: "x", width: 300 }], 100, init)]);
    return registry.specs.map(({ name, shape, initial }) =>
      moments(initial(shape, new Random(4, name))).largest
    );
  };
  const [xavier, zero] = start("xavier");
  assertAlmostEquals(xavier, Math.sqrt(6 / 400), 1e-4);
  assertEquals(zero, 0);
  const [weight, bias] = start("default");
  assertAlmostEquals(weight, 1 / Math.sqrt(300), 1e-4);
  assertAlmostEquals(bias, 1 / Math.sqrt(300), 2e-3);
});

deviceTest("steps are applied in turn, with what each reads side by side", async () => {
  const device = await testDevice();
  const steps: Step[] = [
    ...mlp("m", [{ name: "a", width: 2 }, { name: "b", width: 1 }], [2, 2], "relu"),
    linearStep("last", [{ name: "b", width: 1 }, before(2)], 1),
  ];
  const registry = new ParameterRegistry();
  declareSteps(registry, steps);
  using set = new ParameterSet(device, registry.specs);
  const values: Record<string, number[]> = {
    "m.0.weight": [1, 0, 2, 0, 1, -1],
    "m.0.bias": [0, 3],
    "m.1.weight": [2, 2],
    "m.1.bias": [0.5, 0],
    "m.3.weight": [1, 1, 0, 1],
    "m.3.bias": [0, 1],
    "last.weight": [10, 1, 2],
    "last.bias": [-1],
  };
  for (const [name, own] of Object.entries(values)) set.write(name, Float32Array.from(own));
  using _ = device.scope();
  const a = tensor(device, [4, 1, 0, 0], [2, 2]), b = tensor(device, [1, 2], [2, 1]);
  const [first, second] = await applySteps(steps, { a, b }, set).data();
  // Row 0: [6, 3], normalised [1, -1], times 2 plus [0.5, 0]: [2.5, -2], relu [2.5, 0], [2.5, 1],
  // 10 + 2.5 + 2 - 1.
  assertAlmostEquals(first, 13.5, 1e-4);
  // Row 1: [4, 1], as row 0; the last layer reads b = 2.
  assertAlmostEquals(second, 23.5, 1e-4);
  assertThrows(() => applySteps(steps, { a }, set), TypeError, "m.0 reads b, which is not given");
  assertThrows(() => applySteps([], {}, set), TypeError, "without a step");
});

/** A set of three parameters of awkward sizes on the test device. */
async function parameterSet(): Promise<ParameterSet> {
  const registry = new ParameterRegistry();
  registry.declare("a", [7, 11], standardNormal);
  registry.declare("b", [65], standardNormal);
  registry.declare("c", [1], standardNormal);
  const set = new ParameterSet(await testDevice(), registry.specs);
  set.initialise(5);
  return set;
}

Deno.test("parameters depend on seed and name alone, and are read and written by name", {
  ignore,
}, async () => {
  using set = await parameterSet();
  assertEquals(set.count, 77 + 65 + 1);
  const before = await set.read();
  assertEquals(before.get("b"), standardNormal([65], new Random(5, "parameter", "b")));
  set.write("c", Float32Array.of(-2));
  const after = await set.read();
  assertEquals(after.get("c"), Float32Array.of(-2));
  assertEquals([after.get("a"), after.get("b")], [before.get("a"), before.get("b")]);
  assertThrows(() => set.write("a", new Float32Array(3)), TypeError, "Cannot set a: [7, 11]");
  assertThrows(() => set.get("none"), Error, "no parameter none");
});

Deno.test("AdamW follows Loshchilov and Hutter in float64; a parameter without gradient stays", {
  ignore,
}, async () => {
  using set = await parameterSet();
  const options = { weightDecay: 0.05, beta1: 0.8, beta2: 0.95, eps: 1e-6 };
  using optimiser = new AdamW(set, options);
  const names = ["a", "b", "c"];
  const start = await set.read();
  const expected = new Map(names.map((name) => [name, Float64Array.from(start.get(name)!)]));
  const first = new Map(names.map((name) => [name, new Float64Array(start.get(name)!.length)]));
  const second = new Map(names.map((name) => [name, new Float64Array(start.get(name)!.length)]));
  const count = new Map<string, number>();
  for (let step = 0; step < 6; step++) {
    const rate = 0.03 / (step + 1);
    // b is left out of steps 2 and 3, c of all.
    const touched = step === 2 || step === 3 ? ["a"] : ["a", "b"];
    const gradients = new Map(
      names.map((name) => [name, standardNormal(set.get(name).shape, new Random(step, name))]),
    );
    set.writeFlat(set.gradients, gradients);
    optimiser.step(rate, new Set(touched.map((name) => set.get(name))));
    for (const name of touched) {
      const t = (count.get(name) ?? 0) + 1;
      count.set(name, t);
      const [w, m, v] = [expected, first, second].map((state) => state.get(name)!);
      gradients.get(name)!.forEach((g, i) => {
        w[i] -= rate * options.weightDecay * w[i];
        m[i] = options.beta1 * m[i] + (1 - options.beta1) * g;
        v[i] = options.beta2 * v[i] + (1 - options.beta2) * g * g;
        const corrected = Math.sqrt(v[i] / (1 - options.beta2 ** t)) + options.eps;
        w[i] -= rate * m[i] / (1 - options.beta1 ** t) / corrected;
      });
    }
  }
  const values = await set.read();
  const state = await optimiser.state();
  for (const name of names) {
    values.get(name)!.forEach((value, i) => {
      assertAlmostEquals(value, expected.get(name)![i], 1e-5, `${name}[${i}]`);
    });
    state.firstMoment.get(name)!.forEach((value, i) => {
      assertAlmostEquals(value, first.get(name)![i], 1e-5, `first moment of ${name}[${i}]`);
    });
    state.secondMoment.get(name)!.forEach((value, i) => {
      assertAlmostEquals(value, second.get(name)![i], 1e-5, `second moment of ${name}[${i}]`);
    });
  }
  assertEquals(values.get("c"), start.get("c"));
  assertEquals(Object.fromEntries(state.steps), { a: 6, b: 4, c: 0 });
});

Deno.test("AdamW goes on from a saved state to the bit", { ignore }, async () => {
  using one = await parameterSet();
  using two = await parameterSet();
  using optimiser = new AdamW(one);
  using restored = new AdamW(two);
  const step = (set: ParameterSet, adam: AdamW, number: number) => {
    const gradients = new Map(
      set.names.map((
        name,
      ) => [name, standardNormal(set.get(name).shape, new Random(number, name))]),
    );
    set.writeFlat(set.gradients, gradients);
    adam.step(0.01, new Set(set.names.map((name) => set.get(name))));
  };
  for (let number = 0; number < 3; number++) step(one, optimiser, number);
  two.writeFlat(two.values, await one.read());
  restored.restore(await optimiser.state());
  for (let number = 3; number < 6; number++) {
    step(one, optimiser, number);
    step(two, restored, number);
  }
  assertEquals(await two.read(), await one.read());
});

Deno.test(
  "layers compute x Wᵀ + b with the parameters under their prefix",
  { ignore },
  async () => {
    const device = await testDevice();
    using _ = device.scope();
    const registry = new ParameterRegistry();
    const steps = [linearStep("head", [{ name: "x", width: 3 }], 2)];
    declareSteps(registry, steps);
    using set = new ParameterSet(device, registry.specs);
    set.write("head.weight", Float32Array.of(1, 2, 3, 4, 5, 6));
    set.write("head.bias", Float32Array.of(0.5, -1));
    const x = tensor(device, Float32Array.of(1, 0, -1, 2, 2, 2), [2, 3]);
    const y = applySteps(steps, { x }, set);
    assertEquals(await y.data(), Float32Array.of(-1.5, -3, 12.5, 29));
  },
);

Deno.test("the cosine schedule is its closed form, also after T_max", () => {
  const config = {
    learning_rate: 0.01,
    eta_min: 0.001,
    T_max: 8,
    scheduler_type: "cosine",
  } as const;
  const rates = [0, 2, 4, 8, 12, 16, 24].map((epoch) => learningRate(config, epoch));
  const quarter = 0.001 + 0.0045 * (1 + Math.SQRT1_2);
  [0.01, quarter, 0.0055, 0.001, 0.0055, 0.01, 0.001].forEach((expected, i) =>
    assertAlmostEquals(rates[i], expected, 1e-15)
  );
  assertEquals(learningRate({ ...config, scheduler_type: "none" }, 5), 0.01);
});
