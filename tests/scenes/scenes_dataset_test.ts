import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { join } from "@std/path";
import type { Attribute } from "../../src/cloud/point_cloud.ts";
import { writeScene } from "../../src/scenes/scene_file.ts";
import { listScenes, openScenes, ScenesDataset } from "../../src/scenes/scenes_dataset.ts";
import { buildTree } from "../../src/scenes/tree_builder.ts";
import { DataError, UsageError } from "../../src/base/errors.ts";
import { pickleSamples } from "../support/pickle_samples.ts";
import { tempFolder } from "../support/temp_folder.ts";

const files = {
  ignore: Deno.permissions.querySync({ name: "write" }).state !== "granted" ||
    Deno.permissions.querySync({ name: "read" }).state !== "granted",
};

/** Writes a scene of `count` points in a row, with normals and colours. */
async function put(path: string, count: number): Promise<string> {
  await Deno.mkdir(path.slice(0, path.lastIndexOf("/")), { recursive: true });
  const coords = Float32Array.from({ length: 3 * count }, (_, i) => i % 3 === 0 ? i : 0);
  const triple: Attribute = { width: 3, data: new Float32Array(3 * count).fill(0.5) };
  await writeScene(path, {
    id: path.replace(/^.*\/|\.safetensors$/g, ""),
    cloud: {
      count,
      coords,
      origin: [0, 0, 0],
      attributes: new Map([["normals", triple], ["colors", triple], ["labels", {
        width: 1,
        data: new Int32Array(count).fill(7),
      }]]),
    },
    tree: buildTree(coords, { minPoints: 2 }),
  });
  return path;
}

Deno.test(
  "scenes: folders train, val and test are told apart; hidden files are nobody's",
  files,
  async () => {
    await using folder = await tempFolder();
    const { path } = folder;
    for (const name of ["train/b", "train/a", "train/.c", "val/d", "test/e", "other/f"]) {
      await put(`${path}/${name}.safetensors`, 5);
    }
    await Deno.writeTextFile(`${path}/index.json`, "{}");
    assertEquals(await listScenes(path), {
      train: [join(path, "train/a.safetensors"), join(path, "train/b.safetensors")],
      val: [join(path, "val/d.safetensors")],
      test: [join(path, "test/e.safetensors")],
    });
    const { train, validation } = await openScenes(path, { maxTrainScenes: 1, maxValScenes: 9 });
    assertEquals([train.length, validation?.length], [1, 1]);
    assertEquals((await train.get(0)).id, "a");
  },
);

Deno.test("scenes: those that cannot be read are left out, with the reason", files, async () => {
  await using folder = await tempFolder();
  const { path } = folder;
  for (const name of ["train/b", "train/c", "val/d"]) await put(`${path}/${name}.safetensors`, 5);
  const whole = await Deno.readFile(`${path}/train/c.safetensors`);
  await Deno.writeFile(`${path}/train/a.safetensors`, whole.subarray(0, whole.length - 7));
  await Deno.writeFile(`${path}/val/d.safetensors`, whole.subarray(0, 9));
  await Deno.writeTextFile(`${path}/train/e.pkl`, "cos\nsystem\n.");
  const told: string[] = [];
  const onLeftOut = (reason: string) => told.push(reason.replace(path, ""));
  const { train, validation } = await openScenes(path, { onLeftOut });
  assertEquals([train.length, validation], [2, null]);
  assertEquals(told.map((reason) => reason.slice(0, 32)), [
    "Cannot read /train/a.safetensors",
    "Cannot read /train/e.pkl (byte 0",
    "Cannot read /val/d.safetensors a",
  ]);
  assertEquals((await openScenes(path, { maxTrainScenes: 1 })).train.length, 1);
  for (const name of ["b", "c"]) await Deno.remove(`${path}/train/${name}.safetensors`);
  await assertRejects(
    () => openScenes(path),
    DataError,
    "none of the 2 training scenes can be read; the first: Cannot read",
  );
});

Deno.test(
  "scenes: prepared and pickled ones side by side, a prepared twin first",
  files,
  async () => {
    await using folder = await tempFolder();
    const { path } = folder;
    const bytes = pickleSamples.get("torch protocol 4")!;
    await put(`${path}/b.safetensors`, 11);
    await Deno.writeFile(`${path}/a.pkl`, bytes);
    await Deno.writeFile(`${path}/b.pkl`, bytes);
    const { train, validation } = await openScenes(path);
    assertEquals(validation, null);
    assertEquals(train.source.files.map((file) => file.slice(path.length + 1)), [
      "a.pkl",
      "b.safetensors",
    ]);
    const [pickled, prepared] = [await train.get(0), await train.get(1)];
    assertEquals([pickled.id, prepared.id], ["a", "b"]);
    assertEquals(await train.pointCount(0), pickled.coords.length / 3);
    assertEquals(await train.pointCount(1), 11);
  },
);

