import { assert, assertEquals, assertRejects } from "@std/assert";
import { TRAINING_AUGMENTATION } from "../../src/scenes/views/augmentations/table.ts";
import type { Batch } from "../../src/scenes/batches/batch.ts";
import {
  epochOrder,
  makeTrainingBatch,
  makeValidationBatch,
} from "../../src/scenes/batches/loader.ts";
import type { Dataset } from "../../src/scenes/scene.ts";
import { writeScene } from "../../src/scenes/scene_file.ts";
import { ScenesDataset } from "../../src/scenes/scenes_dataset.ts";
import { SyntheticDataset } from "../../src/scenes/synthetic/synthetic.ts";
import {
  batchesWithin,
  BatchLoader,
  type LoaderOptions,
} from "../../src/scenes/batches/worker_loader.ts";
import { WorkerPool } from "../../src/base/worker_pool.ts";
import { DataError, UsageError } from "../../src/base/errors.ts";
import { tempFolder } from "../support/temp_folder.ts";

const files = {
  ignore: Deno.permissions.querySync({ name: "write" }).state !== "granted" ||
    Deno.permissions.querySync({ name: "read" }).state !== "granted",
};
const OPTIONS: LoaderOptions = {
  batchSize: 2,
  seed: 5,
  augmentation: [...TRAINING_AUGMENTATION, { type: "jitter" }],
  maxHierarchyDepth: 2,
  featureWidth: 3,
  numWorkers: 0,
};

function rooms(scenes = 5, points = 230): SyntheticDataset {
  return new SyntheticDataset({ scenes, points, seed: 8 });
}

/** Writes the rooms as files, the number of points growing. */
async function roomFiles(folder: string, scenes: number): Promise<string[]> {
  const paths: string[] = [];
  for (let i = 0; i < scenes; i++) {
    const { id, coords, feats, tree } = await rooms(i + 1, 100 + 10 * i).get(i);
    const attributes = new Map([["normals", { width: 3, data: feats }]]);
    const path = `${folder}/room_${i}.safetensors`;
    const cloud = { count: coords.length / 3, coords, origin: [0, 0, 0] as const, attributes };
    await writeScene(path, { id, cloud, tree });
    paths.push(path);
  }
  return paths;
}

async function epochOf(
  dataset: Dataset,
  options: Partial<LoaderOptions> = {},
  epoch = 0,
): Promise<Batch[]> {
  using loader = await BatchLoader.create(dataset, { ...OPTIONS, ...options });
  return await Array.fromAsync(loader.epoch(epoch));
}

Deno.test("loader: the batches that makeTrainingBatch makes, in the epoch's order", async () => {
  const batches = await epochOf(rooms(), {}, 3);
  const order = epochOrder(5, 5, 3, true);
  assertEquals(batches.length, 3);
  for (const [step, batch] of batches.entries()) {
    const indices = order.slice(2 * step, 2 * step + 2);
    const augmentation = OPTIONS.augmentation!;
    const wanted = { seed: 5, epoch: 3, step, augmentation, maxHierarchyDepth: 2, featureWidth: 3 };
    assertEquals(batch, await makeTrainingBatch(rooms(), indices, wanted));
  }
});

Deno.test("loader: any number of workers makes the same batches, to the bit", files, async () => {
  await using folder = await tempFolder();
  const paths = await roomFiles(folder.path, 5);
  for (const dataset of [rooms(), new ScenesDataset(paths)]) {
    const alone = await epochOf(dataset, {}, 1);
    for (const numWorkers of [1, 3]) {
      assertEquals(await epochOf(dataset, { numWorkers }, 1), alone);
    }
  }
});

Deno.test("loader: epochs follow one another, and any batch can be asked for", files, async () => {
  using loader = await BatchLoader.create(rooms(), { ...OPTIONS, numWorkers: 2 });
  assertEquals([loader.workers, loader.steps(0)], [2, 3]);
  const all: Batch[][] = [];
  for (const epoch of [0, 1]) all.push(await Array.fromAsync(loader.epoch(epoch)));
  assertEquals(all[0], await epochOf(rooms(), {}, 0));
  assertEquals(all[1], await epochOf(rooms(), {}, 1));
  assertEquals(await loader.batch(0, 2), all[0][2]); // back
  assertEquals(await Array.fromAsync(loader.epoch(1, 1)), all[1].slice(1)); // a resumed run
  const [a, b] = await Promise.all([loader.batch(0, 0), loader.batch(0, 1)]);
  assertEquals([a, b], all[0].slice(0, 2));
  await assertRejects(() => loader.batch(0, 3), UsageError, "batch 3 of epoch 0: expected 0 to 2");
});

Deno.test(
  "loader: a loop may be left early, and the loader closed with batches under way",
  files,
  async () => {
    const loader = await BatchLoader.create(rooms(), { ...OPTIONS, numWorkers: 2 });
    for await (const batch of loader.epoch(0)) {
      assertEquals(batch.sceneIds.length, 2);
      break;
    }
    const under = loader.batch(5, 0);
    const refused = assertRejects(() => under, Error, "closed");
    loader.close();
    await refused;
    loader.close();
  },
);

