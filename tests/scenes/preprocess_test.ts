import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { prepareRun, preprocess } from "../../src/scenes/preprocess/run.ts";
import { findSources } from "../../src/scenes/preprocess/sources.ts";
import { Random } from "../../src/base/random.ts";
import { readSceneFile } from "../../src/scenes/scene_file.ts";
import { openScenes } from "../../src/scenes/scenes_dataset.ts";
import { DataError, UsageError } from "../../src/base/errors.ts";
import { npyFile } from "../support/npy_samples.ts";
import { pickleSamples } from "../support/pickle_samples.ts";
import { tempFolder } from "../support/temp_folder.ts";
import { files, parsed, put, run } from "../support/preprocessing.ts";

Deno.test("preprocess: both ModelNet layouts give splits and labels", files, async () => {
  await using folder = await tempFolder();
  const { path } = folder;
  for (const name of ["bed/train/b1", "bed/test/b2", "chair/train/c1", "chair/train/c2"]) {
    await put(`${path}/a/${name}.xyz`);
  }
  for (const name of ["training/bed/b1", "validation/bed/b3", "test/chair/c2", "test/chair/c4"]) {
    await put(`${path}/b/${name}.xyz`);
  }
  const a = await run(["--input", `${path}/a`, "--output", `${path}/out_a`, "--objects"]);
  assertEquals(a.classes, ["bed", "chair"]);
  assertEquals(a.counts.train, { scenes: 3, points: 210 });
  assertEquals(a.scenes.map(({ file, label }) => [file, label]), [
    ["train/b1.safetensors", 0],
    ["train/c1.safetensors", 1],
    ["train/c2.safetensors", 1],
    ["test/b2.safetensors", 0],
  ]);
  const b = await run(["--input", `${path}/b`, "--output", `${path}/out_b`]);
  assertEquals(b.scenes.map(({ file, label }) => [file, label]), [
    ["train/b1.safetensors", 0],
    ["val/b3.safetensors", 0],
    ["test/c2.safetensors", 1],
    ["test/c4.safetensors", 1],
  ]);
  // The input may be one of the split folders itself.
  const c = await run(["--input", `${path}/b/test`, "--output", `${path}/out_c`]);
  assertEquals(c.scenes.map(({ file, label }) => [file, label]), [
    ["test/c2.safetensors", 0],
    ["test/c4.safetensors", 0],
  ]);
  const { train, validation } = await openScenes(`${path}/out_b`);
  assertEquals([train.length, validation!.length], [1, 1]);
  const scene = await train.get(0);
  assertEquals([scene.id, scene.sceneLabel, scene.coords.length, scene.feats.length], [
    "b1",
    0,
    210,
    210,
  ]);
  assertEquals(
    JSON.parse(await Deno.readTextFile(`${path}/out_b/index.json`)),
    JSON.parse(JSON.stringify(b)),
  );
});

Deno.test(
  "preprocess: folders are classes where they look like it, or where told",
  files,
  async () => {
    await using folder = await tempFolder();
    const { path } = folder;
    for (const name of ["x/1", "x/2", "y/3", "y/4"]) await put(`${path}/in/${name}.xyz`, 40);
    const labels = async (...args: string[]) => {
      const { labels: how, inputs } = parsed("--input", `${path}/in`, "--output", "o", ...args);
      return (await findSources(inputs, how, "o")).sources.map(({ className }) => className);
    };
    assertEquals(await labels(), ["x", "x", "y", "y"]);
    assertEquals(await labels("--labels", "none"), [undefined, undefined, undefined, undefined]);
    await Deno.writeTextFile(`${path}/in/classes.txt`, "y\nz\nx\n");
    const told = await findSources([`${path}/in`], "folder", "o");
    assertEquals(told.classes, ["y", "x"]);
    await put(`${path}/in/z/deep/5.xyz`, 40);
    assertEquals((await labels()).filter((name) => name !== undefined), []);
    assertEquals(await labels("--labels", "folder"), ["x", "x", "y", "y", "z"]);
  },
);

Deno.test("preprocess: a bad file is told and skipped; strict stops at it", files, async () => {
  await using folder = await tempFolder();
  const { path } = folder;
  for (const name of ["a", "c"]) await put(`${path}/in/${name}.xyz`);
  await Deno.writeTextFile(`${path}/in/b.ply`, "ply\nformat ascii 1.0\nelement vertex 9\n");
  await Deno.writeTextFile(`${path}/in/d.xyz`, "nan nan nan\n");
  const args = ["--input", `${path}/in`, "--output", `${path}/out`];
  const told: string[] = [];
  const index = await run(args, { onFailure: ({ source }, why) => told.push(source.name, why) });
  assertEquals(index.scenes.length, 2);
  assertEquals(index.failed.map(({ source }) => source).sort(), ["in/b.ply", "in/d.xyz"]);
  assertEquals(told.length, 4);
  assertStringIncludes(told.join(" "), `Cannot read ${path}/in/b.ply`);
  await assertRejects(
    () => run([...args, "--strict"]),
    DataError,
    `Stopped at in/${told[0].slice(3)}: Cannot `,
  );
  const others: string[] = [];
  const workers = parsed(
    ...["--workers", "2", "--strict", "--input", `${path}/in`, "--output", `${path}/strict`],
  );
  const hooks = {
    onFailure: ({ source }: { source: { name: string } }) => others.push(source.name),
  };
  const prepared = await prepareRun(workers);
  await assertRejects(() => preprocess(prepared, workers, hooks), DataError, "Stopped at in/");
  assertEquals(others, []);
  await assertRejects(
    () => run(["--input", `${path}/in/b.ply`, "--output", `${path}/other`]),
    DataError,
    "none of the 1 files can be read; the first: Cannot read",
  );
  await assertRejects(
    () => run(["--input", "/dev/zero", "--output", `${path}/other`]),
    UsageError,
    "expected a file or a folder, found a device or a pipe",
  );
  await assertRejects(
    () => run(["--input", `${path}/none`, "--output", `${path}/other`]),
    UsageError,
    "there is no such file or folder",
  );
});

