import { assert, assertEquals, assertLess, assertNotEquals, assertRejects } from "@std/assert";
import { readSafetensors } from "../../src/base/safetensors.ts";
import { DataError } from "../../src/base/errors.ts";
import { encoderFromCheckpoint } from "../../src/inference/encoder.ts";
import { noDevice, testDevice } from "../support/device.ts";
import { missingPermissions } from "../support/permissions.ts";
import { tempFolder } from "../support/temp_folder.ts";
import { TINY_SPUNET, tinyRooms, tinyTrainer, weights } from "../support/training.ts";

const ignore = noDevice;
const ignoreFiles = noDevice || missingPermissions("read", "write");
const NORM = "encoder.scene_encoder.spunet.conv_input.1";
const SPUNET = { ...TINY_SPUNET, backbone: "spunet" } as const;

Deno.test("spunet: trains, resumes to the bit, and its buffers travel in checkpoints", {
  ignore: ignoreFiles,
}, async () => {
  await using folder = await tempFolder();
  const values = { ...SPUNET, checkpoint_dir: folder.path };
  using straight = await tinyTrainer(values);
  const { steps } = await straight.fit({ checkpoints: false });
  assertEquals(steps, 6);
  const whole = await weights(straight);
  // Once for each view of each step.
  assertEquals(whole.get(`${NORM}.num_batches_tracked`), Float32Array.of(12));

  const abort = new AbortController();
  using stopped = await tinyTrainer(values);
  const { checkpoint } = await stopped.fit({
    signal: abort.signal,
    onStep: ({ step }) => {
      if (step === 0) abort.abort(); // takes hold some steps later
    },
  });
  const { tensors } = await readSafetensors(checkpoint!);
  const counted = tensors.get(`${NORM}.num_batches_tracked`)!;
  assertEquals([counted.dtype, Number(counted.data[0])], ["I64", 2 * stopped.step]);
  using resumed = await tinyTrainer(values);
  await resumed.loadCheckpoint(checkpoint!);
  await resumed.fit({ checkpoints: false });
  assertEquals(await weights(resumed), whole);

  assert(stopped.step < 6);
  using other = await tinyTrainer({ ...values, seed: 8 });
  await other.loadWeights(checkpoint!);
  const taken = (await weights(other)).get(`${NORM}.running_mean`);
  assertEquals(taken, (await weights(stopped)).get(`${NORM}.running_mean`));
});

Deno.test("spunet: an encoder from a file goes by the running statistics, scene by scene", {
  ignore: ignoreFiles,
}, async () => {
  await using folder = await tempFolder();
  using trainer = await tinyTrainer({ ...SPUNET, checkpoint_dir: folder.path, num_epochs: 1 });
  const { checkpoint } = await trainer.fit();
  using encoder = await encoderFromCheckpoint(checkpoint!, { device: await testDevice() });
  const { parameters } = encoder.model;
  const before = await parameters.read();
  const rooms = tinyRooms(2, 50);
  const scenes = [await rooms.get(0), await rooms.get(1)];
  const both = await encoder.encode(scenes, ["g2l", "l2g"]);
  const alone = await encoder.encode(scenes.slice(1), ["g2l", "l2g"]);
  assertEquals(both[1].points, alone[0].points);
  assertNotEquals(both[0].points.g2l[0], both[1].points.g2l[0]);
  assertEquals(await parameters.read(), before);
});

Deno.test("spunet: validation moves no statistics", { ignore }, async () => {
  using trainer = await tinyTrainer(SPUNET);
  const before = await weights(trainer);
  const { loss } = await trainer.validate();
  assert(Number.isFinite(loss));
  assertEquals(await weights(trainer), before);
});

Deno.test("spunet: one batch is overfitted to less than half", { ignore }, async () => {
  using trainer = await tinyTrainer({ ...SPUNET, learning_rate: 3e-3 }, {
    train: tinyRooms(2),
    augmentations: [],
  });
  const batch = await trainer.nextBatch();
  const losses: number[] = [];
  for (let step = 0; step < 60; step++) losses.push((await trainer.trainStep(batch)).loss);
  assertLess(losses.at(-1)!, losses[0] / 2);
});

Deno.test("spunet: a stage of one voxel is refused, with scene and remedy, and moves nothing", {
  ignore,
}, async () => {
  using trainer = await tinyTrainer({
    ...SPUNET,
    batch_size: 1,
    spunet: { ...SPUNET.spunet, voxel_size: 100 },
  });
  const before = await weights(trainer);
  const batch = await trainer.nextBatch();
  const error = await assertRejects(() => trainer.trainStep(batch), DataError);
  assert(error.message.startsWith(`scenes ${batch.sceneIds[0]}: `), error.message);
  assert(error.message.includes("smaller voxel_size"), error.message);
  assertEquals(await weights(trainer), before);
});
