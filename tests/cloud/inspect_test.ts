import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { describeInspection, inspectFile, type Inspection } from "../../src/scenes/inspect.ts";
import { writeScene } from "../../src/scenes/scene_file.ts";
import { encodeSafetensors } from "../../src/base/safetensors.ts";
import { buildTree } from "../../src/scenes/tree_builder.ts";
import { tempFolder } from "../support/temp_folder.ts";

const files = {
  ignore: Deno.permissions.querySync({ name: "write" }).state !== "granted" ||
    Deno.permissions.querySync({ name: "read" }).state !== "granted",
};
const commands = {
  ignore: files.ignore || Deno.permissions.querySync({ name: "run" }).state !== "granted",
};
const TOOL = fromFileUrl(new URL("../../tools/inspect.ts", import.meta.url));

async function inspect(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const command = new Deno.Command(Deno.execPath(), { args: ["run", "-A", TOOL, ...args] });
  const { code, stdout, stderr } = await command.output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, out: text(stdout), err: text(stderr) };
}

async function told(path: string): Promise<Inspection> {
  const found = await inspectFile(path);
  if ("error" in found) throw new Error(found.error);
  return found;
}

Deno.test("inspect: a georeferenced table with labels and a wild point", files, async () => {
  await using folder = await tempFolder();
  const path = `${folder.path}/survey.csv`;
  await Deno.writeTextFile(
    path,
    "x,y,z,label\n652000.127,5000000.5,10,3\n652001.125,5000003.511,12,3\nnan,5000003.5,12,-1\n",
  );
  const found = await told(path);
  assertEquals(
    [found.points, found.nonFinite, found.first, found.min, found.max],
    [3, 1, [652000.127, 5000000.5, 10], [652000.127, 5000000.5, 10], [652001.125, 5000003.511, 12]],
  );
  assertEquals(found.attributes.labels.counts, { "-1": 1, "3": 2 });
  const text = describeInspection(found);
  assertStringIncludes(text, "points      3 (1 not finite)");
  assertStringIncludes(text, "x 652000.127 … 652001.125 (0.998)");
  assertStringIncludes(text, "labels: int32, -1 … 3, points by value: 3: 2, -1: 1");
});

Deno.test(
  "inspect: a scene's tree, level by level, and the reason where it is not valid",
  files,
  async () => {
    await using folder = await tempFolder();
    const path = `${folder.path}/row.safetensors`;
    const coords = Float32Array.from({ length: 3 * 81 }, (_, i) => i % 3 === 0 ? i : 0);
    const tree = buildTree(coords, { branching: 3, maxDepth: 2, minPoints: 9 });
    const cloud = { count: 81, coords, origin: [5, 0, 0] as const, attributes: new Map() };
    await writeScene(path, { id: "row", cloud, tree, sceneLabel: 4, source: "row.xyz" });
    const { scene, points, first, format } = await told(path);
    assertEquals([points, first, format], [81, [5, 0, 0], "safetensors scene"]);
    assertEquals([scene?.id, scene?.label, scene?.source, scene?.levels.length], [
      "row",
      4,
      "row.xyz",
      3,
    ]);
    assertEquals(scene?.levels[0], {
      level: 0,
      regions: 1,
      smallest: 81,
      median: 81,
      largest: 81,
    });
    assertEquals(scene?.levels[1].regions, 3);
    const order = tree.order.slice();
    order[3] = order[4];
    await writeScene(path, { id: "row", cloud, tree: { ...tree, order } });
    const broken = await inspectFile(path);
    assert("error" in broken && broken.error.includes(path), JSON.stringify(broken));
  },
);

Deno.test("inspect: safetensors without a tree are points", files, async () => {
  await using folder = await tempFolder();
  const path = `${folder.path}/points.safetensors`;
  const data = Float32Array.of(1, 2, 3, 4, 5, 6);
  await Deno.writeFile(
    path,
    encodeSafetensors(new Map([["xyz", { dtype: "F32", shape: [2, 3], data }]])),
  );
  const found = await told(path);
  assertEquals([found.points, found.scene, found.max], [2, undefined, [4, 5, 6]]);
});

