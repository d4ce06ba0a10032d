import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { readPointCloud } from "../../src/cloud/formats/registry.ts";
import { readNpyNumbers } from "../../src/cloud/npy_stack.ts";
import { Random } from "../../src/base/random.ts";
import { readSafetensors, writeSafetensors } from "../../src/base/safetensors.ts";
import { readScene } from "../../src/scenes/scene_file.ts";
import type { Manifest } from "../../src/inference/embed/manifest.ts";
import { encoderFromCheckpoint } from "../../src/inference/encoder.ts";
import { noDevice, testDevice } from "../support/device.ts";
import { missingPermissions } from "../support/permissions.ts";
import { tempFolder } from "../support/temp_folder.ts";
import { tinyConfig, tinyTrainer } from "../support/training.ts";

const ignore = noDevice || missingPermissions("run", "read", "write", "env");
const ROOT = fromFileUrl(new URL("../..", import.meta.url));
const D = 16;

async function run(script: string, args: readonly string[], cwd: string) {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-check", "-A", join(ROOT, script), ...args],
    cwd,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    env: { NO_COLOR: "1" },
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, out: text(stdout), err: text(stderr) };
}

function xyz(points: number, seed: number): string {
  const random = new Random(seed, "xyz");
  const line = () =>
    [0, 1, 2].map(() => (random.uniform(0, 9) + (seed === 3 ? 650_000 : 0)).toFixed(3)).join(" ");
  return Array.from({ length: points }, line).join("\n") + "\n";
}

/** A checkpoint, scans in `scans`, and one of them prepared in `scenes`. */
async function workplace(folder: string): Promise<void> {
  using trainer = await tinyTrainer();
  await trainer.saveCheckpoint(join(folder, "c.safetensors"));
  await Deno.mkdir(join(folder, "scans"));
  await Deno.writeTextFile(join(folder, "scans", "one.xyz"), xyz(301, 1));
  await Deno.writeTextFile(join(folder, "scans", "two.xyz"), xyz(97, 2));
  await Deno.writeTextFile(join(folder, "scans", "far.xyz"), xyz(150, 3));
  await run("tools/preprocess.ts", ["--input", "scans/one.xyz", "--output", "scenes"], folder);
}

function manifestOf(folder: string): Manifest {
  return JSON.parse(Deno.readTextFileSync(join(folder, "manifest.json")));
}

