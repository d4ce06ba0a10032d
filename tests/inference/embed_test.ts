import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { join } from "@std/path";
import { readPointCloudBytes } from "../../src/cloud/formats/registry.ts";
import { readNpyNumbers } from "../../src/cloud/npy_stack.ts";
import { DEFAULT_SETTINGS } from "../../src/scenes/preprocess/settings.ts";
import { Random } from "../../src/base/random.ts";
import { UsageError } from "../../src/base/errors.ts";
import { embedHelp, parseEmbedArguments } from "../../src/cli/embed/arguments.ts";
import { encodeColoredPly } from "../../src/inference/embed/colored_ply.ts";
import { encodeNpy } from "../../src/inference/embed/npy.ts";
import {
  componentColors,
  principalComponents,
} from "../../src/inference/embed/principal_components.ts";
import { missingPermissions } from "../support/permissions.ts";
import { tempFolder } from "../support/temp_folder.ts";

Deno.test("embed: NPY comes back with shape and values, its data aligned to 64 bytes", {
  ignore: missingPermissions("read", "write"),
}, async () => {
  await using folder = await tempFolder();
  const path = join(folder.path, "a.npy");
  for (
    const [data, shape] of [
      [Float32Array.of(1.5, -2, 3, 4, 5, 1e-7), [2, 3]],
      [Int32Array.of(-1, 7, 2 ** 31 - 1), [3]],
      [Uint32Array.of(2 ** 32 - 1), [1, 1, 1]],
      [new Float32Array(), [0, 5]],
    ] as const
  ) {
    const bytes = encodeNpy(data, shape);
    assertEquals((bytes.length - data.byteLength) % 64, 0);
    await Deno.writeFile(path, bytes);
    const back = await readNpyNumbers(path);
    assertEquals(back, { shape: [...shape], data: [...data] });
  }
});

/** Points around `center` that spread by `spreads` along the columns of `axes`. */
function cloudAlong(axes: number[][], spreads: number[], center: number[], rows: number) {
  const random = new Random(4, "components");
  const width = center.length;
  const values = new Float32Array(rows * width);
  for (let row = 0; row < rows; row++) {
    const along = spreads.map((spread) => spread * random.normal());
    for (let k = 0; k < width; k++) {
      values[row * width + k] = center[k] +
        axes.reduce((sum, axis, i) => sum + axis[k] * along[i], 0);
    }
  }
  return values;
}

Deno.test("embed: principal components are the axes that the values were drawn along", () => {
  const r = Math.SQRT1_2;
  const axes = [[0, r, 0, -r], [-0.6, 0, 0.8, 0], [0.8, 0, 0.6, 0]];
  const values = cloudAlong(axes, [5, 2, 0.5], [3, -1, 100, 7], 50_001);
  const { mean, directions, variances } = principalComponents(values, 4, 3);
  [3, -1, 100, 7].forEach((value, k) => assertAlmostEquals(mean[k], value, 0.1));
  [25, 4, 0.25].forEach((value, i) => assertAlmostEquals(variances[i] / value, 1, 0.05));
  // Of each direction and its opposite, the one whose largest entry is positive.
  assert(directions[0][1] > 0 || directions[0][3] > 0);
  for (const [i, axis] of axes.entries()) {
    const dot = directions[i].reduce((sum, value, k) => sum + value * axis[k], 0);
    assertAlmostEquals(Math.abs(dot), 1, 1e-3);
    assertAlmostEquals(directions[i].reduce((sum, value) => sum + value * value, 0), 1, 1e-12);
    assert(Math.max(...directions[i]) >= Math.abs(Math.min(...directions[i])));
  }
  assertEquals(principalComponents(values, 4, 3).directions, directions);
  // Rows far away that do not count change nothing.
  const more = new Float32Array([...values, 1e9, 1e9, 1e9, 1e9]);
  const rows = Uint32Array.from({ length: 50_001 }, (_, i) => i);
  assertEquals(principalComponents(more, 4, 3, rows).directions, directions);
});

Deno.test("embed: the covariance of few rows, by hand", () => {
  const { mean, directions, variances } = principalComponents(
    Float32Array.of(1, 1, -1, -1, 2, 2, -2, -2),
    2,
    3,
  );
  assertEquals([...mean], [0, 0]);
  assertEquals(directions.length, 2);
  assertAlmostEquals(variances[0], 5, 1e-12);
  assertAlmostEquals(variances[1], 0, 1e-12);
  directions[0].forEach((value) => assertAlmostEquals(value, Math.SQRT1_2, 1e-12));
});

