/** Which files of a folder become scenes, with which class and split; what is left out is said. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { describeLeftOut, sortFiles } from "../../src/scenes/preprocess/belongs.ts";
import { makePlan } from "../../src/scenes/preprocess/plan.ts";
import { prepareRun, preprocess } from "../../src/scenes/preprocess/run.ts";
import { parsePreprocessArguments } from "../../src/cli/preprocess/arguments.ts";
import { describePlan } from "../../src/cli/preprocess/show.ts";
import { findSources, type Sources } from "../../src/scenes/preprocess/sources.ts";
import { readSceneFile } from "../../src/scenes/scene_file.ts";
import { filesBelow } from "../../src/cloud/files_below.ts";
import { listScenes } from "../../src/scenes/scenes_dataset.ts";
import { npyFile } from "../support/npy_samples.ts";
import { tempFolder } from "../support/temp_folder.ts";

const files = {
  ignore: Deno.permissions.querySync({ name: "write" }).state !== "granted" ||
    Deno.permissions.querySync({ name: "read" }).state !== "granted",
};
const links = { ignore: files.ignore || Deno.build.os === "windows" };
const CASES = fromFileUrl(new URL("../fixtures/cases/", import.meta.url));

const found = (path: string): Promise<Sources> => findSources([path], "auto", "/nowhere");
const stems = ({ sources }: Sources): string[] => sources.map(({ stem }) => stem);

/** Points in a row, as text. */
async function put(path: string, text = "0 0 0\n1 2 3\n4 5 7\n"): Promise<void> {
  await Deno.mkdir(path.slice(0, path.lastIndexOf("/")), { recursive: true });
  await Deno.writeTextFile(path, text);
}

async function run(...args: string[]) {
  const parsed = parsePreprocessArguments(["--workers", "0", ...args]);
  if (parsed.help) throw new Error("help");
  const prepared = await prepareRun(parsed.options);
  return { prepared, index: await preprocess(prepared, parsed.options) };
}

Deno.test("sources: a README beside class folders leaves them classes", files, async () => {
  const sources = await found(`${CASES}01_modelnet10_readme`);
  assertEquals(sources.classes, ["bed", "desk"]);
  assertEquals(
    sources.sources.map(({ split }) => split).filter((each) => each === "train").length,
    2,
  );
  assertEquals(describeLeftOut(sources.leftOut!), "left out: 1 .txt (no points)");
});

Deno.test("sources: lists beside class folders are the split, not scenes", files, async () => {
  const sources = await found(`${CASES}02_modelnet40_normal_resampled_lists`);
  assertEquals(sources.classes, ["airplane", "night_stand"]);
  assertEquals(stems(sources).length, 4);
  assertEquals(new Set(sources.sources.map(({ split }) => split)), new Set(["train"]));
  const plan = makePlan(sources, { seed: 1 });
  assertEquals(sources.lists!.length, 1);
  const told = describePlan(
    { plan, done: new Map(), places: new Map(), moved: [], stale: [] },
    "out",
  );
  assertStringIncludes(told, "splits by the lists modelnet40_train.txt");
  assertStringIncludes(told, "left out: 3 .txt (no points)");
});

Deno.test(
  "sources: what is for tests by one list is not trained on by another",
  files,
  async () => {
    await using folder = await tempFolder();
    for (const name of ["a", "b", "c", "d"]) await put(`${folder.path}/${name}.xyz`);
    await put(`${folder.path}/train_list.txt`, "a\nb.xyz\n./c.xyz\n");
    await put(`${folder.path}/list-test.txt`, "c\n");
    const { sources } = await found(folder.path);
    assertEquals(sources.map(({ split }) => split), ["train", "train", "test", undefined]);
  },
);

Deno.test("sources: parts of a room are no scenes beside it", files, async () => {
  const sources = await found(`${CASES}03_s3dis_raw`);
  assertEquals(stems(sources), ["hallway_1", "office_1"]);
  assertEquals(sources.classes, []);
  assertEquals(
    describeLeftOut(sources.leftOut!),
    "left out: 6 .txt (parts of clouds), 1 .txt (no points)",
  );
});