Deno.test("embed: scans and scenes give what the library gives; run again, nothing is made twice", {
  ignore,
}, async () => {
  await using folder = await tempFolder();
  const { path } = folder;
  await workplace(path);
  const embed = (...args: string[]) =>
    run("tools/embed.ts", ["--checkpoint", "c.safetensors", ...args], path);
  const args = ["--input", "scans", "--output", "out", "--regions", "--ply", "l2g"];
  const first = await embed(...args, "--format", "both");
  assertEquals([first.code, first.err], [0, ""]);
  assertStringIncludes(first.out, "3 scenes into out");
  assertStringIncludes(first.out, "Scans are prepared by defaults, for the checkpoint does not");
  assertMatch(first.out, /3 scenes in out: 548 points, 16 values a feature; 3 made in/);

  using encoder = await encoderFromCheckpoint(join(path, "c.safetensors"), {
    device: await testDevice(),
  });
  const out = join(path, "out");
  const manifest = manifestOf(out);
  assertEquals(manifest.scenes.map(({ id, points }) => [id, points]), [
    ["far", 150],
    ["one", 301],
    ["two", 97],
  ]);
  assertEquals([manifest.width, manifest.failed, manifest.recipe.checkpoint.step], [D, [], 0]);
  for (const [row, { id, files, points, regions, origin }] of manifest.scenes.entries()) {
    const features = await encoder.embed(await readPointCloud(join(path, "scans", `${id}.xyz`)));
    const { tensors, metadata } = await readSafetensors(join(out, `features/${id}.safetensors`));
    assertEquals(metadata.id, id);
    assertEquals(tensors.get("coords")!.data, features.prepared.coords);
    assertEquals(tensors.get("tree/order")!.data, features.prepared.tree.order);
    assertEquals(tensors.get("scene/mean/l2g")!.data, features.scene.mean.l2g);
    for (const branch of ["g2l", "l2g"] as const) {
      const { shape, data } = tensors.get(`points/${branch}`)!;
      assertEquals([shape, data], [[points, D], features.points[branch]]);
      const npy = await readNpyNumbers(join(out, `features/${id}/points_${branch}.npy`));
      assertEquals([npy.shape, Float32Array.from(npy.data)], [[points, D], data]);
      features.regions.forEach((level, l) => {
        const { shape, data } = tensors.get(`regions/${l}/${branch}`)!;
        assertEquals([shape, data], [[regions[l], D], level[branch]]);
      });
      const table = await readSafetensors(join(out, "scenes.safetensors"));
      const max = table.tensors.get(`max/${branch}`)!;
      assertEquals(max.shape, [3, D]);
      assertEquals(max.data.slice(row * D, (row + 1) * D), features.scene.max[branch]);
    }
    const ply = await readPointCloud(join(out, `features/${id}.ply`));
    assertEquals([ply.count, ply.attributes.get("colors")?.width], [points, 3]);
    assert(id !== "far" || origin[0] > 640_000 && ply.origin[0] > 640_000);
    for (const file of files) assert((await Deno.stat(join(out, file))).size > 0, file);
  }

  const stamp = (name: string) => Deno.statSync(join(out, name)).mtime!.getTime();
  const before = stamp("features/two.safetensors");
  await Deno.remove(join(out, "features/one.ply"));
  const again = await embed(...args, "--format", "both");
  assertEquals([again.code, again.err], [0, ""]);
  assertStringIncludes(again.out, "3 scenes into out, 2 made already");
  assertMatch(again.out, /1 made in/);
  assertEquals(stamp("features/two.safetensors"), before);
  assertEquals(manifestOf(out).scenes, manifest.scenes);
  assertEquals([...Deno.readDirSync(out)].map(({ name }) => name).sort(), [
    "features",
    "manifest.json",
    "scenes",
    "scenes.safetensors",
  ]);

  // Made otherwise: refused, unless all is to be made anew; then what is left of the old goes.
  const other = await embed(...args);
  assertEquals(other.code, 2);
  assertStringIncludes(other.err, "holds some that were made otherwise");
  const anew = await embed(
    "--input",
    "scenes",
    "--output",
    "out",
    "--points",
    "none",
    "--overwrite",
  );
  assertEquals([anew.code, anew.err], [0, ""]);
  assertEquals(anew.out.includes("Scans are prepared"), false);
  assertEquals(manifestOf(out).scenes.map(({ id, files }) => [id, files]), [
    ["one", ["features/one.safetensors"]],
  ]);
  assertEquals(
    [...Deno.readDirSync(join(out, "features"))].filter(({ isFile }) => isFile)
      .map(({ name }) => name),
    ["one.safetensors"],
  );
  const { tensors } = await readSafetensors(join(out, "features/one.safetensors"));
  const scene = await readScene(join(path, "scenes/train/one.safetensors"));
  const [{ scene: vectors }] = await encoder.encode([scene], ["scene"]);
  assertEquals(tensors.get("scene/root/g2l")!.data, vectors.root.g2l);
  assertEquals(tensors.has("coords"), false);
});