Deno.test(
  "inspect: the command gives one object a file, and says by its code what it met",
  commands,
  async () => {
    await using folder = await tempFolder();
    await Deno.mkdir(`${folder.path}/deep`);
    await Deno.writeTextFile(`${folder.path}/deep/a.xyz`, "0 0 0\n1 2 3\n");
    await Deno.writeTextFile(`${folder.path}/b.ply`, "ply\nformat ascii 1.0\n");
    await Deno.writeTextFile(`${folder.path}/readme.md`, "none of ours");
    const header = "ply\nformat ascii 1.0\nelement vertex 0\nproperty float x\nproperty float y\n";
    await Deno.writeTextFile(`${folder.path}/known_by_content`, `${header}end_header\n`);
    const all = await inspect("--json", folder.path);
    const lines = all.out.trim().split("\n").map((line) => JSON.parse(line));
    assertEquals(all.code, 1);
    assertEquals(lines.length, 3);
    assertEquals([lines[2].format, lines[2].points, lines[2].first], ["PLY", 0, null]);
    assertEquals(Object.keys(lines[0]), ["file", "error"]);
    assertEquals([lines[1].format, lines[1].points, lines[1].min, lines[1].max, lines[1].first], [
      "text",
      2,
      [0, 0, 0],
      [1, 2, 3],
      [0, 0, 0],
    ]);
    const good = await inspect(`${folder.path}/deep`);
    assertEquals([good.code, good.err], [0, ""]);
    assertStringIncludes(good.out, "points      2");
    const table = `${folder.path}/deep/a.xyz`;
    const given = await inspect("--json", "--columns", "z,_,x,y", "--delimiter", " ", table);
    assertStringIncludes(given.err + given.out, "expected 4 values (z, _, x, y), got 3");
    const turned = await inspect("--json", "--columns", "z,x,y", table);
    assertEquals(JSON.parse(turned.out).max, [2, 3, 1]);
    const none = await inspect(`${folder.path}/nothing`);
    assertEquals(none.code, 2);
    assertStringIncludes(none.err, "there is no such file or folder");
    const device = await inspect("/dev/zero");
    assertEquals(device.code, 2);
    assertStringIncludes(device.err, "expected a file or a folder, found a device or a pipe");
    assertEquals((await inspect("--delimiter", "||", folder.path)).code, 2);
    assertEquals((await inspect("--jsn", folder.path)).code, 2);
    assertEquals((await inspect()).code, 2);
    assertEquals((await inspect("--help")).code, 0);
  },
);

Deno.test("inspect: guesses and what is left out are said, a circle of links is no fault", {
  ignore: commands.ignore || Deno.build.os === "windows",
}, async () => {
  await using folder = await tempFolder();
  const { path } = folder;
  await Deno.writeTextFile(`${path}/a.xyz`, "1 2 3 0.5 0.5 0.25 7\n4 5 6 0.5 1 0.25 8\n");
  await Deno.writeTextFile(`${path}/README.txt`, "Scans of the hall.\n");
  await Deno.symlink("circle", `${path}/circle`);
  await Deno.symlink(".", `${path}/self`);
  const { code, out, err } = await inspect(path);
  assertEquals([code, err.includes("Uncaught")], [0, false]);
  assertStringIncludes(out, "taken for x,y,z,red,green,blue,label");
  assertStringIncludes(out, "left out: 1 .txt (no points)");
  assertStringIncludes(out, `passed over ${path}/circle: Too many levels of symbolic links`);
  const circle = await inspect(`${path}/circle`);
  assertEquals(circle.code, 2);
  assertStringIncludes(circle.err, `Cannot inspect ${path}/circle: Too many levels`);
  const words = await inspectFile(
    fromFileUrl(new URL("../fixtures/cases/15_labels_words/label_words.csv", import.meta.url)),
  );
  assertStringIncludes(describeInspection(words as Inspection), "classes     0 car, 1 tree");
});