Deno.test(
  "sources: arrays beside coordinates are one scene's colours, normals, labels",
  files,
  async () => {
    await using folder = await tempFolder();
    const sources = await found(`${CASES}04_pointcept_dir`);
    assertEquals([stems(sources), sources.classes], [["scene0000_00"], []]);
    const output = `${folder.path}/out`;
    const { index } = await run("--input", `${CASES}04_pointcept_dir`, "--output", output);
    const { cloud } = await readSceneFile(`${output}/${index.scenes[0].file}`);
    const names = ["colors", "instances", "labels", "normals"];
    assertEquals([cloud.count, [...cloud.attributes.keys()].sort()], [500, names]);
  },
);

Deno.test(
  "sources: poses, times, calibrations and labels of sweeps are no scenes",
  files,
  async () => {
    const sources = await found(`${CASES}05_semantickitti`);
    assertEquals(stems(sources), ["000000", "000001", "000002"]);
    assertEquals(
      describeLeftOut(sources.leftOut!),
      "left out: 3 .label, 2 .txt (no points), 1 .txt (poses)",
    );
  },
);

Deno.test("sources: what is left out is said by ending", files, async () => {
  const sources = await found(`${CASES}16_mixed_unsupported`);
  assertEquals(stems(sources), ["kitti4"]);
  assertEquals(describeLeftOut(sources.leftOut!), "left out: 2 .h5, 1 .glb, 1 .ply.gz, 1 .zip");
});

Deno.test(
  "sources: cameras, trajectories and matrices are poses; tables of points are not",
  files,
  async () => {
    await using folder = await tempFolder();
    const { path } = folder;
    await put(`${path}/pose.txt`, "1 0 0 2.5\n0 1 0 1\n0 0 1 3\n0 0 0 1\n");
    await put(`${path}/intrinsics.txt`, "577.8 0 319.5\n0 578.7 239.5\n0 0 1\n");
    await put(
      `${path}/groundtruth.txt`,
      "# timestamp tx ty tz qx qy qz qw\n1 1 2 3 0 0 0 1\n2 1 2 3 0 0 .6 .8\n",
    );
    await put(`${path}/cloud.info.txt`, "kitchen 0 49\n1 0 0 2\n0 1 0 1\n0 0 1 3\n0 0 0 1\n");
    await put(`${path}/frames.txt`, "1 0 0 5 0 1 0 6 0 0 1 7 0 0 0 1\n");
    await put(`${path}/points.txt`, "1 0 0 2.5\n0 1 0 1\n0 2 1 3\n0 0 0 1\n");
    await put(`${path}/survey.txt`, "# easting northing height\n1 2 3\n");
    await put(`${path}/path.csv`, "time,x,y,z,qx,qy,qz,qw\n1,2,3,4,0,0,0,1\n2,2,3,4,0,0,0,1\n");
    const sources = await found(path);
    assertEquals(stems(sources), ["points", "survey"]);
    assertEquals(describeLeftOut(sources.leftOut!), "left out: 5 .txt (poses), 1 .csv (poses)");
  },
);

Deno.test("sources: of two meshes of a scan one is the scene", files, async () => {
  await using folder = await tempFolder();
  const names = ["scene_vh_clean.ply", "scene_vh_clean_2.ply", "scene_vh_clean_2.labels.ply"];
  await put(`${folder.path}/mesh_labels.txt`, "1 2 3\n1 2 3\n");
  for (const name of [...names, "mesh.ply", "mesh_semantic.ply", "room_semantic.ply"]) {
    await put(`${folder.path}/${name}`, "ply\n");
  }
  const { clouds, leftOut } = await sortFiles(await filesBelow(folder.path));
  assertEquals(clouds.map((path) => path.slice(folder.path.length + 1)), [
    "mesh.ply",
    "room_semantic.ply",
    "scene_vh_clean_2.ply",
  ]);
  assertEquals(
    describeLeftOut(leftOut),
    "left out: 3 .ply (other versions of clouds), 1 .txt (other versions of clouds)",
  );
});

