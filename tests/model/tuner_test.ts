import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { makeTrainingBatch } from "../../src/scenes/batches/loader.ts";
import {
  CANDIDATES,
  DEFAULT_TILE,
  type LinearTiles,
  shapeKey,
  sharedRows,
  SLAB,
} from "../../src/model/fused/loops/linear_tiles.ts";
import {
  cacheAt,
  cachePath,
  deviceKey,
  readTiles,
  saveTileCache,
  type TileCache,
  TILES_VERSION,
  writeTiles,
} from "../../src/model/fused/loops/tile_cache.ts";
import {
  candidatesFor,
  fastest,
  linearWork,
  stepRows,
  tuneRows,
  worthTuning,
} from "../../src/model/fused/loops/tuner.ts";
import { medianShares, relativeTimes } from "../../src/model/fused/loops/time_dispatches.ts";
import { deviceTest, testDevice } from "../support/device.ts";
import { missingPermissions } from "../support/permissions.ts";
import { tempFolder } from "../support/temp_folder.ts";
import { Model } from "../../src/model/model.ts";
import { uploadBatch } from "../../src/model/region_batch.ts";
import { tinyConfig, tinyRooms, tinyTrainer, weights } from "../support/training.ts";

const noFiles = missingPermissions("read", "write", "env");
const [first, second] = CANDIDATES.software;
const ROWS = {
  raw: 100,
  propagated: 50,
  regionStart: 9,
  children: 8,
  regionHead: 18,
  pointHead: 61,
};

Deno.test("every candidate fits every device: 16 KiB of workgroup memory, rows that dispatches know", () => {
  for (const tile of CANDIDATES.gpu) {
    if (tile.family === "loops") continue;
    const { columns, columnLanes, lanes } = tile;
    const bytes = SLAB * (16 * sharedRows(tile) + 64 * columns * columnLanes);
    assert(bytes <= 16384, `${bytes} bytes`);
    assert([64, 128, 256, 512].includes(sharedRows(tile)));
    assert(lanes <= 256);
  }
  assertEquals(CANDIDATES.gpu[0], DEFAULT_TILE.gpu);
  assertEquals(CANDIDATES.software[0], DEFAULT_TILE.software);
});

Deno.test("the fastest is chosen, the default unless another is clearly faster", () => {
  const tiles = CANDIDATES.gpu.slice(0, 3);
  assertEquals(fastest(tiles, [10, 9, 8]), tiles[2]);
  assertEquals(fastest(tiles, [10, 7, 8]), tiles[1]);
  assertEquals(fastest(tiles, [10, 9.8, 9.9]), tiles[0]);
  assertEquals(fastest(tiles, [5, 6, 7]), tiles[0]);
});

Deno.test("a narrow layer has no candidates that are another one in effect", () => {
  const columns = (outBlocks: number) =>
    candidatesFor("software", { outBlocks }).map(({ rows, columns }) => `${rows}x${columns}`);
  assertEquals(columns(1), ["8x4"]);
  assertEquals(columns(2), ["8x4", "4x2", "8x2"]);
  assertEquals(columns(5), ["8x4", "4x2", "4x4", "4x8", "8x2", "8x8"]);
});

Deno.test(
  "the cache lies where the system keeps caches",
  { ignore: Deno.build.os === "windows" },
  () => {
    const at = (os: typeof Deno.build.os, values: Record<string, string>) =>
      cachePath({ os, get: (name) => values[name] });
    assertEquals(at("linux", { XDG_CACHE_HOME: "/c", HOME: "/h" }), "/c/dbbd/tiles.json");
    assertEquals(at("linux", { HOME: "/h" }), "/h/.cache/dbbd/tiles.json");
    assertEquals(at("linux", { XDG_CACHE_HOME: "not/absolute", HOME: "" }), null);
    assertEquals(at("darwin", { HOME: "/h" }), "/h/Library/Caches/dbbd/tiles.json");
    assertEquals(at("windows", { LOCALAPPDATA: "/l", HOME: "/h" }), "/l/dbbd/tiles.json");
    assertEquals(at("windows", {}), null);
  },
);

