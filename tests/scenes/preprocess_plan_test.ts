import { assert, assertEquals, assertRejects } from "@std/assert";
import { makePlan, readSplitFiles } from "../../src/scenes/preprocess/plan.ts";
import { prepareRun } from "../../src/scenes/preprocess/run.ts";
import type { Source } from "../../src/scenes/preprocess/sources.ts";
import { UsageError } from "../../src/base/errors.ts";
import { tempFolder } from "../support/temp_folder.ts";
import { files, parsed, put } from "../support/preprocessing.ts";

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
