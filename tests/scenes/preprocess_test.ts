import { lockFolder } from "../../src/base/folder_lock.ts";
import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { fromFileUrl } from "@std/path";
import {
  parsePreprocessArguments,
  type PreprocessArguments,
  preprocessHelp,
} from "../../src/cli/preprocess/arguments.ts";
import { makePlan, readSplitFiles } from "../../src/scenes/preprocess/plan.ts";
import {
  prepareRun,
  preprocess,
  type PreprocessHooks,
  type PreprocessIndex,
} from "../../src/scenes/preprocess/run.ts";
import { findSources, type Source } from "../../src/scenes/preprocess/sources.ts";
import { Random } from "../../src/base/random.ts";
import { readSceneFile } from "../../src/scenes/scene_file.ts";
import { listScenes, openScenes } from "../../src/scenes/scenes_dataset.ts";
import { DataError, UsageError } from "../../src/base/errors.ts";
import { npyFile } from "../support/npy_samples.ts";
import { pickleSamples } from "../support/pickle_samples.ts";
import { tempFolder } from "../support/temp_folder.ts";

const files = {
  ignore: Deno.permissions.querySync({ name: "write" }).state !== "granted" ||
    Deno.permissions.querySync({ name: "read" }).state !== "granted",
};
const commands = {
  ignore: files.ignore || Deno.permissions.querySync({ name: "run" }).state !== "granted",
};
const TOOL = fromFileUrl(new URL("../../tools/preprocess.ts", import.meta.url));