Deno.test("what is written is read; rubbish and other versions are nothing", () => {
  const measured = new Map([["a GPU", new Map([["6x24", CANDIDATES.gpu.at(-1)!]])]]);
  const text = writeTiles(measured);
  assertEquals(readTiles(text), measured);
  for (
    const bad of ["", "{", "null", "[]", "7", text.slice(0, -9), `{"version": ${TILES_VERSION}}`]
  ) {
    assertEquals(readTiles(bad).size, 0, bad);
  }
  const other = text.replace(`"version": ${TILES_VERSION}`, `"version": ${TILES_VERSION + 1}`);
  assertEquals(readTiles(other).size, 0);
  // Of a tile that is no longer known only that entry is dropped.
  const unknown = text.replace('{\n      "6x24"', '{\n      "1x1": "loops 3x3", "6x24"');
  assert(unknown !== text);
  assertEquals(readTiles(unknown), measured);
  assertEquals(readTiles(`{"version": ${TILES_VERSION}, "devices": {"x": 3}}`).get("x")?.size, 0);
});

Deno.test(
  "a cache file keeps several devices, and is made with its folder",
  { ignore: noFiles },
  async () => {
    await using folder = await tempFolder();
    const path = join(folder.path, "a", "b", "tiles.json");
    const open = async (device: string): Promise<TileCache> => {
      const cache = await cacheAt(path, device);
      if (typeof cache === "string") throw new Error(cache);
      return cache;
    };
    const one = await open("one");
    const two = await open("two");
    one.tiles.set("1x2", first);
    two.tiles.set("1x2", second);
    assertEquals([await saveTileCache(one), await saveTileCache(two)], [null, null]);
    assertEquals((await open("one")).tiles, one.tiles);
    assertEquals((await open("two")).tiles, two.tiles);
    // Damage costs what was measured, nothing else.
    await Deno.writeTextFile(path, "{ not a cache");
    const again = await open("one");
    assertEquals(again.tiles.size, 0);
    again.tiles.set("3x4", second);
    assertEquals(await saveTileCache(again), null);
    assertEquals((await open("one")).tiles, new Map([["3x4", second]]));
    // A file where the folder should be.
    const impossible = await cacheAt(join(path, "tiles.json"), "one");
    assert(typeof impossible === "string" || typeof await saveTileCache(impossible) === "string");
  },
);

Deno.test("the rows of a step follow from a scene's tree", () => {
  // Ten points: the root, two regions of 6 and 3 below it, one of 3 below the first of these.
  const coords = new Float32Array(3 * 10);
  const tree = {
    order: Uint32Array.from({ length: 10 }, (_, i) => i),
    level: Uint32Array.of(0, 1, 2, 1),
    parent: Int32Array.of(-1, 0, 1, 0),
    start: Uint32Array.of(0, 0, 0, 6),
    end: Uint32Array.of(10, 6, 3, 9),
    center: Uint32Array.of(0, 0, 0, 6),
  };
  const rows = (max_hierarchy_depth: number | null) =>
    stepRows({ tree, coords }, 2, { max_hierarchy_depth, point_num_samples: 15 });
  assertEquals(rows(null), {
    raw: 40,
    propagated: 24,
    regionStart: 8,
    children: 6,
    regionHead: 16,
    pointHead: 30,
  });
  assertEquals(rows(1).propagated, 18);
});

deviceTest(
  "work is counted for layers in loops alone, and tuned only where much is ahead",
  async () => {
    const device = await testDevice();
    const config = tinyConfig();
    const work = (steps: number, rowFamily: "loops" | "straight-line") =>
      linearWork(device, config, ROWS, { steps, rowFamily });
    const sum = (steps: number, family: "loops" | "straight-line") =>
      work(steps, family).reduce((all, { multiplyAdds }) => all + multiplyAdds, 0);
    assertEquals(work(0, "loops"), []);
    assertEquals(sum(6, "loops"), 2 * sum(3, "loops"));
    assert(sum(3, "straight-line") < sum(3, "loops"));
    const [most, ...rest] = work(3, "loops");
    assert(rest.every(({ multiplyAdds }) => multiplyAdds <= most.multiplyAdds));
    assertEquals(worthTuning(work(3, "loops"), "software"), []);
    assertEquals(worthTuning(work(3, "loops"), "gpu"), []);
    assert(worthTuning(work(1e10, "loops"), "software").length > 5);
  },
);

deviceTest("what little is ahead of measures nothing and asks for no cache", async () => {
  const cache: TileCache = {
    path: "/nowhere/at/all",
    device: "x",
    tiles: new Map([["1x1", first]]),
  };
  const tiles = await tuneRows(await testDevice(), tinyConfig(), ROWS, { steps: 3 }, cache);
  assertEquals(tiles.size, 0);
});

Deno.test("a device's key names adapter and runtime", () => {
  const gpu = { adapterInfo: { vendor: "v", architecture: "a", device: "d" } } as GPUDevice;
  const key = deviceKey({ gpu, name: "Some GPU (driver 5)", kind: "gpu" });
  assertStringIncludes(key, "Some GPU (driver 5); v; a; d; gpu; ");
  assertStringIncludes(key, `Deno ${Deno.version.deno}`);
});