Deno.test(
  "embed: one bad file is told and skipped, exit 1; what is wrong with the rest is one message",
  {
    ignore,
  },
  async () => {
    await using folder = await tempFolder();
    const { path } = folder;
    await workplace(path);
    const embed = (...args: string[]) => run("tools/embed.ts", args, path);
    await Deno.writeTextFile(join(path, "scans", "empty.ply"), "");
    await Deno.writeTextFile(join(path, "scans", "broken.ply"), "ply\nformat ascii 1.0\n");
    const some = await embed(
      "--checkpoint",
      "c.safetensors",
      "--input",
      "scans",
      "--output",
      "out",
    );
    assertEquals(some.code, 1);
    assertStringIncludes(
      some.err,
      "Skipped scans/empty.ply: Cannot read scans/empty.ply: the file is",
    );
    assertStringIncludes(some.out, "skipped: 2 files, see manifest.json");
    const { scenes, failed } = manifestOf(join(path, "out"));
    assertEquals([scenes.length, failed.map(({ source }) => source)], [
      3,
      ["scans/broken.ply", "scans/empty.ply"],
    ]);

    const fails = async (code: number, message: string, ...args: string[]) => {
      const result = await embed(...args);
      assertEquals([result.code, result.err.includes("at file:")], [code, false], result.err);
      assertStringIncludes(result.err, message);
    };
    const rest = ["--input", "scans/one.xyz", "--output", "other"];
    await fails(2, "Say which encoder: --checkpoint PATH", ...rest);
    await fails(2, "there is no such file", "--checkpoint", "none.safetensors", ...rest);
    await fails(
      1,
      "Cannot use scenes/train/one.safetensors as a checkpoint: expected weights of an encoder",
      "--checkpoint",
      "scenes/train/one.safetensors",
      ...rest,
    );
    const { tensors } = await readSafetensors(join(path, "c.safetensors"));
    await writeSafetensors(join(path, "bare.safetensors"), tensors);
    await fails(2, "Give it: --config FILE", "--checkpoint", "bare.safetensors", ...rest);
    await Deno.writeTextFile(join(path, "other.yaml"), tinyConfig({ output_dim: 20 }).toYaml());
    await fails(
      1,
      "its weights do not fit this model",
      ...["--checkpoint", "bare.safetensors", "--config", "other.yaml"],
      ...rest,
    );
    await Deno.writeTextFile(join(path, "right.yaml"), tinyConfig().toYaml());
    const right = await embed(
      "--checkpoint",
      "bare.safetensors",
      "--config",
      "right.yaml",
      ...rest,
    );
    assertEquals([right.code, right.err], [0, ""]);
    const checkpoint = ["--checkpoint", "c.safetensors"];
    await fails(
      2,
      "Cannot read nowhere: there is no such file",
      ...checkpoint,
      "--input",
      "nowhere",
      "--output",
      "x",
    );
    await Deno.writeTextFile(join(path, "file"), "");
    await fails(2, "its folder is a file", ...checkpoint, "--input", "scans", "--output", "file");
    await Deno.mkdir(join(path, "web"));
    await Deno.writeTextFile(join(path, "web", "manifest.json"), '{"name": "a web page"}');
    await fails(
      2,
      "its manifest.json is of something else",
      ...checkpoint,
      "--input",
      "scans",
      "--output",
      "web",
    );
  },
);

