import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertLess,
  assertNotEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { fromFileUrl } from "@std/path";
import { readSafetensors } from "../../src/base/safetensors.ts";
import type { Dataset } from "../../src/scenes/scene.ts";
import { DataError, UsageError } from "../../src/base/errors.ts";
import type { EpochSummary, StepReport } from "../../src/training/reports.ts";
import { add, mul, scale, sqrt, sum, tensor } from "../../src/tensor/mod.ts";
import { deviceTest, noDevice, testDevice } from "../support/device.ts";
import { missingPermissions } from "../support/permissions.ts";
import { tempFolder } from "../support/temp_folder.ts";
import { tinyRooms, tinyTrainer, weights } from "../support/training.ts";

const ignore = noDevice;
const ignoreFiles = noDevice || missingPermissions("read", "write");

function filesIn(folder: string): string[] {
  return [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
}

Deno.test("validate changes no parameter, keeps no gradient, gives the same each time", {
  ignore,
}, async () => {
  using trainer = await tinyTrainer();
  await trainer.trainStep(await trainer.nextBatch());
  const { parameters } = trainer.model;
  const before = await weights(trainer);
  const gradients = await parameters.read(parameters.gradients);
  const { live, buffers } = trainer.device.pool.usage;
  const first = await trainer.validate();
  assertEquals(await weights(trainer), before);
  assertEquals(await parameters.read(parameters.gradients), gradients);
  const after = trainer.device.pool.usage;
  assertEquals([after.live, after.buffers], [live, buffers]);
  assertEquals(await trainer.validate(), first);
  assertEquals([trainer.epoch, trainer.step], [0, 1]);

  assertEquals(first.batches, 2);
  const names = ["region", "point", "region_level_0", "region_level_1", "region_level_2"];
  assertEquals(Object.keys(first.scalars), names);
  const { alpha, beta } = trainer.config;
  const [region, point, ...levels] = names.map((name) => first.scalars[name]);
  assertAlmostEquals(first.loss, alpha * region + beta * point, 1e-5);
  assertAlmostEquals(region, levels.reduce((sum, loss) => sum + loss, 0) / 3, 1e-5);
  assert(first.alignment >= -1 && first.alignment <= 1 && first.featStd > 0 && first.featNorm > 0);
});

Deno.test("validate without scenes says what is missing", { ignore }, async () => {
  using trainer = await tinyTrainer({}, { validation: null });
  await assertRejects(() => trainer.validate(), UsageError, "no validation scenes");
});

Deno.test("a step's numbers belong together", { ignore }, async () => {
  using trainer = await tinyTrainer({ alpha: 0.7, beta: 1.3 });
  const { step, loss, scalars } = await trainer.trainStep(await trainer.nextBatch());
  const { region, point } = scalars;
  assertEquals(step, 0);
  assertAlmostEquals(loss, 0.7 * region + 1.3 * point, 1e-5);
  assertAlmostEquals(
    region,
    (scalars.region_level_0 + scalars.region_level_1 + scalars.region_level_2) / 3,
    1e-5,
  );
});

Deno.test("the learning rate follows the epoch, not the step", { ignore }, async () => {
  using trainer = await tinyTrainer({ learning_rate: 0.02, eta_min: 0.01, T_max: 2 });
  const rates: number[] = [];
  for (let step = 0; step < 7; step++) {
    rates.push(trainer.learningRate);
    await trainer.trainStep(await trainer.nextBatch());
  }
  const middle = 0.01 + 0.005 * (1 + Math.cos(Math.PI / 2));
  assertEquals(rates, [0.02, 0.02, 0.02, middle, middle, middle, 0.01]);
});

Deno.test(
  "fit validates, writes best, last, periodic and final checkpoints, and reports every step",
  {
    ignore: ignoreFiles,
  },
  async () => {
    await using folder = await tempFolder();
    const checkpoint_dir = `${folder.path}/made/by/fit`;
    using trainer = await tinyTrainer({
      checkpoint_dir,
      num_epochs: 5,
      save_interval: 2,
      eval_interval: 2,
    });
    const steps: StepReport[] = [];
    const epochs: EpochSummary[] = [];
    const summary = await trainer.fit({
      onStep: (report) => void steps.push(report),
      onEpoch: (epoch) => void epochs.push(epoch),
    });
    assertEquals(steps.map(({ step }) => step), Array.from({ length: 15 }, (_, step) => step));
    assertEquals(steps.map(({ epoch }) => epoch), [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4]);
    assertEquals(steps.slice(0, 4).map(({ stepInEpoch }) => stepInEpoch), [0, 1, 2, 0]);
    assert(steps.every((step) => step.pointsPerSecond > 0 && step.stepsPerEpoch === 3));
    assertEquals(summary.epochs, epochs);
    assertEquals([summary.firstLoss, summary.lastLoss], [steps[0].loss, steps[14].loss]);
    assertEquals([summary.steps, summary.interrupted], [15, false]);
    assertEquals(summary.checkpoint, `${checkpoint_dir}/final.safetensors`);
    // Every second epoch, and the last.
    assertEquals(epochs.map(({ validation }) => validation !== null), [
      false,
      true,
      false,
      true,
      true,
    ]);
    assertAlmostEquals(
      epochs[1].trainLoss,
      (steps[3].loss + steps[4].loss + steps[5].loss) / 3,
      1e-12,
    );
    assertEquals(epochs[1].best, true); // the first validation is the best so far
    assertEquals(epochs[0].best, false); // nothing to judge by
    assertEquals(filesIn(checkpoint_dir), [
      "best.safetensors",
      "epoch_0002.safetensors",
      "epoch_0004.safetensors",
      "final.safetensors",
      "last.safetensors",
    ]);
    const final = await readSafetensors(summary.checkpoint!);
    assertEquals(JSON.parse(final.metadata.counters).epoch, 5);
  },
);

Deno.test("fit gives what steps one by one give, to the bit", { ignore }, async () => {
  using one = await tinyTrainer();
  const losses: number[] = [];
  for (let step = 0; step < 6; step++) {
    losses.push((await one.trainStep(await one.nextBatch())).loss);
  }
  using two = await tinyTrainer();
  const fitted: number[] = [];
  const options = { checkpoints: false, onStep: ({ loss }: StepReport) => void fitted.push(loss) };
  await two.fit(options);
  assertEquals(fitted, losses);
  assertEquals(await weights(two), await weights(one));
  // Nothing is left to do.
  const { epochs, firstLoss, steps, interrupted, checkpoint } = await two.fit(options);
  assertEquals([epochs, firstLoss, steps, interrupted, checkpoint], [[], NaN, 0, false, null]);
});

Deno.test("an interrupted fit saves; the run that goes on ends with the same weights", {
  ignore: ignoreFiles,
}, async () => {
  await using folder = await tempFolder();
  const values = { checkpoint_dir: folder.path, num_epochs: 3, eval_interval: 1 };
  using straight = await tinyTrainer(values);
  const whole = await straight.fit({ checkpoints: false });

  using stopped = await tinyTrainer(values);
  const abort = new AbortController();
  const first = await stopped.fit({
    signal: abort.signal,
    onStep: ({ step }) => {
      if (step === 3) abort.abort();
    },
  });
  assert(first.interrupted);
  assertEquals(stopped.step, first.steps);
  assertLess(first.steps, 9);
  using resumed = await tinyTrainer(values);
  await resumed.loadCheckpoint(first.checkpoint!);
  const second = await resumed.fit();
  assertEquals(first.steps + second.steps, 9);
  assertEquals(await weights(resumed), await weights(straight));
  // Also the epoch's mean, whose first steps were in the other process.
  assertEquals([...first.epochs, ...second.epochs], whole.epochs);
});

Deno.test("a loss that is not a number ends fit; the last good checkpoint stays", {
  ignore: ignoreFiles,
}, async () => {
  await using folder = await tempFolder();
  const values = { checkpoint_dir: folder.path, num_epochs: 4 };
  using trainer = await tinyTrainer(values, { validation: null });
  const abort = new AbortController();
  await trainer.fit({
    signal: abort.signal,
    onEpoch: ({ epoch }) => {
      if (epoch === 1) abort.abort();
    },
  });
  const bias = new Float32Array(8).fill(NaN);
  trainer.model.parameters.write("loss.region_projection.layers.3.bias", bias);
  const seen: number[] = [];
  const error = await assertRejects(
    () => trainer.fit({ onStep: ({ loss }) => void seen.push(loss) }),
    DataError,
  );
  assert(error.message.startsWith("Training diverged: the loss of step 7 is NaN."), error.message);
  assertEquals(seen.at(-1), NaN); // the hook saw it, and so the log has it
  assertEquals(filesIn(folder.path), ["best.safetensors", "last.safetensors"]);
  using again = await tinyTrainer(values, { validation: null });
  await again.loadCheckpoint(`${folder.path}/last.safetensors`);
  assertEquals([again.epoch, again.step], [2, 6]);
  await again.trainStep(await again.nextBatch());
});

Deno.test("weights that are not finite are never written over good ones", {
  ignore: ignoreFiles,
}, async () => {
  await using folder = await tempFolder();
  const path = `${folder.path}/a.safetensors`;
  using trainer = await tinyTrainer();
  await trainer.saveCheckpoint(path);
  const good = Deno.readFileSync(path);
  const name = "encoder.propagator.mlp.0.bias";
  trainer.model.parameters.write(name, new Float32Array(10).fill(Infinity));
  const error = await assertRejects(() => trainer.saveCheckpoint(path), DataError);
  assert(
    error.message.startsWith(`Cannot write ${path}: training diverged`) &&
      error.message.includes(`${name} at position 0 (Infinity)`),
    error.message,
  );
  assertEquals(Deno.readFileSync(path), good);
  assertEquals(filesIn(folder.path), ["a.safetensors"]);
});

Deno.test("an error of a hook or of a scene ends fit with that error", { ignore }, async () => {
  using trainer = await tinyTrainer();
  await assertRejects(
    () =>
      trainer.fit({
        checkpoints: false,
        onStep: () => {
          throw new DataError("No space left");
        },
      }),
    DataError,
    "No space left",
  );
  const broken: Dataset = {
    length: 5,
    get: () => Promise.reject(new DataError("Cannot read scene 3")),
  };
  using other = await tinyTrainer({}, { train: broken });
  await assertRejects(() => other.fit({ checkpoints: false }), DataError, "Cannot read scene 3");
});

Deno.test("a scene that cannot be read does not cost the steps before it", {
  ignore: ignoreFiles,
}, async () => {
  await using folder = await tempFolder();
  const rooms = tinyRooms();
  let reads = 0;
  let damaged = true;
  const train: Dataset = {
    length: 5,
    get: (index) =>
      damaged && ++reads > 7
        ? Promise.reject(new DataError("Cannot read scene 3"))
        : rooms.get(index),
  };
  const values = { checkpoint_dir: folder.path, num_epochs: 2 };
  using trainer = await tinyTrainer(values, { train, validation: null });
  await assertRejects(() => trainer.fit(), DataError, "Cannot read scene 3"); // in step 5
  using resumed = await tinyTrainer(values, { train, validation: null });
  damaged = false;
  await resumed.loadCheckpoint(`${folder.path}/last.safetensors`);
  assertEquals(resumed.step, 4);
  await resumed.fit();
  using straight = await tinyTrainer(values, { train, validation: null });
  await straight.fit({ checkpoints: false });
  assertEquals(await weights(resumed), await weights(straight));
});

Deno.test("nextBatch follows from seed and counters alone", { ignore }, async () => {
  using one = await tinyTrainer();
  const first = await one.nextBatch();
  assertEquals(await one.nextBatch(), first);
  await one.trainStep(first);
  const second = await one.nextBatch();
  assertNotEquals(second.sceneIds, first.sceneIds);
  using two = await tinyTrainer();
  assertEquals(await two.nextBatch(), first);
  using other = await tinyTrainer({ seed: 8 });
  assertNotEquals((await other.nextBatch()).view1, first.view1);
  // An epoch sees every room once; the last batch is shorter.
  const seen = [...first.sceneIds, ...second.sceneIds];
  await one.trainStep(second);
  const third = await one.nextBatch();
  assertEquals(third.sceneIds.length, 1);
  const all = [...seen, ...third.sceneIds].sort();
  assertEquals(all, [0, 1, 2, 3, 4].map((n) => `synthetic_00000${n}`));
});

Deno.test("workers change no number", { ignore: ignoreFiles }, async () => {
  const run = async (num_workers: number) => {
    using trainer = await tinyTrainer({ num_workers, eval_interval: 1 });
    const losses: number[] = [];
    const { epochs } = await trainer.fit({
      checkpoints: false,
      onStep: ({ loss }) => void losses.push(loss),
    });
    return { losses, epochs };
  };
  assertEquals(await run(2), await run(0));
});

Deno.test("max_points_per_batch makes more, smaller steps", { ignore: ignoreFiles }, async () => {
  const values = { batch_size: 4, max_points_per_batch: 500, num_epochs: 3 };
  using trainer = await tinyTrainer(values); // 5 rooms of 203 points: 2 + 2 + 1
  assertEquals([trainer.stepsPerEpoch, trainer.totalSteps], [3, 9]);
  assertEquals((await trainer.nextBatch()).pointCount, 406);
  const { steps } = await trainer.fit({ checkpoints: false });
  assertEquals(steps, 9);
});

Deno.test("plain and fused computation agree", { ignore }, async () => {
  using plain = await tinyTrainer({ fused: "off" });
  using fused = await tinyTrainer({ fused: "on" });
  const batch = await plain.nextBatch();
  const a = await plain.trainStep(batch);
  const b = await fused.trainStep(batch);
  for (const key of ["loss", "alignment", "featStd", "featNorm"] as const) {
    assertAlmostEquals(b[key], a[key], 1e-4 * Math.abs(a[key]), key);
  }
});

Deno.test("a trainer without scenes is refused", { ignore }, async () => {
  const none: Dataset = { length: 0, get: () => Promise.reject(new Error("never asked")) };
  await assertRejects(
    () => tinyTrainer({}, { train: none }),
    DataError,
    "there are no training scenes",
  );
});

/** Memory of a training in a process of its own, after so many steps. */
async function memoryAfter(
  settings: Readonly<Record<string, unknown>>,
  points: number,
  steps: readonly number[],
  env: Record<string, string> = {},
): Promise<{ live: number; buffers: number; rss: number }[]> {
  const script = fromFileUrl(new URL("../support/memory_of_training.ts", import.meta.url));
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "-A",
      "--no-check",
      script,
      JSON.stringify(settings),
      ...[points, ...steps].map(String),
    ],
    env,
  }).output();
  assertEquals(code, 0, new TextDecoder().decode(stderr));
  const lines = new TextDecoder().decode(stdout).trimEnd().split("\n");
  return lines.map((line: string) => JSON.parse(line));
}