Deno.test(
  "sources: folders are classes where most clouds lie in them and they repeat",
  files,
  async () => {
    await using folder = await tempFolder();
    const { path } = folder;
    const classesOf = async (name: string, ...clouds: string[]): Promise<readonly string[]> => {
      for (const each of clouds) await put(`${path}/${name}/${each}`);
      return (await found(`${path}/${name}`)).classes;
    };
    assertEquals(await classesOf("stray", "a/1.xyz", "a/2.xyz", "b/3.xyz", "b/4.xyz", "all.xyz"), [
      "a",
      "b",
    ]);
    for (const name of ["x.ply", "y.pcd", "z.xyz", "w.xyz"]) {
      await put(`${path}/junk/${name}`, name === "w.xyz" ? "" : "no cloud at all");
    }
    assertEquals(await classesOf("junk", "a/1.xyz", "a/2.xyz", "b/3.xyz", "b/4.xyz"), ["a", "b"]);
    assertEquals(await classesOf("once", "a/1.xyz", "b/2.xyz"), []);
    assertEquals(await classesOf("rooms", "train/a/1.xyz", "train/b/2.xyz", "val/c/3.xyz"), []);
    assertEquals(await classesOf("splits", "train/a/1.xyz", "test/a/2.xyz"), ["a"]);
    assertEquals(await classesOf("kinds", "train/points/1.xyz", "train/points/2.xyz"), []);
    assertEquals(await classesOf("deep", "a/1.xyz", "a/2.xyz", "b/3.xyz", "b/c/4.xyz"), []);
    assertEquals(
      await classesOf("mixed", "1.xyz", "2.xyz", "a/3.xyz", "b/4.xyz", "a/5.xyz", "b/6.xyz"),
      [],
    );
  },
);

Deno.test(
  "sources: links to folders and files are read, in circles too, and broken ones left",
  links,
  async () => {
    await using folder = await tempFolder();
    const { path } = folder;
    await Deno.mkdir(`${path}/in`);
    for (const [name, split] of [["a", "train"], ["b", "val"]]) {
      await Deno.symlink(`${CASES}10_real/${name}`, `${path}/in/${split}`);
    }
    await Deno.symlink(".", `${path}/in/self`);
    await Deno.symlink("circle", `${path}/in/circle`);
    await Deno.symlink("gone", `${path}/in/broken`);
    const sources = await found(`${path}/in`);
    assertEquals(sources.sources.map(({ stem, split }) => `${split} ${stem}`), [
      "train sa0",
      "train sa1",
      "val sb0",
      "val sb1",
    ]);
    assertEquals(sources.passedOver!.map((entry) => entry.path), [`${path}/in/circle`]);
    const scenes = `${path}/scenes`;
    await run("--input", `${path}/in/`, "--output", `${path}/out`);
    await Deno.mkdir(scenes);
    for (const split of ["train", "val"]) {
      await Deno.symlink(`${path}/out/${split}`, `${scenes}/${split}`);
    }
    const { train, val } = await listScenes(scenes);
    assertEquals([train.length, val.length], [2, 2]);
  },
);

Deno.test(
  "sources: links within the input give splits, each file once; branching circles end",
  links,
  async () => {
    await using folder = await tempFolder();
    const { path } = folder;
    for (const name of ["a", "b", "c"]) await put(`${path}/all/${name}.xyz`);
    await Deno.mkdir(`${path}/train`);
    await Deno.symlink("../all/a.xyz", `${path}/train/a.xyz`);
    await Deno.mkdir(`${path}/all/more`);
    await put(`${path}/all/more/d.xyz`);
    await Deno.symlink("all/more", `${path}/val`);
    const { sources } = await found(path);
    assertEquals(sources.map(({ stem, split }) => `${stem} ${split}`), [
      "b undefined",
      "c undefined",
      "a train",
      "d val",
    ]);
    for (let i = 0; i < 12; i++) {
      await put(`${path}/web/${i}/p${i}.xyz`);
      for (let j = 0; j < 12; j++) await Deno.symlink(`../${j}`, `${path}/web/${i}/to${j}`);
    }
    assertEquals((await found(`${path}/web`)).sources.length, 12);
  },
);

Deno.test("sources: a name that is not UTF-8 costs its folder nothing", links, async () => {
  await using folder = await tempFolder();
  await put(`${folder.path}/good.xyz`);
  const shell = `cp '${folder.path}/good.xyz' "$(printf '${folder.path}/b\\377d.xyz')"`;
  const made = await new Deno.Command("sh", { args: ["-c", shell] }).output();
  if (!made.success) return; // the file system takes UTF-8 alone
  const sources = await found(folder.path);
  assertEquals(stems(sources), ["good"]);
  assertStringIncludes(sources.passedOver![0].reason, "not UTF-8");
});

