import { assert, assertEquals, assertLess, assertNotEquals } from "@std/assert";
import { type ConfigValues, TrainingConfig } from "../../src/run/config.ts";
import { Trainer } from "../../src/training/trainer.ts";
import { noDevice, testDevice } from "../support/device.ts";
import { tempFolder } from "../support/temp_folder.ts";
import { TINY, tinyConfig, tinyRooms, tinyTrainer, weights } from "../support/training.ts";
import { missingPermissions } from "../support/permissions.ts";

const ignore = noDevice;
const ignoreFiles = noDevice || missingPermissions("read", "write");

Deno.test("test_trainer_initialization", { ignore }, async () => {
  using trainer = await tinyTrainer({ learning_rate: 0.003 });
  assertEquals([trainer.epoch, trainer.step, trainer.stepsPerEpoch], [0, 0, 3]);
  assertEquals(trainer.learningRate, 0.003);
  const { parameters } = trainer.model;
  const values = await weights(trainer);
  assertEquals([...values.keys()], parameters.names);
  let total = 0;
  for (const { name, shape } of parameters.specs) {
    const data = values.get(name)!;
    total += data.length;
    assertEquals(data.length, shape.reduce((product, size) => product * size, 1), name);
    assert(data.every(Number.isFinite), name);
    const isScale = shape.length === 1 && name.endsWith(".weight");
    if (isScale) assert(data.every((value) => value === 1), name);
    else if (name.endsWith(".weight")) assert(data.some((value) => value !== 0), name);
  }
  assertEquals(parameters.count, total);
  // The same seed gives the same weights, another seed others.
  using same = await tinyTrainer();
  assertEquals(await weights(same), values);
  using other = await tinyTrainer({ seed: 8 });
  const layer = "encoder.raw_projection.mlp.0.weight";
  assertNotEquals((await weights(other)).get(layer), values.get(layer));
});

for (const aggregator_mode of ["max", "mean", "attention"] as const) {
  const name = aggregator_mode === "max"
    ? "test_train_step_gradient"
    : `test_train_step_gradient: aggregator_mode ${aggregator_mode}`;
  Deno.test(name, { ignore }, async () => {
    using trainer = await tinyTrainer({ aggregator_mode, propagator_num_layers: 3 });
    const batch = await trainer.nextBatch();
    assertEquals(batch.levels.length, 3);
    const before = await weights(trainer);
    const { loss } = await trainer.trainStep(batch);
    assert(Number.isFinite(loss) && loss > 0, `loss ${loss}`);
    const { parameters } = trainer.model;
    for (const [name, gradient] of await parameters.read(parameters.gradients)) {
      assert(gradient.every(Number.isFinite), name);
      // Softmax does not change when all scores of a head do: that bias has a gradient of exactly 0
      // in real numbers.
      if (name === "encoder.aggregator.attention.key_proj.bias") continue;
      const largest = gradient.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      assert(largest > 1e-7, `${name}: largest gradient ${largest}`);
    }
    for (const [name, values] of await weights(trainer)) {
      assertNotEquals(values, before.get(name), `${name} did not change`);
    }
  });
}

Deno.test("test_overfit_one_batch", { ignore }, async () => {
  const steps = 150;
  using trainer = await tinyTrainer({
    learning_rate: 0.01,
    scheduler_type: "none",
    point_num_samples: 1000,
    hidden_dim: 32,
    output_dim: 32,
    encoder_hidden_dims: [32, 64],
  }, { train: tinyRooms(2, 0, 97) });
  const batch = await trainer.nextBatch();
  const { loss: first } = await trainer.trainStep(batch);
  let last = first;
  let step = 1;
  for (; step < steps && last >= first / 2; step++) last = (await trainer.trainStep(batch)).loss;
  assertLess(last, first / 2, `after ${step} steps`);
});

Deno.test("test_save_load_checkpoint", { ignore: ignoreFiles }, async () => {
  await using folder = await tempFolder();
  // 3 steps an epoch: saved after 2 (within an epoch), 3 (between two) and 4.
  const saveAt = [2, 3, 4];
  const path = (step: number) => `${folder.path}/${step}.safetensors`;
  const losses: number[] = [];
  using straight = await tinyTrainer({ aggregator_mode: "attention" });
  for (let step = 0; step < 7; step++) {
    if (saveAt.includes(step)) await straight.saveCheckpoint(path(step));
    losses.push((await straight.trainStep(await straight.nextBatch())).loss);
  }
  for (const saved of saveAt) {
    // Weights of another seed, so that what is not loaded shows.
    using resumed = await tinyTrainer({ aggregator_mode: "attention" });
    resumed.model.parameters.initialise(99);
    const { counters } = await resumed.loadCheckpoint(path(saved));
    assertEquals(counters.step, saved);
    assertEquals([resumed.step, resumed.epoch], [saved, Math.floor(saved / 3)]);
    const again: number[] = [];
    for (let step = saved; step < 7; step++) {
      again.push((await resumed.trainStep(await resumed.nextBatch())).loss);
    }
    assertEquals(again, losses.slice(saved));
    assertEquals(await weights(resumed), await weights(straight));
  }
});

Deno.test("test_small_backbone_mode", { ignore }, async () => {
  const device = await testDevice();
  const train = tinyRooms(2);
  const of = (values: Partial<ConfigValues>) =>
    Trainer.create(TrainingConfig.fromObject({ num_workers: 0, ...values }), { device, train });
  using full = await of({});
  using small = await of({ small_mode: true });
  assertEquals(full.model.parameters.count, 144_576);
  assertEquals(small.model.parameters.count, 64_192);
  const { loss } = await small.trainStep(await small.nextBatch());
  assert(Number.isFinite(loss) && loss > 0);

  // What is set explicitly wins, also a value equal to the full default.
  const explicit = TrainingConfig.fromObject({ small_mode: true, hidden_dim: 96, batch_size: 8 });
  assertEquals(explicit.hidden_dim, 96);
  assertEquals(explicit.batch_size, 8);
  assertEquals(explicit.output_dim, 64);
  using mixed = await of({ small_mode: true, hidden_dim: 96 });
  assertEquals(mixed.model.parameters.get("encoder.raw_projection.mlp.0.weight").shape, [96, 3]);
  assertEquals(tinyConfig({ small_mode: true }).hidden_dim, TINY.hidden_dim);
});