Deno.test("preprocess: a stack of clouds with labels and names", files, async () => {
  await using folder = await tempFolder();
  const { path } = folder;
  const random = new Random(4);
  const points = Int16Array.from({ length: 5 * 40 * 3 }, () => random.int(2000) - 1000);
  await Deno.mkdir(`${path}/in`);
  await Deno.writeFile(`${path}/in/train_points.npy`, npyFile("'<i2'", "(5, 40, 3)", points));
  await Deno.writeFile(
    `${path}/in/train_labels.npy`,
    npyFile("'|u1'", "(5,)", Uint8Array.of(1, 0, 1, 2, 0)),
  );
  await Deno.writeTextFile(`${path}/in/classes.txt`, "sofa\nbed\nlamp\n");
  await Deno.writeTextFile(`${path}/in/train_names.txt`, "b1\ns1\nb2\nl1\ns2\n");
  await Deno.writeFile(`${path}/in/test_points.npy`, npyFile("'<i2'", "(5, 40, 3)", points));
  const args = ["--input", `${path}/in`, "--output", `${path}/out`, "--objects"];
  const index = await run(args);
  assertEquals(index.classes, ["sofa", "bed", "lamp"]);
  assertEquals(index.scenes.map(({ file, label, source }) => [file, label, source]), [
    ["train/b1.safetensors", 1, "in/train_points.npy#0"],
    ["train/b2.safetensors", 1, "in/train_points.npy#2"],
    ["train/l1.safetensors", 2, "in/train_points.npy#3"],
    ["train/s1.safetensors", 0, "in/train_points.npy#1"],
    ["train/s2.safetensors", 0, "in/train_points.npy#4"],
    ...[0, 1, 2, 3, 4].map((i) => [
      `test/test_${i}.safetensors`,
      undefined,
      `in/test_points.npy#${i}`,
    ]),
  ]);
  const { cloud } = await readSceneFile(`${path}/out/train/l1.safetensors`);
  const twin = (await readSceneFile(`${path}/out/test/test_3.safetensors`)).cloud;
  assertEquals(cloud.coords, twin.coords);
  const ratio = (points[361] - points[364]) / (points[360] - points[363]);
  const [x0, y0, , x1, y1] = cloud.coords;
  assert(Math.abs((y0 - y1) / (x0 - x1) - ratio) < 1e-3 * Math.abs(ratio));
  await Deno.writeTextFile(`${path}/in/classes.txt`, "sofa\nbed\n");
  await assertRejects(() => run(args), DataError, "2 has no name, classes.txt has 2 lines");
});

Deno.test(
  "preprocess: scenes that have a tree keep points and tree, unless they are to be rebuilt",
  files,
  async () => {
    await using folder = await tempFolder();
    const { path } = folder;
    await Deno.mkdir(`${path}/in`);
    await Deno.writeFile(`${path}/in/room.pkl`, pickleSamples.get("torch protocol 4")!);
    const args = ["--input", `${path}/in`, "--output", `${path}/out`];
    await run(args);
    const before = await readSceneFile(`${path}/in/room.pkl`);
    const after = await readSceneFile(`${path}/out/train/room.safetensors`);
    assertEquals(after.tree, before.tree);
    assertEquals(after.cloud.coords, before.cloud.coords);
    assertEquals(after.cloud.attributes, before.cloud.attributes);
    assertEquals((await prepareRun(parsed(...args))).done.size, 1);
    await run([...args, "--rebuild-trees", "--branching", "2", "--min-points", "1"]);
    const rebuilt = await readSceneFile(`${path}/out/train/room.safetensors`);
    assert(rebuilt.cloud.coords.some((value, i) => value !== before.cloud.coords[i]));
  },
);

Deno.test("preprocess: workers write the same bytes as one thread", files, async () => {
  await using folder = await tempFolder();
  const { path } = folder;
  for (let i = 0; i < 5; i++) await put(`${path}/in/s${i}.xyz`, 100 + i, i);
  await Deno.writeTextFile(`${path}/in/bad.ply`, "ply\n");
  const bytes: Uint8Array[][] = [];
  for (const workers of ["0", "2"]) {
    const options = parsed(
      "--workers",
      workers,
      "--input",
      `${path}/in`,
      "--output",
      `${path}/${workers}`,
    );
    const index = await preprocess(await prepareRun(options), options);
    assertEquals(index.failed.map(({ source }) => source), ["in/bad.ply"]);
    bytes.push(
      await Promise.all(
        index.scenes.map(({ file }) => Deno.readFile(`${path}/${workers}/${file}`)),
      ),
    );
  }
  assertEquals(bytes[0].length, 5);
  assertEquals(bytes[0], bytes[1]);
});

Deno.test("preprocess: the output inside an input is no input", files, async () => {
  await using folder = await tempFolder();
  const { path } = folder;
  await put(`${path}/a.xyz`);
  const args = ["--input", path, "--output", `${path}/out`];
  assertEquals((await run(args)).scenes.length, 1);
  assertEquals((await run(args)).scenes.length, 1);
  // A file named twice is one scene.
  assertEquals((await run([...args, "--input", `${path}/a.xyz`])).scenes.length, 1);
});
