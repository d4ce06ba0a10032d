import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { join } from "@std/path";
import { Random } from "../../src/base/random.ts";
import { SyntheticDataset } from "../../src/scenes/synthetic/synthetic.ts";
import { UsageError } from "../../src/base/errors.ts";
import { parseReportArguments } from "../../src/cli/report/arguments.ts";
import { ByteCollector, packBytes, unpackBytes } from "../../src/report/bytes.ts";
import { shownHeight } from "../../src/report/page/scene/ceiling.ts";
import { planCharts } from "../../src/report/page/curves/charts.ts";
import { compareSettings } from "../../src/report/page/compare.ts";
import { loadScene, runAt } from "../../src/report/page/scene/loaded_scene.ts";
import { pick } from "../../src/report/page/scene/pick.ts";
import { kindColor, mapColors } from "../../src/report/page/scene/scene_colors.ts";
import {
  cosines,
  lengthsOf,
  nearestElsewhere,
  quantile,
} from "../../src/report/page/scene/similarity.ts";
import { smooth } from "../../src/report/page/curves/smooth.ts";
import { linearTicks, logTicks } from "../../src/report/page/curves/ticks.ts";
import { findAxes, quantiseFeatures, quantisePositions } from "../../src/report/quantise.ts";
import type { ReportOptions } from "../../src/report/make_report.ts";
import { parseMetrics, readRuns, uniqueNames } from "../../src/report/read_run.ts";
import { choosePoints, packScenes, rowsOf } from "../../src/report/scene_data.ts";
import { thin } from "../../src/report/thin.ts";
import { missingPermissions } from "../support/permissions.ts";
import { tempFolder } from "../support/temp_folder.ts";

const line = (values: Record<string, unknown>): string =>
  JSON.stringify({ time: "2025-01-31T12:00:00.000Z", ...values }) + "\n";

Deno.test("a log becomes curves: by step, the later of two lines of a step, null where not finite", () => {
  const log = parseMetrics(
    line({ step: 0, total: 7, learning_rate: 0.1 }) +
      line({
        step: 4,
        total: null,
        non_finite: { total: "NaN" },
        time: "2025-01-31T12:00:05.500Z",
      }) +
      line({ step: 2, total: 5, region_level_3: 2.5, time: "2025-01-31T12:00:02.000Z" }) +
      line({ step: 2, total: 6, time: "2025-01-31T12:00:03.000Z" }) +
      line({ step: 2, epoch: 1, "validation/total": 6.5, time: "2025-01-31T12:00:03.000Z" }),
    "metrics.jsonl",
  );
  assertEquals(log.series.total, { step: [0, 2, 4], seconds: [0, 3, 5.5], value: [7, 6, null] });
  assertEquals(log.series["validation/total"].value, [6.5]);
  assertEquals(log.series.region_level_3.step, [2]);
  assertEquals("epoch" in log.series, false);
  assertEquals([log.lastStep, log.epochs, log.seconds], [4, 1, 5.5]);
  assertEquals(log.notes, ["total: 1 value is not finite"]);
});

Deno.test("lines that cannot be read are left out and named, those of a run that goes on too", () => {
  const bad = [
    "[1]",
    '{"total": 3}',
    '{"step": -1}',
    '{"step": 1, "time": "soon"}',
    '{"step": 1, "ti',
  ];
  const text = line({ step: 0, total: 7 }) + bad.join("\n");
  const { notes, series } = parseMetrics(text, "m.jsonl");
  assertEquals(series.total.value, [7]);
  assertEquals(notes, [
    "m.jsonl:2: expected a JSON object; left out",
    "m.jsonl:3: expected a step of 0 or more, got undefined; left out",
    "m.jsonl:4: expected a step of 0 or more, got -1; left out",
    "2 more lines left out",
  ]);
  assertEquals(parseMetrics("", "m.jsonl").notes, ["m.jsonl: nothing has been logged yet"]);
  assertEquals(parseMetrics("", "m.jsonl").started, null);
});

