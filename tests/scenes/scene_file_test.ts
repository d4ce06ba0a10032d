import { assert, assertEquals, assertMatch, assertRejects, assertThrows } from "@std/assert";
import { treeFromNested } from "../../src/scenes/region_tree.ts";
import { encodeSafetensors, readSafetensors, type SafeTensor } from "../../src/base/safetensors.ts";
import {
  parseSceneFile,
  readScene,
  readSceneFile,
  type SceneFile,
  sceneFromFile,
  writeScene,
} from "../../src/scenes/scene_file.ts";
import { DataError, UsageError } from "../../src/base/errors.ts";
import { pickleSamples } from "../support/pickle_samples.ts";
import { tempFolder } from "../support/temp_folder.ts";

const NESTED = {
  indices: [0, 1, 2, 3, 4],
  center_idx: 2,
  level: 0,
  children: [
    { indices: [4, 1], center_idx: 1, level: 1, children: [] },
    {
      indices: [0, 2],
      center_idx: 2,
      level: 1,
      children: [{ indices: [2], center_idx: 2, level: 2, children: [] }],
    },
  ],
};
const coords = Float32Array.from({ length: 15 }, (_, i) => i / 7);
const normals = Float32Array.from({ length: 15 }, (_, i) => (i % 3 === 0 ? 1 : 0));
const scene: SceneFile = {
  id: "office_1",
  cloud: {
    count: 5,
    coords,
    origin: [652_000.5, -1e6, 0.125],
    attributes: new Map([
      ["normals", { width: 3, data: normals }],
      ["intensity", { width: 1, data: Float32Array.of(0.5, 1, 2, 3, 4) }],
      ["labels", { width: 1, data: Int32Array.of(0, -1, 2, 3, 12) }],
      ["gps_time", { width: 1, data: Float64Array.of(1e9 + 0.1, 2, 3, 4, 5) }],
      ["source id", { width: 1, data: Uint32Array.of(1, 2, 3, 4, 4_000_000_000) }],
      ["coords", { width: 2, data: Int32Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9, 10) }],
    ]),
  },
  tree: treeFromNested(NESTED, 5, "office_1"),
  sceneLabel: 3,
  source: "scans/Büro 1.ply",
  settings: { voxel: 0.02, seed: 42, classes: ["chair", "desk"] },
};
const files = {
  ignore: Deno.permissions.querySync({ name: "write" }).state !== "granted" ||
    Deno.permissions.querySync({ name: "read" }).state !== "granted",
};

async function write(folder: string, file: SceneFile): Promise<string> {
  const path = `${folder}/scene_a.safetensors`;
  await writeScene(path, file);
  return path;
}

Deno.test("scene file: everything written is read back as it was", files, async () => {
  await using folder = await tempFolder();
  const back = await readSceneFile(await write(folder.path, scene));
  const attributes = new Map(scene.cloud.attributes);
  attributes.set("_coords", attributes.get("coords")!); // the name is taken by the coordinates
  attributes.delete("coords");
  assertEquals(back, { ...scene, cloud: { ...scene.cloud, attributes } });
});

Deno.test("scene file: features are chosen by name, in the order asked", files, async () => {
  await using folder = await tempFolder();
  const path = await write(folder.path, scene);
  const plain = await readScene(path);
  assertEquals(plain.featureColumns, [{ name: "normals", width: 3, kind: "vector" }]);
  assertEquals(plain.feats, normals);
  assertEquals([plain.id, plain.sceneLabel], ["office_1", 3]);
  assertEquals(plain.pointLabels, Int32Array.of(0, -1, 2, 3, 12));
  const more = await readScene(path, { features: ["intensity", "normals"], maxDepth: 1 });
  assertEquals(more.featureColumns.map(({ kind }) => kind), ["scalar", "vector"]);
  assertEquals([...more.feats.subarray(0, 8)], [0.5, 1, 0, 0, 1, 1, 0, 0]);
  assertEquals([...more.tree.level], [0, 1, 1]);
});

Deno.test("scene file: a missing feature lists what the file offers", () => {
  for (const name of ["colors", "labels"]) {
    const error = assertThrows(() => sceneFromFile(scene, { features: [name] }, "a.sc"), DataError);
    assertEquals(
      error.message,
      `Cannot use a.sc: it has no feature "${name}"; it offers normals (3 channels), intensity, gps_time, ` +
        "source id, coords (2 channels), height",
    );
  }
});

Deno.test("scene file: height above the lowest point is a feature of every scene, unless it has its own", () => {
  const { coords } = scene.cloud;
  const z = [0, 1, 2, 3, 4].map((i) => coords[3 * i + 2]);
  const { feats, featureColumns } = sceneFromFile(scene, { features: ["normals", "height"] });
  assertEquals(featureColumns[1], { name: "height", width: 1, kind: "scalar" });
  const heights = z.map((value) => Math.fround(Math.log1p(value - Math.min(...z))));
  assertEquals([0, 1, 2, 3, 4].map((i) => feats[4 * i + 3]), heights);
  assertEquals(new Set(heights).size > 1, true);
  const attributes = new Map([["height", { width: 1, data: Float32Array.of(9, 8, 7, 6, 5) }]]);
  const own = sceneFromFile({ ...scene, cloud: { ...scene.cloud, attributes } }, {
    features: ["height"],
  });
  assertEquals([...own.feats], [9, 8, 7, 6, 5]);
});

