import type { Trainer } from "../../src/training/trainer.ts";
import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import type { PointCloud } from "../../src/cloud/point_cloud.ts";
import { prepare } from "../../src/cloud/prepare.ts";
import { DEFAULT_SETTINGS } from "../../src/scenes/preprocess/settings.ts";
import { readSafetensors, writeSafetensors } from "../../src/base/safetensors.ts";
import type { Scene } from "../../src/scenes/scene.ts";
import { sceneFromFile, writeScene } from "../../src/scenes/scene_file.ts";
import { ScenesDataset } from "../../src/scenes/scenes_dataset.ts";
import { buildTree } from "../../src/scenes/tree_builder.ts";
import { buildBatch } from "../../src/scenes/batches/batch_builder.ts";
import { Random } from "../../src/base/random.ts";
import { identityView } from "../../src/scenes/views/views.ts";
import { PlainEncoder } from "../../src/model/plain_encoder.ts";
import { uploadBatch } from "../../src/model/region_batch.ts";
import { DataError, UsageError } from "../../src/base/errors.ts";
import {
  encoderFromCheckpoint,
  SceneEncoder,
  untrainedEncoder,
} from "../../src/inference/encoder.ts";
import type { Branch, SceneFeatures } from "../../src/inference/features.ts";
import { noGrad } from "../../src/tensor/mod.ts";
import { noDevice, testDevice } from "../support/device.ts";
import { missingPermissions } from "../support/permissions.ts";
import { withStrays } from "../support/strays.ts";
import { tempFolder } from "../support/temp_folder.ts";
import { tinyConfig, tinyRooms, tinyTrainer, weights } from "../support/training.ts";

const ignore = noDevice;
const ignoreFiles = noDevice || missingPermissions("read", "write");
const ALL = ["g2l", "l2g", "regions", "scene"] as const;
const BRANCHES: readonly Branch[] = ["g2l", "l2g"];
const D = 16;

async function rooms(): Promise<Scene[]> {
  const large = tinyRooms(1, 40, 507);
  const all = [
    await tinyRooms().get(0),
    withStrays(),
    await large.get(0),
    await tinyRooms().get(3),
  ];
  return all.map((scene, i) => ({ ...scene, id: `${i}` }));
}

/** What the plain operations say of one scene, rows in the scene's order. */
async function plainly(encoder: SceneEncoder, scene: Scene) {
  const { device, parameters, config } = encoder.model;
  using _off = noGrad(device);
  using _scope = device.scope();
  const view = identityView(scene);
  const batch = buildBatch([{ scene, view1: view, view2: view }], { maxHierarchyDepth: null });
  const output = new PlainEncoder(config, parameters, {}).forward(uploadBatch(device, batch));
  const branch = async (name: Branch) => {
    const permuted = await output[name].points.data();
    const points = new Float32Array(permuted.length);
    batch.order.forEach((point, row) =>
      points.set(permuted.subarray(row * D, (row + 1) * D), point * D)
    );
    const regions: Float32Array[] = [];
    for (const level of output[name].regions) regions.push(await level.data());
    return { points, regions };
  };
  return { g2l: await branch("g2l"), l2g: await branch("l2g") };
}

function assertClose(found: Float32Array, expected: Float32Array, what: string): void {
  assertEquals(found.length, expected.length, what);
  const worst = found.reduce((most, value, i) => Math.max(most, Math.abs(value - expected[i])), 0);
  assert(worst < 2e-5, `${what}: ${worst}`);
}

Deno.test("features are the plain encoder's, in the scene's own order", { ignore }, async () => {
  using encoder = await untrainedEncoder(tinyConfig(), { device: await testDevice() });
  assertEquals(encoder.width, D);
  const scenes = await rooms();
  const all = await encoder.encode(scenes, ALL);
  for (const [i, scene] of scenes.entries()) {
    const plain = await plainly(encoder, scene);
    const { id, count, width, points, regions } = all[i];
    assertEquals([id, count, width], [scene.id, scene.coords.length / 3, D]);
    for (const branch of BRANCHES) {
      assertClose(points[branch], plain[branch].points, `points ${branch} of scene ${i}`);
      assertEquals(regions.length, plain[branch].regions.length);
      regions.forEach((level, l) =>
        assertClose(level[branch], plain[branch].regions[l], `regions ${l} ${branch} of scene ${i}`)
      );
    }
  }
});