Deno.test("a long curve keeps first, last and every peak", () => {
  const values: (number | null)[] = Array.from({ length: 100_003 }, (_, i) => Math.sin(i / 5000));
  values[77_777] = 50;
  values[33_333] = -50;
  values[50_000] = null;
  const kept = thin(values, 501);
  assert(kept.length <= 501 && kept.length > 400, `${kept.length}`);
  assertEquals([kept[0], kept.at(-1)], [0, 100_002]);
  assert(kept.includes(77_777) && kept.includes(33_333));
  assert(kept.every((index, i) => i === 0 || index > kept[i - 1]));
  assertEquals(thin([3, 1, 2], 501), [0, 1, 2]);
  assertEquals(thin(new Array(1000).fill(null), 11).length <= 11, true);
});

Deno.test({
  name:
    "a run's folder is read as far as it goes; what is no run is refused and runs in it are named",
  ignore: missingPermissions("read", "write", "env"),
  async fn() {
    await using folder = await tempFolder();
    const at = (...parts: string[]): string => join(folder.path, ...parts);
    for (const name of ["a", "b", "empty", "other/a"]) {
      Deno.mkdirSync(at(name), { recursive: true });
    }
    Deno.writeTextFileSync(at("a", "config.yaml"), "num_epochs: 3\nlearning_rate: 0.1\n");
    Deno.writeTextFileSync(at("a", "metrics.jsonl"), line({ step: 9, epoch: 2, total: 1 }));
    Deno.writeTextFileSync(at("b", "config.yaml"), "a: [1\nb: 2");
    Deno.writeTextFileSync(at("b", "metrics.jsonl"), "");
    Deno.writeTextFileSync(at("b", "run.json"), "{");
    Deno.writeTextFileSync(at("other/a", "metrics.jsonl"), line({ step: 0, total: 2 }));
    Deno.writeTextFileSync(at("other/a", "run.json"), '{"device": "a GPU"}');
    const [a, b, other] = await readRuns([at("a"), at("b"), at("other/a")]);
    assertEquals([a.name, b.name].map((name) => name.at(-1)), ["a", "b"]);
    assertEquals(a.extent, { steps: 10, epochs: 2, epochsPlanned: 3, seconds: 0 });
    assertEquals([a.config.learning_rate, a.started], [0.1, "2025-01-31T12:00:00.000Z"]);
    assertStringIncludes(b.notes[0], "config.yaml cannot be read");
    assertStringIncludes(b.notes[1], "run.json does not name the device");
    assertStringIncludes(b.notes[2], "nothing has been logged yet");
    assertStringIncludes(other.notes[0], "config.yaml is missing");
    assertEquals([other.device, a.device], ["a GPU", null]);

    const refused = (paths: string[], message: string) =>
      assertRejects(() => readRuns(paths.map((path) => at(path))), UsageError, message);
    await refused(["missing"], "there is no such folder");
    await refused(["a/config.yaml"], "expected a run's folder, got a file");
    await refused(["empty"], "expected a run's folder with metrics.jsonl in it");
    await refused(["."], `It holds runs: ${at("a")} ${at("b")}`);
    await refused(["a", "b/../a"], "twice");
  },
});

Deno.test("runs of the same name are told apart by the folders above", () => {
  assertEquals(uniqueNames(["/x/a/run", "/x/b/run", "/x/c"]), ["a/run", "b/run", "c"]);
  assertEquals(uniqueNames(["/p/a/run", "/q/a/run"]), ["p/a/run", "q/a/run"]);
});

Deno.test("settings are compared by value; what a run lacks differs", () => {
  const compared = compareSettings([{ lr: 0.1, dims: [64, 128], seed: 1 }, {
    lr: 0.1,
    dims: [64, 96],
    warm: true,
    seed: null,
  }]);
  assertEquals(compared, [
    { key: "lr", values: ["0.1", "0.1"], differs: false },
    { key: "dims", values: ["[64, 128]", "[64, 96]"], differs: true },
    { key: "seed", values: ["1", "null"], differs: true },
    { key: "warm", values: [null, "true"], differs: true },
  ]);
});