Deno.test("scenes: features by name, their width checked against the model's", files, async () => {
  await using folder = await tempFolder();
  const path = await put(`${folder.path}/a.safetensors`, 7);
  const dataset = new ScenesDataset([path], { features: ["colors", "normals"] });
  const { feats, featureColumns, pointLabels } = await dataset.get(0);
  assertEquals([feats.length, pointLabels?.[6]], [42, 7]);
  assertEquals(featureColumns.map(({ name, kind }) => [name, kind]), [["colors", "color"], [
    "normals",
    "vector",
  ]]);
  await dataset.checkFeatures(6);
  await assertRejects(
    () => dataset.checkFeatures(3),
    UsageError,
    "Cannot train: features are 6 channels wide (colors 3 + normals 3), input_feat_dim is 3. " +
      `Set input_feat_dim: 6, or choose other features; ${path} offers: colors (3), normals (3)`,
  );
  const wrong = new ScenesDataset([path], { features: ["normals", "intensity"] });
  await assertRejects(
    () => wrong.checkFeatures(4),
    UsageError,
    `Cannot train with features [normals, intensity]: ${path} has no intensity. ` +
      "It offers, with the number of channels: colors (3), normals (3)",
  );
  await assertRejects(() => wrong.get(0), DataError, 'it has no feature "intensity"');
});

Deno.test(
  "scenes: read once while there is room, the least recently used leave",
  files,
  async () => {
    await using folder = await tempFolder();
    const paths: string[] = [];
    for (const name of ["a", "b", "c"]) {
      paths.push(
        await put(`${folder.path}/${name}.safetensors`, 90),
      );
    }
    const one = await new ScenesDataset(paths).get(0);
    const tree = Object.values(one.tree).reduce((sum, array) => sum + array.byteLength, 0);
    const size = 90 * (12 + 12 + 4) + tree;
    const dataset = new ScenesDataset(paths, { cacheBytes: 2 * size });
    const [a, again] = await Promise.all([dataset.get(0), dataset.get(0)]);
    assertStrictEquals(a, again);
    const b = await dataset.get(1);
    assertStrictEquals(await dataset.get(0), a);
    await dataset.get(2); // b has waited longest
    assertStrictEquals(await dataset.get(0), a);
    assert(await dataset.get(1) !== b);
    const none = new ScenesDataset(paths, { cacheBytes: 0 });
    assert(await none.get(0) !== await none.get(0));
  },
);

Deno.test("scenes: the hierarchy is cut where asked", files, async () => {
  await using folder = await tempFolder();
  const path = await put(`${folder.path}/a.safetensors`, 64);
  const depth = async (maxHierarchyDepth: number | null) =>
    Math.max(...(await new ScenesDataset([path], { maxHierarchyDepth }).get(0)).tree.level);
  assert(await depth(null) > 1);
  assertEquals(await depth(1), 1);
});

Deno.test("scenes: a data_root that will not do says what to do", files, async () => {
  await using folder = await tempFolder();
  const { path } = folder;
  const refused = (root: string, message: string) =>
    assertRejects(() => listScenes(root), UsageError, `Cannot open data_root ${root}: ${message}`);
  await refused(
    `${path}/none`,
    `there is no such folder; prepare scans with: deno task preprocess --input SCANS --output ${path}/none`,
  );
  await refused(path, "expected scenes (.safetensors or .pkl), found an empty folder");
  await Deno.writeTextFile(`${path}/notes.docx`, "x");
  await refused(path, "expected scenes (.safetensors or .pkl), found 1 files of other kinds");
  await refused(`${path}/notes.docx`, "expected a folder, found a file");
  await Deno.mkdir(`${path}/chairs`);
  await Deno.writeTextFile(`${path}/chairs/one.ply`, "x");
  await refused(
    path,
    `expected prepared scenes (.safetensors or .pkl), found 1 raw file (${
      join("chairs", "one.ply")
    }). Prepare them first:\n  deno task preprocess --input ${path} --output ${path}_scenes\n`,
  );
  await put(`${path}/val/a.safetensors`, 5);
  await refused(path, `expected scenes in ${join(path, "train")}, found some only in val (1)`);
});

Deno.test("scenes: a number out of range and a file that went away are said", files, async () => {
  await using folder = await tempFolder();
  const dataset = new ScenesDataset([`${folder.path}/gone.safetensors`]);
  await assertRejects(() => dataset.get(1), UsageError, "expected a number from 0 to 0");
  await assertRejects(() => dataset.get(0), UsageError, "there is no such file");
});

Deno.test("scenes: an entry that cannot be looked at costs the others nothing, and is told", {
  ignore: files.ignore || Deno.build.os === "windows",
}, async () => {
  await using folder = await tempFolder();
  const { path } = folder;
  await put(`${path}/train/a.safetensors`, 5);
  await put(`${path}/elsewhere/b.safetensors`, 5);
  await Deno.symlink("circle.safetensors", `${path}/train/circle.safetensors`);
  await Deno.symlink("..", `${path}/train/up`);
  await Deno.symlink("gone", `${path}/train/gone.safetensors`);
  await Deno.symlink("elsewhere", `${path}/val`);
  await Deno.mkdir(`${path}/train/folder.safetensors`);
  const told: string[] = [];
  const { train, validation } = await openScenes(path, {
    onLeftOut: (reason) => told.push(reason),
  });
  assertEquals([train.length, validation?.length], [1, 1]);
  assertEquals(told.length, 1);
  assert(told[0].startsWith(`Cannot read ${path}/train/circle.safetensors: Too many levels`));
});