Deno.test(
  "preprocess: the validation share is drawn among files that can be read",
  files,
  async () => {
    await using folder = await tempFolder();
    const output = `${folder.path}/out`;
    const args = ["--input", `${CASES}11_val_lost_to_unreadable`, "--output", output];
    const { index } = await run(...args);
    assertEquals([index.counts.train.scenes, index.counts.val.scenes, index.failed.length], [
      6,
      1,
      3,
    ]);
    assertEquals((await listScenes(output)).val.length, 1);
    const again = await run(...args);
    assertEquals(again.prepared.done.size, 7);
    assertEquals(again.index.scenes.map(({ file }) => file), index.scenes.map(({ file }) => file));
  },
);

Deno.test(
  "preprocess: labels in words have the same numbers in all scenes, whenever they were made",
  files,
  async () => {
    await using folder = await tempFolder();
    const { path } = folder;
    await put(`${path}/in/a.csv`, "x,y,z,class\n0,0,0,tree\n1,1,2,car\n3,4,7,tree\n");
    await put(`${path}/in/b.csv`, "x,y,z,class\n0,0,0,tree\n1,1,2,\n3,4,7,bush\n");
    const args = ["--input", `${path}/in`, "--output", `${path}/out`, "--split", "1,0,0"];
    const labels = async (name: string) => {
      const { cloud } = await readSceneFile(`${path}/out/train/${name}.safetensors`);
      return [...cloud.attributes.get("labels")!.data];
    };
    assertEquals((await run(...args)).index.pointClasses, ["bush", "car", "tree"]);
    assertEquals([await labels("a"), await labels("b")], [[2, 1, 2], [2, -1, 0]]);
    await put(`${path}/in/c.csv`, "x,y,z,class\n0,0,0,Antenna\n1,1,2,car\n3,4,7,car\n");
    const { prepared, index } = await run(...args);
    assertEquals([prepared.done.size, index.pointClasses], [2, ["Antenna", "bush", "car", "tree"]]);
    assertEquals([await labels("a"), await labels("b"), await labels("c")], [
      [3, 2, 3],
      [3, -1, 1],
      [0, 2, 2],
    ]);
    assertEquals((await run(...args)).prepared.done.size, 3);
  },
);

Deno.test(
  "sources: labels of sweeps under their own names, and arrays of rooms by prefix",
  files,
  async () => {
    await using folder = await tempFolder();
    const { path } = folder;
    await put(`${path}/nus/lidarseg/a_lidarseg.bin`, "0123");
    await put(`${path}/nus/samples/a.pcd.bin`, "01230123012301230123");
    assertEquals(stems(await found(`${path}/nus`)), ["a.pcd"]);
    const rows = (width: number) => new Float32Array(5 * width).fill(0.5);
    for (const room of ["hall", "sem_room"]) {
      await put(`${path}/rooms/notes.md`);
      const write = (name: string, shape: string, data: ArrayBufferView, type = "'<f4'") =>
        Deno.writeFile(`${path}/rooms/${room}_${name}.npy`, npyFile(type, shape, data));
      await write("xyz", "(5, 3)", rows(3));
      await write("rgb", "(5, 3)", rows(3));
      await write("sem_label", "(5, 1)", Int32Array.of(1, 2, 3, 4, 5), "'<i4'");
      await write("ins_label", "(5,)", Int32Array.of(5, 4, 3, 2, 1), "'<i4'");
    }
    const short = npyFile("'<f4'", "(4, 3)", rows(3).subarray(3));
    await Deno.writeFile(`${path}/rooms/hall_normal.npy`, short);
    const { sources, leftOut } = await found(`${path}/rooms`);
    assertEquals(sources.map(({ stem }) => stem), ["hall", "sem_room"]);
    assertEquals(Object.keys(sources[0].parts!).sort(), ["colors", "instances", "labels"]);
    assertEquals(describeLeftOut(leftOut!), "left out: 1 .md, 1 .npy (arrays of other lengths)");
  },
);

Deno.test(
  "sources: links past the eighth to one folder are told once, not read",
  links,
  async () => {
    await using folder = await tempFolder();
    await using other = await tempFolder();
    Deno.writeTextFileSync(`${other.path}/a.xyz`, "0 0 0\n1 0 0\n");
    for (let i = 0; i < 11; i++) Deno.symlinkSync(other.path, `${folder.path}/link${i}`);
    const told: string[] = [];
    const found = await filesBelow(folder.path, ({ reason }) => told.push(reason));
    assertEquals(found.length, 8);
    assertEquals(told, ["8 other links lead to the same folder"]);
  },
);