Deno.test("every logged value has one chart: losses, levels in order, probes, and what is not known", () => {
  const none = { step: [0], seconds: [0], value: [1] };
  const names = [
    "region_level_10",
    "total",
    "validation/total",
    "region_level_2",
    "probe/accuracy",
    "x",
  ];
  const series = Object.fromEntries([...names, "epoch/learning_rate"].map((name) => [name, none]));
  const groups = planCharts([{
    name: "a",
    directory: "a",
    started: null,
    extent: { steps: 1, epochs: 0, epochsPlanned: null, seconds: 0 },
    device: null,
    config: {},
    series,
    notes: [],
  }]);
  assertEquals([...groups].map(([group, charts]) => [group, ...charts.map(({ title }) => title)]), [
    ["Losses", "Total"],
    ["Probe", "accuracy"],
    ["Region loss by level", "Level 2", "Level 10"],
    ["Other", "x"],
  ]);
});

Deno.test("smoothing is a mean without bias to the start, and skips what is missing", () => {
  assertEquals(smooth([4, null, 2], 0), [4, null, 2]);
  assertEquals(
    smooth([5, 5, null, 5], 0.9).map((value) => value && Math.round(value * 1e9) / 1e9),
    [
      5,
      5,
      null,
      5,
    ],
  );
  const [first, second] = smooth([1, 3], 0.5);
  assertAlmostEquals(first!, 1, 1e-12);
  assertAlmostEquals(second!, (0.25 * 1 + 0.5 * 3) / 0.75, 1e-12);
});

Deno.test("axes have round marks", () => {
  assertEquals(linearTicks(5.21, 7.7, 4), [6, 7]);
  assertEquals(linearTicks(-0.031, 0.102, 5), [0, 0.05, 0.1]);
  assertEquals(linearTicks(3, 3, 4), [3]);
  assertEquals(logTicks(0.002, 40, 4), [0.01, 0.1, 1, 10]);
  assertEquals(logTicks(4.9, 8.3, 4), [5, 6, 7, 8]);
});

Deno.test("positions keep a 65,534th of the longest side", () => {
  const random = new Random(3);
  const coords = Float32Array.from(
    { length: 3 * 501 },
    (_, i) => [900, 10, 0.1][i % 3] * random.uniform(),
  );
  const points = Uint32Array.from({ length: 77 }, (_, i) => 500 - 6 * i);
  const { origin, scale, values } = quantisePositions(coords, points);
  assert(scale <= 900 / 65_534);
  for (const [i, value] of values.entries()) {
    const k = i % 3;
    const wanted = coords[3 * points[(i - k) / 3] + k];
    assert(Math.abs(origin[k] + scale * value - wanted) <= scale / 2 + 1e-4);
  }
  assertEquals([...quantisePositions(new Float32Array([5, 6, 7]), Uint32Array.of(0)).values], [
    0,
    0,
    0,
  ]);
});

/** Rows in a few directions, with noise: what axes can hold. */
function features(rows: number, width: number, rank: number, seed: number): Float32Array {
  const random = new Random(seed);
  const basis = Array.from({ length: rank * width }, () => random.normal());
  const out = new Float32Array(rows * width);
  for (let i = 0; i < rows; i++) {
    for (let a = 0; a < rank; a++) {
      const weight = random.normal() + (a === 0 ? 2 : 0);
      for (let k = 0; k < width; k++) out[i * width + k] += weight * basis[a * width + k];
    }
  }
  return out;
}

function cosine(table: Float32Array, width: number, i: number, j: number): number {
  let product = 0, a = 0, b = 0;
  for (let k = 0; k < width; k++) {
    const x = table[i * width + k], y = table[j * width + k];
    product += x * y;
    a += x * x;
    b += y * y;
  }
  return product / Math.sqrt(a * b);
}