/** A scan of `count` points. */
async function put(path: string, count = 70, seed = 1): Promise<void> {
  await Deno.mkdir(path.slice(0, path.lastIndexOf("/")), { recursive: true });
  const random = new Random(seed, path.replace(/^.*\//, ""));
  const lines = Array.from(
    { length: count },
    () => [random.uniform(), random.uniform(), random.uniform()].map((v) => v.toFixed(4)).join(" "),
  );
  await Deno.writeTextFile(path, lines.join("\n"));
}

type Options = Extract<PreprocessArguments, { help: false }>["options"];

function parsed(...args: string[]): Options {
  const found = parsePreprocessArguments(args);
  if (found.help) throw new Error("help");
  return found.options;
}

async function run(args: string[], hooks: PreprocessHooks = {}): Promise<PreprocessIndex> {
  const options = parsed("--workers", "0", ...args);
  return await preprocess(await prepareRun(options), options, hooks);
}

async function modified(path: string): Promise<number> {
  return (await Deno.stat(path)).mtime!.getTime();
}

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

function source(name: string, more: Partial<Source> = {}): Source {
  const stem = name.replace(/^.*\/|\.\w+$/g, "");
  return { path: name, name, stem, bytes: 1, modified: 0, ...more };
}

Deno.test("preprocess: a ratio divides each class alike, and nothing is left without training", () => {
  const sources = Array.from(
    { length: 100 },
    (_, i) => source(`s/${i}.ply`, { className: i < 60 ? "a" : "b", split: "test" }),
  );
  const split = (list: Source[], ratio: number[] | undefined, seed = 1) =>
    makePlan({ sources: list, classes: ["a", "b"] }, { ratio, seed }).scenes;
  const scenes = split(sources, [80, 10, 10]);
  const counts = (className: string) =>
    ["train", "val", "test"].map((name) =>
      scenes.filter((scene) => scene.split === name && scene.className === className).length
    );
  assertEquals([counts("a"), counts("b")], [[48, 6, 6], [32, 4, 4]]);
  assertEquals(split(sources, [80, 10, 10]), scenes);
  assert(split(sources, [80, 10, 10], 2).some(({ id }, i) => id !== scenes[i].id));
  assertEquals(split(sources, undefined).map((scene) => scene.split), Array(100).fill("test"));
  const few = (n: number) =>
    split(sources.slice(0, n).map((each) => ({ ...each, split: undefined })), undefined)
      .map((scene) => scene.split);
  assertEquals(few(1), ["train"]);
  assertEquals(few(2), ["train", "val"]);
  assertEquals(few(6).filter((name) => name === "val").length, 1);
});

Deno.test("preprocess: names stay short while they are different", () => {
  const names = ["a/x.ply", "b/x.ply", "b/y.ply", "b/Y.pcd", "b/y.las", "b/ö 1.ply", "c/.z.ply"];
  const { scenes } = makePlan({ sources: names.map((name) => source(name)), classes: [] }, {
    ratio: [1, 0, 0],
    seed: 1,
  });
  assertEquals(
    Object.fromEntries(scenes.map(({ id, source: { name } }) => [name, id])),
    {
      "a/x.ply": "a__x",
      "b/x.ply": "b__x",
      "b/y.ply": "b__y_ply",
      "b/Y.pcd": "b__Y_pcd",
      "b/y.las": "b__y_las",
      "b/ö 1.ply": "ö_1",
      "c/.z.ply": "z",
    },
  );
});

Deno.test("preprocess: split files of three forms", files, async () => {
  await using folder = await tempFolder();
  const { path } = folder;
  for (const name of ["s1", "s2", "s3", "s4"]) await put(`${path}/in/room/${name}.xyz`, 40);
  await Deno.writeTextFile(`${path}/a.json`, '{"train": ["s1", "s2"], "val": ["room/s3.xyz"]}');
  await Deno.writeTextFile(`${path}/b.txt`, "s1,train\nin/room/s2.xyz\ttrain\ns3 valid\n");
  await Deno.writeTextFile(`${path}/train.txt`, "s1\ns2.xyz\n");
  await Deno.writeTextFile(`${path}/val.txt`, "room/s3\n");
  const ways = [
    ["a.json"],
    ["b.txt"],
    ["train=train.txt", "val=val.txt"],
  ].map((names) => names.map((name) => name.replace(/[^=]*$/, (file) => `${path}/${file}`)));
  for (const way of ways) {
    const flags = way.flatMap((file) => ["--split-file", file]);
    const options = parsed("--input", `${path}/in`, "--output", `${path}/out`, ...flags);
    const { plan } = await prepareRun(options);
    assertEquals(plan.scenes.map(({ id, split }) => [id, split]), [["s1", "train"], [
      "s2",
      "train",
    ], ["s3", "val"]]);
    assertEquals(plan.leftOut, 1);
  }
  await Deno.writeTextFile(`${path}/c.txt`, "s1 train\ns9 train\n");
  const refused = (file: string, message: string) =>
    assertRejects(
      async () => {
        const flags = ["--input", `${path}/in`, "--output", `${path}/out`, "--split-file", file];
        await prepareRun(parsed(...flags));
      },
      UsageError,
      message,
    );
  await refused(`${path}/c.txt`, "1 of the 2 names in the split file are no inputs: s9");
  await Deno.writeTextFile(`${path}/c.txt`, "s1 train\ns1 test\n");
  await refused(`${path}/c.txt`, "s1 is in train and in test");
  await Deno.writeTextFile(`${path}/c.txt`, "s1 somewhere\n");
  await refused(`${path}/c.txt`, 'expected names and the splits train, val or test, got "s1"');
  await assertRejects(() => readSplitFiles(["none.txt"]), UsageError, "there is no such file");
});

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

Deno.test(
  "preprocess: started again it makes what is missing, cut off or of other settings",
  files,
  async () => {
    await using folder = await tempFolder();
    const { path } = folder;
    for (const name of ["a", "b", "c", "d"]) await put(`${path}/in/${name}.xyz`);
    const args = ["--input", `${path}/in`, "--output", `${path}/out`, "--split", "1,0,0"];
    const stop = new AbortController();
    await assertRejects(
      () =>
        run(args, {
          signal: stop.signal,
          onProgress: ({ done }) => done === 2 && stop.abort(new Error("enough")),
        }),
      Error,
      "enough",
    );
    const made = (await listScenes(`${path}/out`)).train;
    assertEquals(made.length, 2);
    const times = await Promise.all(made.map(modified));
    await assertRejects(() => Deno.stat(`${path}/out/index.json`), Deno.errors.NotFound);
    await Deno.writeTextFile(`${path}/out/train/.c.safetensors.0123abcd.tmp`, "half");
    const counted: number[] = [];
    await run(args, { onProgress: ({ done }) => counted.push(done) });
    assertEquals(counted, [2, 3, 4]);
    assertEquals(await Promise.all(made.map(modified)), times);
    const names = Array.from(Deno.readDirSync(`${path}/out/train`), ({ name }) => name);
    assertEquals(names.filter((name) => name.startsWith(".")), []);

    const whole = await Deno.readFile(made[0]);
    await Deno.writeFile(made[0], whole.subarray(0, whole.length - 1));
    const again: number[] = [];
    await run(args, { onProgress: ({ done }) => again.push(done) });
    assertEquals(again, [3, 4]);
    assertEquals(await Deno.readFile(made[0]), whole);

    const remade = async (...more: string[]) => {
      const options = parsed(...args, ...more);
      return 4 - (await prepareRun(options)).done.size;
    };
    assertEquals(await remade(), 0);
    assertEquals(await remade("--workers", "3"), 0);
    assertEquals(await remade("--voxel", "0.1"), 4);
    assertEquals(await remade("--depth", "2"), 4);
    await put(`${path}/in/c.xyz`, 71);
    assertEquals(await remade(), 1);
  },
);

Deno.test(
  "preprocess: scenes of another run are not mixed in, moved ones are replaced",
  files,
  async () => {
    await using folder = await tempFolder();
    const { path } = folder;
    for (const name of ["a", "b"]) await put(`${path}/one/${name}.xyz`, 40);
    await put(`${path}/two/c.xyz`, 40);
    const output = ["--output", `${path}/out`];
    await run(["--input", `${path}/one`, ...output, "--split", "1,0,0"]);
    await run(["--input", `${path}/one`, ...output, "--split", "0,1,0"]);
    const split = async () => {
      const names: string[] = [];
      for (const name of ["train", "val"]) {
        for (const entry of Deno.readDirSync(`${path}/out/${name}`)) {
          names.push(
            `${name}/${entry.name}`,
          );
        }
      }
      return await Promise.resolve(names.sort());
    };
    assertEquals(await split(), ["val/a.safetensors", "val/b.safetensors"]);
    const other = ["--input", `${path}/two`, ...output];
    await assertRejects(
      () => run(other),
      UsageError,
      `Cannot preprocess into ${path}/out: it holds 2 scenes of another run`,
    );
    await Deno.writeTextFile(`${path}/out/train/mine.safetensors`, "not of preprocess");
    await run([...other, "--clean"]);
    assertEquals(await split(), ["train/c.safetensors", "train/mine.safetensors"]);
  },
);

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

Deno.test(
  "preprocess: one run writes at a time, and clears away what killed ones have left",
  files,
  async () => {
    await using folder = await tempFolder();
    const { path } = folder;
    for (const name of ["a", "b"]) await put(`${path}/in/${name}.xyz`);
    const out = `${path}/out`;
    const args = ["--input", `${path}/in`, "--output", out];
    await Deno.mkdir(`${out}/train`, { recursive: true });
    const litter = [".index.json.0123abcd.tmp", "train/.a.safetensors.0123abcd.tmp"];
    for (const name of [...litter, "mine.tmp"]) await Deno.writeTextFile(`${out}/${name}`, "");
    {
      using _other = await lockFolder(out, "--output");
      await assertRejects(() => run(args), UsageError, "another run");
    }
    const index = await run(args);
    assertEquals(index.scenes.length, 2);
    assertEquals(Deno.readDirSync(out).map(({ name }) => name).toArray().sort(), [
      "index.json",
      "mine.tmp",
      "train",
      "val",
    ]);
    assertEquals(Deno.readDirSync(`${out}/train`).toArray().length, 1);
  },
);

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

Deno.test("preprocess: flags become settings, and what is wrong with them is said", () => {
  const options = parsed(
    ..."--input a b --output o --objects --voxel 0.05 --max-points=99 --split 70/30 c".split(" "),
    "--columns",
    "x, y,z,_",
  );
  assertEquals([options.inputs, options.ratio], [["a", "b", "c"], [70, 30, 0]]);
  const { prepare, read } = options.settings;
  assertEquals([prepare.voxelSize, prepare.maxPoints, prepare.unitScale], [0.05, 99, true]);
  assertEquals(read.columns, ["x", "y", "z", "_"]);
  for (
    const [args, message] of [
      ["--output o", "Say what to read"],
      ["--input a", "Say where to write"],
      ["--input a --output o --voxle 1", "Unknown flag --voxle"],
      ["--input a --output o --voxel", "--voxel: expected a value, got nothing"],
      ["--input a --output o --voxel x", "--voxel: expected a number, got x"],
      ["--input a --output o --voxel -1", "--voxel: expected 0 or more, got -1"],
      ["--input a --output o --max-points 1.5", "expected a whole number of 0 or more, got 1.5"],
      ["--input a --output o --normals up", "--normals: expected one of auto, estimate, keep"],
      ["--input a --output o --depth 2 --depth 3", "--depth is given twice"],
      ["--input a --output o --split 0.5", "--split: expected shares of train, val and test"],
      ["--input a --output o --split 1,0,0 --split-file f", "exclude each other"],
      ["--input a --output o --branching 1", "branching: expected an integer from 2"],
    ]
  ) {
    const list = args.split(" ");
    assertThrows(() => parsePreprocessArguments(list), UsageError, message);
  }
  assertEquals(parsePreprocessArguments(["-h"]).help, true);
  for (const line of preprocessHelp().split("\n")) assert(line.length <= 120, line);
});

Deno.test(
  "preprocess: the command says what it would do, does it, and ends with its code",
  commands,
  async () => {
    await using folder = await tempFolder();
    const { path } = folder;
    for (const name of ["a", "b"]) await put(`${path}/in/${name}.xyz`, 40);
    const call = async (...args: string[]) => {
      const command = new Deno.Command(Deno.execPath(), { args: ["run", "-A", TOOL, ...args] });
      const { code, stdout, stderr } = await command.output();
      return { code, text: new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr) };
    };
    const args = ["--input", `${path}/in`, "--output", `${path}/out`];
    const dry = await call(...args, "--dry-run");
    assertEquals(dry.code, 0);
    assertStringIncludes(dry.text, `2 scenes into ${path}/out`);
    await assertRejects(() => Deno.stat(`${path}/out`), Deno.errors.NotFound);
    const real = await call(...args);
    assertEquals(real.code, 0);
    assertStringIncludes(real.text, "(train 1, val 1): 80 points");
    const wrong = await call(...args, "--depht", "3");
    assertEquals(wrong.code, 2);
    assertStringIncludes(wrong.text, "Unknown flag --depht");
    await Deno.writeTextFile(`${path}/in/c.xyz`, "");
    assertEquals((await call(...args, "--strict")).code, 1);
    assertEquals((await call("--help")).code, 0);
  },
);