Deno.test("loader: validation sees the scenes as they are, in order", files, async () => {
  const options = { augmentation: null, epochs: 1, batchSize: 4 };
  const [first, second, ...rest] = await epochOf(rooms(), { ...options, numWorkers: 1 });
  const shared = { maxHierarchyDepth: 2, featureWidth: 3 };
  assertEquals(first, await makeValidationBatch(rooms(), [0, 1, 2, 3], shared));
  assertEquals(second, await makeValidationBatch(rooms(), [4], shared));
  assertEquals(rest, []);
});

Deno.test("loader: batches within a budget of points", files, async () => {
  const cut = (sizes: number[], batchSize: number, most: number) =>
    batchesWithin(
      Uint32Array.from(sizes, (_, i) => i),
      batchSize,
      Uint32Array.from(sizes),
      most,
    ).map((batch) => [...batch]);
  assertEquals(cut([5, 5, 5, 30, 1, 1, 1, 1], 3, 11), [[0, 1], [2], [3], [4, 5, 6], [7]]);
  assertEquals(cut([5], 3, 1), [[0]]);
  assertEquals(cut([], 3, 1), []);

  await using folder = await tempFolder();
  const dataset = new ScenesDataset(await roomFiles(folder.path, 6)); // 100, 110, … 150 points
  const options = { maxPointsPerBatch: 260, batchSize: 8 };
  const batches = await epochOf(dataset, { ...options, numWorkers: 2 });
  assertEquals(batches, await epochOf(dataset, options));
  assert(batches.every(({ pointCount }) => pointCount <= 260));
  assertEquals(batches.flatMap(({ sceneIds }) => sceneIds).length, 6);
  using loader = await BatchLoader.create(dataset, { ...OPTIONS, ...options });
  assertEquals(loader.steps(0), batches.length);
  // A dataset that does not know its sizes is asked for its scenes.
  assertEquals((await epochOf(rooms(), { maxPointsPerBatch: 459 })).length, 5);
  assertEquals((await epochOf(rooms(), { maxPointsPerBatch: 460 })).length, 3);
});

Deno.test(
  "loader: a scene that cannot be read is one clear error, and the others go on",
  files,
  async () => {
    await using folder = await tempFolder();
    const paths = await roomFiles(folder.path, 4);
    await Deno.truncate(paths[2], 900);
    for (const numWorkers of [0, 2]) {
      using loader = await BatchLoader.create(new ScenesDataset(paths), {
        ...OPTIONS,
        numWorkers,
        batchSize: 1,
        augmentation: null,
      });
      await loader.batch(0, 1);
      const error = await assertRejects(() => loader.batch(0, 2), DataError, "Cannot read");
      assert(error.message.includes(paths[2]), error.message);
      assertEquals((await loader.batch(0, 3)).pointCount, 130);
    }
    await assertRejects(
      () => epochOf(rooms(), { featureWidth: 4, numWorkers: 1 }),
      UsageError,
      "expected 4 features a point (input_feat_dim), got 3",
    );
  },
);

Deno.test("loader: a user's own dataset is read in this thread", async () => {
  const own: Dataset = { length: 3, get: (index) => rooms().get(index) };
  using loader = await BatchLoader.create(own, { ...OPTIONS, numWorkers: 4 });
  assertEquals(loader.workers, 0);
  assertEquals((await loader.batch(0, 1)).sceneIds.length, 1);
});

/** A pool of workers of this program. */
function poolOf(program: string, size: number): WorkerPool<string, string> {
  return new WorkerPool(
    new URL(`data:application/javascript,${encodeURIComponent(program)}`),
    size,
    7,
  );
}

Deno.test("workers: requests are answered, errors keep their kind, one that breaks is replaced", async () => {
  using pool = poolOf(
    `let setup;
    onmessage = ({ data }) => {
      if ("setup" in data) return void (setup = data.setup);
      if (data.request === "break") throw new Error("broken on purpose");
      if (data.request === "refuse") postMessage({ error: { name: "DataError", message: "bad" } });
      else postMessage({ result: data.request + setup });
    };`,
    2,
  );
  assertEquals(await Promise.all(["a", "b", "c"].map((each) => pool.run(each))), [
    "a7",
    "b7",
    "c7",
  ]);
  await assertRejects(() => pool.run("refuse"), DataError, "bad");
  for (let i = 0; i < 3; i++) {
    await assertRejects(() => pool.run("break"), Error, "broken on purpose");
    assertEquals(await Promise.all([pool.run("d"), pool.run("e")]), ["d7", "e7"]);
  }
});

Deno.test("workers: where none can start, every request is told so", async () => {
  using pool = poolOf("throw new Error('cannot start')", 2);
  const first = [1, 2, 3, 4].map((n) =>
    assertRejects(() => pool.run(`${n}`), Error, "cannot start")
  );
  await Promise.all(first);
  await assertRejects(() => pool.run("later"), Error, "cannot start");
});

Deno.test("loader: sizes out of range are refused", async () => {
  const refused = (options: Partial<LoaderOptions>, message: string) =>
    assertRejects(() => epochOf(rooms(), options), UsageError, message);
  await refused({ batchSize: 0 }, "batch_size: expected at least 1, got 0");
  await refused({ maxPointsPerBatch: 0.5 }, "max_points_per_batch: expected at least 1");
});