Deno.test("cosines of quantised features are those of the features within 0.02; a point's own is 1", () => {
  const width = 37, table = features(403, width, 9, 1);
  table.fill(0, 5 * width, 6 * width); // a point in no leaf
  const axes = findAxes([table.subarray(0, 100 * width), table.subarray(100 * width)], width);
  assertEquals(axes.directions.length, 9);
  assertAlmostEquals(axes.kept, 1, 1e-6);
  const quantised = quantiseFeatures(table, axes);
  const lengths = lengthsOf(quantised, 9);
  const query = quantised.slice(17 * 9, 18 * 9);
  const similarity = cosines(quantised, lengths, query);
  assertEquals(similarity[17], 1);
  assertEquals(similarity[5], 0);
  for (let i = 0; i < 403; i++) {
    if (i !== 5) assertAlmostEquals(similarity[i], cosine(table, width, 17, i), 0.02);
  }
});

Deno.test("no more axes than allowed, and what they hold is told", () => {
  const axes = findAxes([features(300, 24, 12, 2)], 24, { most: 4 });
  assertEquals(axes.directions.length, 4);
  assert(axes.kept > 0.4 && axes.kept < 0.99, `${axes.kept}`);
  assertEquals(findAxes([new Float32Array(24)], 24).kept, 1);
});

Deno.test("bytes come back from text as they were", async () => {
  const collector = new ByteCollector();
  const sections = [
    collector.add(Int8Array.of(-1, 2, 3)),
    collector.add(Uint32Array.of(4_000_000_000, 5)),
    collector.add(Int16Array.of(-300)),
  ];
  assertEquals(sections, [
    { offset: 0, length: 3 },
    { offset: 4, length: 2 },
    { offset: 12, length: 1 },
  ]);
  const bytes = await unpackBytes(await packBytes(collector.bytes()));
  assertEquals([...new Int8Array(bytes, 0, 3)], [-1, 2, 3]);
  assertEquals([...new Uint32Array(bytes, 4, 2)], [4_000_000_000, 5]);
  assertEquals([...new Int16Array(bytes, 12, 1)], [-300]);
});

Deno.test("a scene comes back from the page: places, regions, labels and features of the points shown", async () => {
  const data = new SyntheticDataset({
    scenes: 1,
    points: 1501,
    maxDepth: 2,
    minPoints: 9,
    branching: 3,
  });
  const scene = await data.get(0);
  const count = scene.coords.length / 3, width = 11;
  const points = choosePoints(scene.tree, 333);
  assertEquals(points.length, 333);
  assertEquals([...choosePoints(scene.tree, 333)], [...points]);
  assertEquals(choosePoints(scene.tree, 0).length, count);
  assertEquals(choosePoints(scene.tree, count + 5).length, count);
  const all = features(count, width, 5, 4);
  const [{ data: packed, bytes }] = packScenes([{
    scene,
    colors: Float32Array.from({ length: 3 * count }, (_, i) => (i % 6) / 5),
    points,
    g2l: rowsOf(all, width, points),
    l2g: rowsOf(features(count, width, 3, 5), width, points),
  }], width);
  const loaded = await loadScene(packed, await packBytes(bytes));
  assertEquals(loaded.branches.map(({ data: { name, width } }) => [name, width]), [["G2L", 5], [
    "L2G",
    3,
  ]]);
  const { start, end, level, order } = scene.tree;
  for (const [i, point] of points.entries()) {
    for (let k = 0; k < 3; k++) {
      assertAlmostEquals(loaded.positions[3 * i + k], scene.coords[3 * point + k], 1e-3);
      assertEquals(loaded.colors![3 * i + k], Math.round(255 * ((3 * point + k) % 6) / 5));
    }
    assertEquals(loaded.labels![i], scene.pointLabels![point]);
    const place = order.indexOf(point);
    for (const [l, runs] of loaded.levels.entries()) {
      const region = runs.region[runAt(runs, i)];
      assert(level[region] <= l && start[region] <= place && place < end[region]);
      const deeper = level.findIndex((of, r) =>
        of === level[region] + 1 && of <= l && start[r] <= place && place < end[r]
      );
      assertEquals(deeper, -1);
    }
  }
  assertEquals(loaded.levels.map(({ regions }) => regions)[0], 1);
  assertEquals(
    loaded.levels.map(({ regions }) => regions),
    loaded.levels.map((_, l) => level.filter((of) => of === l).length),
  );
});