Deno.test("measuring fills the cache, and a cache that cannot be written measures nothing", {
  ignore: noFiles,
}, async () => {
  const device = await testDevice();
  await using folder = await tempFolder();
  const path = join(folder.path, "tiles.json");
  const config = tinyConfig();
  const cache = await cacheAt(path, "this") as TileCache;
  // So few steps that one shape alone is worth it.
  const shapes = linearWork(device, config, ROWS, { steps: 1, rowFamily: "loops" });
  const least = (steps: number) =>
    worthTuning(
      linearWork(device, config, ROWS, { steps, rowFamily: "loops" }),
      device.kind,
    ).length;
  let steps = 1;
  while (least(steps) === 0) steps *= 1.1;
  assert(least(steps) < shapes.length);
  const options = { steps, rowFamily: "loops" } as const;
  const unwritable = { ...cache, path: join(folder.path, "tiles.json", "x", "tiles.json") };
  await Deno.writeTextFile(path, "in the way");
  assertEquals((await tuneRows(device, config, ROWS, options, unwritable)).size, 0);
  assertEquals((await tuneRows(device, config, ROWS, options, "none")).size, 0);
  const tiles = await tuneRows(device, config, ROWS, options, cache);
  assertEquals(tiles.size, least(steps));
  const kept = await cacheAt(path, "this") as TileCache;
  assertEquals(kept.tiles, tiles);
  // What is known is not measured again, whatever it is.
  const key = [...tiles.keys()][0];
  kept.tiles.set(key, second);
  assertEquals((await tuneRows(device, config, ROWS, options, kept)).get(key), second);
});

deviceTest("tune: false trains the same bits as tune: true", async () => {
  using tuned = await tinyTrainer({ num_epochs: 1, tune: true });
  using fixed = await tinyTrainer({ num_epochs: 1, tune: false });
  await tuned.fit({ checkpoints: false });
  await fixed.fit({ checkpoints: false });
  assertEquals(await weights(tuned), await weights(fixed));
});

Deno.test("a candidate that is timed while the machine is fast is not the fastest for it", () => {
  // The second takes 1.5 of the first's time, the third half. In most rounds the machine gets twice as fast, or slow again.
  const shares = medianShares([
    [8, 12, 8, 4, 8],
    [8, 6, 4, 2, 4],
    [8, 6, 4, 2, 8],
    [4, 6, 4, 4, 8],
    [4, 6, 8, 4, 8],
  ]);
  assertEquals(shares, [1, 1.5, 0.5]);
});

deviceTest("a device without timestamps is timed by waiting", async () => {
  const device = await testDevice();
  let runs = 0;
  const works = [() => void runs++, () => void runs++];
  const without = new Proxy(device, {
    get: (target, key) => {
      if (key === "features") return new Set();
      const value = Reflect.get(target, key, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
  const times = await relativeTimes(without, works);
  assertEquals([times.length, times[0]], [2, 1]);
  assert(runs >= 4);
});

deviceTest("a training step gives the same bits whatever tile each layer has", async () => {
  const device = await testDevice();
  const config = tinyConfig();
  const batch = await makeTrainingBatch(tinyRooms(2), [0, 1], {
    seed: 3,
    epoch: 0,
    step: 0,
    augmentation: config.augmentation,
    maxHierarchyDepth: null,
    featureWidth: config.input_feat_dim,
  });
  const step = async (tiles: LinearTiles) => {
    using _ = device.scope();
    using model = new Model(device, config, { rowFamily: "loops", tiles });
    model.parameters.initialise(2);
    model.parameters.zeroGradients();
    const losses = model.losses(model.encode(uploadBatch(device, batch)), null);
    losses.total.backward();
    const loss = await losses.total.item();
    const { slice } = model.parameters.gradients;
    return { loss, gradients: new Uint32Array(await device.read(slice)) };
  };
  const expected = await step(new Map());
  const shapes = linearWork(device, config, ROWS, { steps: 1, rowFamily: "loops" });
  for (const from of [0, 5]) {
    // A different tile for each shape in turn, also those of other devices.
    const tiles = new Map(shapes.map(({ inBlocks, outBlocks }, i) => [
      shapeKey(inBlocks, outBlocks),
      CANDIDATES.gpu[(i + from) % CANDIDATES.gpu.length],
    ]));
    assertEquals(await step(tiles), expected);
  }
});