Deno.test("scene vectors are the root's, and max and mean over the points in leaves", {
  ignore,
}, async () => {
  using encoder = await untrainedEncoder(tinyConfig(), { device: await testDevice() });
  const scenes = await rooms();
  const all = await encoder.encode(scenes, ALL);
  for (const [i, { points, regions, scene, count }] of all.entries()) {
    for (const branch of BRANCHES) {
      const outside = scenes[i].id === "1" ? [4, 7] : [];
      for (const point of outside) {
        assertEquals(points[branch].subarray(point * D, (point + 1) * D), new Float32Array(D));
      }
      assertEquals(scene.root[branch], regions[0][branch]);
      for (let channel = 0; channel < D; channel++) {
        const column = Array.from({ length: count }, (_, p) => points[branch][p * D + channel])
          .filter((_, p) => !outside.includes(p));
        assertEquals(scene.max[branch][channel], Math.max(...column));
        const mean = column.reduce((sum, value) => sum + value, 0) / column.length;
        assertAlmostEquals(scene.mean[branch][channel], mean, 1e-6);
      }
    }
  }
});

Deno.test("a scene's features are the same to the bit with others and alone", {
  ignore,
}, async () => {
  for (
    const values of [{}, { aggregator_mode: "attention" as const, aggregator_use_spatial: true }]
  ) {
    using encoder = await untrainedEncoder(tinyConfig(values), { device: await testDevice() });
    const scenes = await rooms();
    const together = await encoder.encode(scenes, ALL);
    assertEquals(await encoder.encode(scenes, ALL), together);
    for (const [i, scene] of scenes.entries()) {
      assertEquals(await encoder.encode([scene], ALL), [together[i]]);
    }
  }
});

Deno.test("only what is asked for is given", { ignore }, async () => {
  using encoder = await untrainedEncoder(tinyConfig(), { device: await testDevice() });
  const [scene] = await rooms();
  const [whole] = await encoder.encode([scene], ALL);
  const [some]: SceneFeatures<"l2g" | "scene">[] = await encoder.encode([scene], ["l2g", "scene"]);
  assertEquals(some, { ...whole, points: { l2g: whole.points.l2g }, regions: undefined });
  const [none] = await encoder.encode([scene], []);
  assertEquals(none, { ...whole, points: {}, regions: undefined, scene: undefined });
  assertEquals(await encoder.encode([], ALL), []);
});

Deno.test("trees are cut as the configuration says", { ignore }, async () => {
  const device = await testDevice();
  using encoder = await untrainedEncoder(tinyConfig({ max_hierarchy_depth: 1 }), { device });
  const [{ regions }] = await encoder.encode([await tinyRooms().get(0)], ["regions"]);
  assertEquals(regions.length, 2);
});

Deno.test("a probe between steps disturbs neither the training nor the device's memory", {
  ignore,
}, async () => {
  const train = async (probes: boolean) => {
    using trainer = await tinyTrainer();
    using encoder = new SceneEncoder(trainer.model, trainer.config, trainer.preparation);
    for (let step = 0; step < 3; step++) {
      await trainer.trainStep(await trainer.nextBatch());
      if (!probes) continue;
      const { live, buffers } = trainer.device.pool.usage;
      await encoder.encode([await tinyRooms().get(4)], ALL);
      const after = trainer.device.pool.usage;
      assertEquals([after.live, after.buffers], [live, buffers]);
    }
    return await weights(trainer);
  };
  assertEquals(await train(true), await train(false));
});

Deno.test("the untrained encoder has the weights that a training starts from", {
  ignore,
}, async () => {
  using trainer = await tinyTrainer();
  using encoder = await untrainedEncoder(trainer.config, { device: trainer.device });
  assertEquals(await encoder.model.parameters.read(), await encoderWeights(trainer));
});

/** Weights of a trainer without those of its objective. */
async function encoderWeights(trainer: Trainer): Promise<Map<string, Float32Array>> {
  return new Map([...await weights(trainer)].filter(([name]) => !name.startsWith("loss.")));
}

function cloud(points: number): PointCloud {
  const random = new Random(8, "cloud");
  const coords = Float32Array.from({ length: 3 * points }, () => random.uniform(-4, 9));
  return { count: points, coords, origin: [0, 0, 0], attributes: new Map() };
}