Deno.test("neighbours are the most similar points that are apart", () => {
  const positions = [0, 0, 0, 0.1, 0, 0, 5, 0, 0, 5.1, 0, 0, 9, 0, 0];
  const similarity = Float32Array.of(1, 0.99, 0.7, 0.8, 0.6);
  const options = { apart: 1, count: 3 };
  assertEquals(nearestElsewhere(similarity, positions, [[0, 0, 0]], options), [3, 4]);
  assertEquals(nearestElsewhere(similarity, positions, [], options), [0, 3, 4]);
  assertAlmostEquals(quantile(similarity, 0.5), 0.8, 1e-6);
});

Deno.test("the point in front is picked, one that is cut off or behind the viewer is not", () => {
  // Looking along -z from z = 2, w = 2 - z.
  const matrix = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, -1, -1, 0, 0, 1, 2];
  const positions = [0, 0, 0, 0, 0, 1, 0.9, 0, 0, 0, 0, 5];
  const ray = { matrix, x: 0, y: 0, width: 400, height: 200, radius: 8, cut: Infinity };
  assertEquals(pick(positions, ray), 1);
  assertEquals(pick(positions, { ...ray, cut: 0.5 }), 0);
  assertEquals(pick(positions, { ...ray, x: 0.45 }), 2);
  assertEquals(pick(positions, { ...ray, x: -0.5 }), -1);
});

Deno.test("a room is opened from above; a table, a tile and a small box are not", () => {
  const slabs = (wide: number, heights: readonly number[]) =>
    heights.flatMap((z) =>
      Array.from({ length: 50 }, (_, i) => [wide * (i % 7) / 6, wide * (i % 5) / 4, z]).flat()
    );
  assertEquals(shownHeight(slabs(5, [0, 1, 2.6])), 0.88);
  assertEquals(shownHeight(slabs(1.5, [0, 1, 2.6])), 1);
  assertEquals(shownHeight([...slabs(30, [0, 0.5, 1]), 3, 3, 9]), 1);
  assertEquals(shownHeight([]), 1);
});

Deno.test("colours: kinds differ, numbers run over the map, what is below the limit is faded", () => {
  const kinds = new Set(Array.from({ length: 60 }, (_, n) => kindColor(n).join()));
  assertEquals(kinds.size, 60);
  assertEquals([...mapColors([0, 1, 0.2], 0, 1, 0.5)], [
    140,
    144,
    150,
    253,
    231,
    37,
    140,
    144,
    150,
  ]);
});

function optionsOf(...args: string[]): ReportOptions {
  const parsed = parseReportArguments(args);
  if (parsed.help) throw new Error("help");
  return parsed.options;
}

Deno.test("the command line: defaults, what is asked for, what is wrong", () => {
  assertEquals(optionsOf("runs/a", "runs/b"), {
    directories: ["runs/a", "runs/b"],
    output: join("runs/a", "report.html"),
    scenes: 2,
    scenesAsked: false,
    paths: [],
    pointsPerScene: 100_000,
    checkpoint: null,
  });
  const asked = optionsOf("a", "--scene", "x.ply", "--scene=y.ply", "--output", "o.html");
  assertEquals([asked.scenes, asked.scenesAsked, asked.output], [0, true, "o.html"]);
  assertEquals(asked.paths, ["x.ply", "y.ply"]);
  const named = optionsOf("a", "--checkpoint", "last");
  assertEquals([named.scenes, named.scenesAsked, named.checkpoint], [2, true, "last"]);
  assertThrows(() => optionsOf(), UsageError, "Say which run");
  assertThrows(() => optionsOf("a", "--scenes", "-1"), UsageError, "--scenes: expected");
  assertThrows(() => optionsOf("a", "--smooth"), UsageError, "Unknown flag --smooth");
  assertEquals(parseReportArguments(["-h"]).help, true);
});