Deno.test("embed: --as-input gives one feature a row of the file: of the kept point of its voxel", {
  ignore,
}, async () => {
  await using folder = await tempFolder();
  const { path } = folder;
  await workplace(path);
  const lines = xyz(300, 4).trim().split("\n");
  lines[7] = "nan nan nan";
  lines[9] = lines[8];
  await Deno.writeTextFile(join(path, "scans", "rows.xyz"), lines.join("\n"));
  const embed = (...args: string[]) =>
    run(
      "tools/embed.ts",
      ["--checkpoint", "c.safetensors", "--input", "scans/rows.xyz", ...args],
      path,
    );
  const flags = ["--voxel", "1", "--objects"];
  const plain = await embed(...flags, "--output", "plain");
  const asInput = await embed(...flags, "--output", "rows", "--as-input");
  assertEquals([plain.code, asInput.code], [0, 0], asInput.err);
  const read = async (output: string) =>
    (await readSafetensors(join(path, output, "features/rows.safetensors"))).tensors;
  const points = await read("plain"), rows = await read("rows");
  const features = points.get("points/g2l")!, source = points.get("source_index")!.data;
  const kept = rows.get("kept_index")!.data, ofRows = rows.get("points/g2l")!;
  const [scene] = manifestOf(join(path, "rows")).scenes;
  assertEquals([ofRows.shape, kept.length, scene.rows], [[300, D], 300, 300]);
  assert(features.shape[0] < 290 && features.shape[0] === source.length);
  source.forEach((row, i) => assertEquals(kept[Number(row)], i));
  assertEquals([kept[7], kept[8]], [-1, kept[9]]);
  const table = await readPointCloud(join(path, "scans", "rows.xyz"));
  const coords = rows.get("coords")!.data;
  for (let row = 0; row < 300; row++) {
    const at = Number(kept[row]);
    const feature = [...ofRows.data.slice(row * D, (row + 1) * D)];
    const expected = at < 0 ? Array(D).fill(0) : [...features.data.slice(at * D, (at + 1) * D)];
    assertEquals(feature, expected);
    for (let k = 0; at >= 0 && k < 3; k++) {
      // In one voxel of one metre, in the file's own coordinates.
      const place = scene.file_origin![k] + Number(coords[3 * at + k]) / scene.file_scale!;
      assert(Math.abs(place - table.coords[3 * row + k]) <= 1);
    }
  }
  const none = await embed("--output", "x", "--as-input", "--points", "none");
  assertEquals(none.code, 2);
});

Deno.test(
  "embed: a manifest in the way is data: what it names outside stays, and a broken one is told",
  {
    ignore,
  },
  async () => {
    await using folder = await tempFolder();
    const { path } = folder;
    await workplace(path);
    const out = join(path, "out");
    const embed = (...args: string[]) =>
      run(
        "tools/embed.ts",
        ["--checkpoint", "c.safetensors", "--input", "scans/two.xyz", "--output", "out", ...args],
        path,
      );
    assertEquals((await embed()).code, 0);
    const manifest = manifestOf(out);
    await Deno.writeTextFile(join(path, "precious"), "mine");
    await Deno.writeTextFile(join(out, "notes.txt"), "mine");
    await Deno.mkdir(join(out, "features", "two"));
    await Deno.symlink(path, join(out, "features", "link"));
    const names = ["../precious", join(path, "precious"), "features/../../precious", "notes.txt"];
    const linked = ["features/link/precious", "features/one.safetensors/../../notes.txt", ""];
    const hostile = (recipe: unknown, files: unknown) =>
      Deno.writeTextFile(
        join(out, "manifest.json"),
        JSON.stringify({
          ...manifest,
          recipe,
          scenes: [{ ...manifest.scenes[0], id: "one", files }],
        }),
      );
    await hostile(manifest.recipe, [...names, ...linked, "features/one.safetensors"]);
    await Deno.writeTextFile(join(out, "features", "one.safetensors"), "of the run before");
    assertEquals((await embed("--overwrite")).code, 0);
    for (const mine of ["precious", "out/notes.txt"]) {
      assertEquals(await Deno.readTextFile(join(path, mine)), "mine");
    }
    assertEquals(manifestOf(out).scenes.map(({ id }) => id), ["two"]);
    assertEquals(
      Array.from(Deno.readDirSync(join(out, "features")), ({ name }) => name).sort(),
      ["link", "two", "two.safetensors"],
    );
    for (
      const text of [
        '{"format": "dbbd-features"}',
        '{"format": "dbbd-features", "recipe": 7, "scenes": {"a": 1}}',
        '{"format": "dbbd-features", "recipe": {"checkpoint": null}, "scenes": [null, 3, {"id": 5}]}',
        "[1]",
        "null",
        "{",
      ]
    ) {
      await Deno.writeTextFile(join(out, "manifest.json"), text);
      const result = await embed();
      assertEquals(result.err.includes("at "), false, result.err);
      assertStringIncludes(result.err, "manifest.json");
      assertEquals(result.code, 2, text);
    }
  },
);