Deno.test("a cloud is prepared as the training scenes were, by what the checkpoint says", {
  ignore: ignoreFiles,
}, async () => {
  await using folder = await tempFolder();
  const settings = {
    ...DEFAULT_SETTINGS,
    prepare: { ...DEFAULT_SETTINGS.prepare, unitScale: true, maxPoints: 211 },
    tree: { branching: 3, maxDepth: 3, minPoints: 10 },
  };
  const { cloud: ready } = prepare(cloud(400), settings.prepare);
  const tree = buildTree(ready.coords, settings.tree);
  const file = { id: "a", cloud: ready, tree };
  const path = join(folder.path, "a.safetensors");
  const source = { name: "a.ply", bytes: 1, modified: 1 };
  await writeScene(path, { ...file, settings: { settings, source } });
  const checkpoint = join(folder.path, "checkpoint.safetensors");
  {
    using trainer = await tinyTrainer({ data_root: folder.path, dataset: "scenes" }, {
      train: new ScenesDataset([path]),
      validation: null,
    });
    assertEquals(trainer.preparation, settings);
    await trainer.saveCheckpoint(checkpoint);
  }
  using encoder = await encoderFromCheckpoint(checkpoint, { device: await testDevice() });
  assertEquals(encoder.preparation, settings);
  const { prepared, sourceIndex, keptIndex, origin, scale, ...features } = await encoder.embed(
    cloud(400),
  );
  const given = cloud(400).coords;
  sourceIndex!.forEach((row, i) => {
    const back = origin[0] + prepared.coords[3 * i] / scale;
    assertAlmostEquals(back, given[3 * row], 1e-5);
    assertEquals(keptIndex()[row], i);
  });
  const scene = sceneFromFile(file);
  assertEquals(prepared, { ...scene, id: "the point cloud" });
  const [same] = await encoder.encode([scene], ALL);
  assertEquals({ ...features, id: "a" }, same);
  const whole = await encoder.embed(scene);
  assertEquals([whole.prepared, whole.points], [scene, same.points]);
  assertEquals([...whole.keptIndex()], [...whole.sourceIndex!]);
});

Deno.test("what is no checkpoint, or of another model, is refused with what would be right", {
  ignore: ignoreFiles,
}, async () => {
  await using folder = await tempFolder();
  const device = await testDevice();
  const path = join(folder.path, "checkpoint.safetensors");
  const bare = join(folder.path, "bare.safetensors");
  using trainer = await tinyTrainer();
  await trainer.saveCheckpoint(path);
  const { tensors } = await readSafetensors(path);
  await writeSafetensors(bare, tensors);
  await assertRejects(
    () => encoderFromCheckpoint(bare, { device }),
    UsageError,
    `Cannot take an encoder from ${bare}: it holds weights, but not the configuration`,
  );
  await assertRejects(
    () => encoderFromCheckpoint(bare, { device, config: tinyConfig({ output_dim: 20 }) }),
    DataError,
    "another shape: encoder.encoder.backbone.mlp.6.weight is [16, 20], the model has [20, 20]",
  );
  using encoder = await encoderFromCheckpoint(bare, { device, config: tinyConfig() });
  assertEquals(await encoder.model.parameters.read(), await encoderWeights(trainer));
  // Heads serve the training alone: weights without them are an encoder.
  const heads = join(folder.path, "heads.safetensors");
  const encoderOnly = new Map([...tensors].filter(([name]) => name.startsWith("encoder.")));
  await writeSafetensors(heads, encoderOnly);
  using other = await encoderFromCheckpoint(heads, { device, config: tinyConfig() });
  assertEquals(await other.model.parameters.read(), await encoderWeights(trainer));
  await writeSafetensors(heads, new Map([...encoderOnly].slice(1)));
  await assertRejects(
    () => encoderFromCheckpoint(heads, { device, config: tinyConfig() }),
    DataError,
    "missing: encoder.",
  );
  await assertRejects(
    () => encoderFromCheckpoint(join(folder.path, "none"), { device }),
    UsageError,
    "there is no such file",
  );
  const text = join(folder.path, "text.safetensors");
  await Deno.writeTextFile(text, "not a checkpoint");
  await assertRejects(() => encoderFromCheckpoint(text, { device }), DataError, text);

  const scene = await tinyRooms().get(0);
  const feats = new Float32Array(scene.coords.length / 3);
  const featureColumns = [{ name: "intensity", width: 1, kind: "scalar" as const }];
  await assertRejects(
    () => encoder.encode([{ ...scene, feats, featureColumns }], ["scene"]),
    DataError,
    `Cannot encode scene ${scene.id}: expected 3 feature channels a point (normals), got 1 (intensity)`,
  );
});