Deno.test("scene file: numbers that are not finite name their point", () => {
  const attributes = new Map([["normals", { width: 3, data: normals.slice() }]]);
  attributes.get("normals")!.data[7] = NaN;
  const bad = { ...scene, cloud: { ...scene.cloud, attributes } };
  const error = assertThrows(() => sceneFromFile(bad), DataError);
  assertMatch(error.message, /office_1: normals of point 2 is NaN; expected finite numbers/);
});

Deno.test("scene file: a device, which may have no end, is not read", files, async () => {
  const error = await assertRejects(() => readSceneFile("/dev/zero"), DataError);
  assertMatch(error.message, /^Cannot read \/dev\/zero: expected a file, found a device or a pipe/);
});

Deno.test("scene file: a pickled scene and its prepared twin train alike", files, async () => {
  await using temp = await tempFolder();
  const folder = temp.path;
  await Deno.writeFile(`${folder}/room.pkl`, pickleSamples.get("torch protocol 4")!);
  const pickled = await readSceneFile(`${folder}/room.pkl`);
  await writeScene(`${folder}/room.safetensors`, pickled);
  const twin = await readScene(`${folder}/room.safetensors`);
  assertEquals(twin, await readScene(`${folder}/room.pkl`));
  assertEquals(twin.id, "room");
});

Deno.test("scene file: another's safetensors are read by their names", () => {
  const f32 = (shape: number[], data: Float32Array): SafeTensor => ({ dtype: "F32", shape, data });
  const tensors = new Map<string, SafeTensor>([
    ["coord", f32([5, 3], coords)],
    ["normal", f32([5, 3], normals)],
    ["num_points", { dtype: "I64", shape: [1], data: BigInt64Array.of(5n) }],
    ["labels", { dtype: "I64", shape: [5], data: BigInt64Array.of(1n, 2n, 3n, 4n, 5n) }],
  ]);
  const metadata = { hierarchy: JSON.stringify(NESTED) };
  const file = parseSceneFile(encodeSafetensors(tensors, metadata), "twin.safetensors");
  assertEquals(file.tree, scene.tree);
  assertEquals(file.cloud.coords, coords);
  assertEquals([...file.cloud.attributes.keys()], ["normals", "labels"]);
  const error = assertThrows(
    () => parseSceneFile(encodeSafetensors(tensors), "twin.safetensors"),
    DataError,
  );
  assertMatch(error.message, /holds points but no region tree/);
});

Deno.test("scene file: what is wrong with one is said", files, async () => {
  await using folder = await tempFolder();
  const { tensors, metadata } = await readSafetensors(await write(folder.path, scene));
  // Without checksums, as earlier versions wrote it: what is wrong is to be found by what stands
  // there.
  const bytes = encodeSafetensors(tensors, metadata);
  const text = new TextDecoder("latin1").decode(bytes);
  const changed = (from: string, to: string): Uint8Array => {
    assertEquals(from.length, to.length);
    const at = text.indexOf(from);
    assert(at >= 0, from);
    const copy = bytes.slice();
    copy.set(new TextEncoder().encode(to), at);
    return copy;
  };
  const cases: [Uint8Array, RegExp][] = [
    [
      changed('"version":"1"', '"version":"2"'),
      /scene format version 2; this program reads version 1/,
    ],
    [changed('"coords"', '"cowrds"'), /expected a tensor coords \(N, 3\) F32, got none/],
    [changed("tree/level", "tree/lovel"), /expected a tensor tree\/level of one dimension/],
    [changed('"[652000.5,', '"{652000.5,'), /metadata origin is not JSON/],
    [
      changed('"scene_label":"3"', '"scene_label":"x"'),
      /scene_label: expected an integer, got "x"/,
    ],
  ];
  for (const [file, expected] of cases) {
    const error = assertThrows(() => parseSceneFile(file, "s.safetensors"), DataError);
    assertMatch(error.message, expected);
  }
  const order = new DataView(bytes.buffer).getUint32(bytes.length - 4, true);
  new DataView(bytes.buffer).setUint32(bytes.length - 4, order + 1000, true);
  assertThrows(
    () => parseSceneFile(bytes, "s.safetensors"),
    DataError,
    "region tree of s.safetensors",
  );
});

Deno.test("scene file: damage anywhere is a scene or one DataError", files, async () => {
  await using folder = await tempFolder();
  const { tensors, metadata } = await readSafetensors(await write(folder.path, scene));
  const bytes = encodeSafetensors(tensors, metadata);
  let seed = 7;
  const random = (below: number) => (seed = (seed * 1103515245 + 12345) & 0x7fffffff) % below;
  for (let i = 0; i < 2000; i++) {
    const damaged = i < 500 ? bytes.slice(0, random(bytes.length)) : bytes.slice();
    if (i >= 500) damaged[random(damaged.length)] ^= 1 << random(8);
    try {
      sceneFromFile(parseSceneFile(damaged, "s"));
    } catch (error) {
      assert(error instanceof DataError, `${error}`);
    }
  }
});

Deno.test("scene file: a bit that flips after it was written does not load", files, async () => {
  await using folder = await tempFolder();
  const bytes = await Deno.readFile(await write(folder.path, scene));
  for (let bit = 0; bit < 8 * bytes.length; bit += 3) {
    const flipped = bytes.slice();
    flipped[bit >> 3] ^= 1 << (bit & 7);
    assertThrows(() => parseSceneFile(flipped, "s.safetensors"), DataError);
  }
});

Deno.test("scene file: a path that is not there is the user's mistake", files, async () => {
  await assertRejects(
    () => readScene("no/such/scene.safetensors"),
    UsageError,
    "there is no such file",
  );
});