const mib = (bytes: number) => bytes / 2 ** 20;

Deno.test("300 steps leave memory of device and process where they were", {
  ignore: ignoreFiles || missingPermissions("run"),
}, async () => {
  const [after10, after200, after300] = await memoryAfter({}, 61, [10, 200, 300]);
  assertEquals([after300.live, after300.buffers], [after10.live, after10.buffers]);
  // The runtime frees its handles of the device's objects late: measured, it levels off within 200
  // steps.
  assertLess(mib(after300.rss - after10.rss), 200);
  assertLess(mib(after300.rss - after200.rss), 32);
});

Deno.test("rows that fill whole workgroups leave memory where it was, at 256 bits", {
  ignore: ignoreFiles || missingPermissions("run"),
}, async () => {
  // Mesa's software device made a kernel anew for each dispatch at this shape, a megabyte each; see
  // nce_similarity.wgsl.
  const settings = { point_num_samples: 512, projection_dim: 64 };
  const env = { LP_NATIVE_VECTOR_WIDTH: "256" };
  const [early, late] = await memoryAfter(settings, 1024, [40, 120], env);
  assertEquals([late.live, late.buffers], [early.live, early.buffers]);
  assertLess(mib(late.rss - early.rss), 40);
});

Deno.test("a trainer gives back all it took from the device", { ignore }, async () => {
  const { pool } = await testDevice();
  const { live, buffers } = pool.usage;
  {
    using trainer = await tinyTrainer();
    await trainer.trainStep(await trainer.nextBatch());
    await trainer.validate();
    assert(pool.usage.live > live);
  }
  assertEquals([pool.usage.live, pool.usage.buffers], [live, buffers]);
});