Deno.test("embed: colours follow the components; outliers do not darken the rest", () => {
  const rows = 1001;
  const values = new Float32Array(2 * rows);
  for (let i = 0; i < rows; i++) values[2 * i] = 1 + i; // along the first axis alone
  values[2 * (rows - 1)] = 1e4;
  const colors = componentColors(values, 2);
  const red = Array.from({ length: rows }, (_, i) => colors[3 * i]);
  assertEquals([red[0], red[10], red[500], red[990], red[1000]], [0, 0, 128, 255, 255]);
  // No variance, no third component: grey.
  assert(red.every((_, i) => colors[3 * i + 1] === 128 && colors[3 * i + 2] === 128));

  const withStrays = new Float32Array(2 * (rows + 1));
  withStrays.set(values, 2);
  const shifted = componentColors(withStrays, 2);
  assertEquals(shifted.subarray(0, 3), Uint8Array.of(128, 128, 128));
  assertEquals(shifted.subarray(3), colors);
  assertEquals(componentColors(new Float32Array(6), 2), new Uint8Array(9).fill(128));
});

Deno.test("embed: a coloured PLY is read back, with the digits of a georeferenced scan", async () => {
  const coords = Float32Array.of(0.001, 2, 3, -4.25, 5, 6);
  const colors = Uint8Array.of(0, 128, 255, 51, 0, 204);
  const near = await readPointCloudBytes(encodeColoredPly(coords, [0, 0, 0], colors), "a.ply");
  assertEquals([near.coords, near.origin], [coords, [0, 0, 0]]);
  const found = near.attributes.get("colors")!;
  [...found.data].forEach((value, i) => assertAlmostEquals(255 * value, colors[i], 1e-4));
  const origin = [651_234.5, 6_861_000.25, 35] as const;
  const far = await readPointCloudBytes(encodeColoredPly(coords, origin, colors), "b.ply");
  for (let i = 0; i < 6; i++) {
    assertAlmostEquals(far.origin[i % 3] + far.coords[i], origin[i % 3] + coords[i], 1e-5);
  }
});

Deno.test("embed: flags become options, and what is wrong with them is said", () => {
  const needed = ["--checkpoint", "c", "--input", "a", "--output", "o"];
  const parse = (...args: string[]) => {
    const parsed = parseEmbedArguments([...needed, ...args]);
    if (parsed.help) throw new Error("help was not asked for");
    return parsed;
  };
  const plain = parse("b");
  assertEquals([plain.checkpoint, plain.inputs, plain.output], ["c", ["a", "b"], "o"]);
  assertEquals(plain.outputs, {
    points: ["g2l", "l2g"],
    regions: false,
    formats: ["safetensors"],
    ply: null,
  });
  const other = parse("--points", "none", "--format", "both", "--ply", "l2g", "--regions");
  assertEquals(other.outputs, {
    points: [],
    regions: true,
    formats: ["safetensors", "npy"],
    ply: "l2g",
  });
  assertEquals([plain.device, parse("--device", "cpu").device], [undefined, "software"]);

  // The training's settings hold, but for what flags say; prepared scenes stay as they are.
  const base = {
    ...DEFAULT_SETTINGS,
    prepare: { ...DEFAULT_SETTINGS.prepare, unitScale: true, voxelSize: 0.5 },
    keepTrees: false,
  };
  assertEquals(plain.settings(base).prepare, base.prepare);
  assertEquals(plain.settings(base).keepTrees, true);
  assertEquals(parse("--voxel", "0.1").settings(base).prepare, { ...base.prepare, voxelSize: 0.1 });

  for (
    const [args, message] of [
      [[], "Say which encoder: --checkpoint PATH"],
      [["--checkpoint", "c"], "Say what to read: --input PATH…"],
      [["--checkpoint", "c", "--input", "a"], "Say where to write: --output DIR"],
      [[...needed, "--ply", "both"], "--ply: expected one of g2l, l2g, got both"],
      [[...needed, "--points", "all"], "--points: expected one of both, g2l, l2g, none, got all"],
      [[...needed, "--voxel", "-1"], "--voxel: expected 0 or more, got -1"],
      [[...needed, "--colour"], "Unknown flag --colour"],
    ] as const
  ) {
    assertThrows(() => parseEmbedArguments(args), UsageError, message);
  }
  for (const line of embedHelp().split("\n")) assert(line.length <= 120, line);
});