deviceTest(
  "a gradient that is not finite is told at its own step, though the loss is finite",
  async () => {
    using trainer = await tinyTrainer();
    await trainer.trainStep(await trainer.nextBatch());
    const before = await weights(trainer);
    const { model } = trainer;
    const losses = model.losses.bind(model);
    model.losses = (output, sample) => {
      const made = losses(output, sample);
      // √0 is 0, its slope infinite: NaN once it is multiplied by 0.
      const [first] = model.parameters.names;
      const term = sum(sqrt(scale(model.parameters.get(first), 0)));
      return { ...made, total: add(made.total, term) };
    };
    const error = await assertRejects(
      async () => await trainer.trainStep(await trainer.nextBatch()),
      DataError,
    );
    assertStringIncludes(error.message, "a gradient of step 2 is NaN, infinite or too large");
    // What has no finite gradient is left as it was.
    const [[name, values]] = before;
    assertEquals((await weights(trainer)).get(name), values);
    // It is that step's alone: what goes on after it, as it stands or from a checkpoint, is judged
    // anew.
    model.losses = losses;
    const { gradientIsFinite } = await trainer.trainStep(await trainer.nextBatch());
    assertEquals(gradientIsFinite, true);
  },
);

deviceTest("a validation leaves others on its device their gradients", async () => {
  using trainer = await tinyTrainer();
  const { device } = trainer;
  const validation = trainer.validate();
  let done = false;
  validation.then(() => done = true);
  let turns = 0;
  while (!done) {
    using _ = device.scope();
    const x = tensor(device, [3], [1], { requiresGrad: true });
    mul(x, x).backward();
    assertEquals(x.grad !== null, true);
    turns++;
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  assert(turns > 1);
  assert((await validation).loss > 0);
});
