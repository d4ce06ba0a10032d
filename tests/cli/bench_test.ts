import { assert, assertAlmostEquals, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { type BenchArguments, benchHelp, parseBenchArguments } from "../../bench/arguments.ts";
import { hasTimestamps, timedDispatches, watchGradientRows } from "../../bench/profile.ts";
import { kernelTitle, type Problem, profileSteps, warmWorkload } from "../../bench/step.ts";
import {
  duration,
  durations,
  exponent,
  figures,
  markdownTable,
  spread,
  textTable,
} from "../../bench/support.ts";
import { sweepLine, sweepProblems } from "../../bench/sweep.ts";
import { executedWork, stepRows, usefulWork } from "../../bench/work.ts";
import type { BatchLevel } from "../../src/scenes/batches/batch.ts";
import { UsageError } from "../../src/base/errors.ts";
import { makeTrainingBatch } from "../../src/scenes/batches/loader.ts";
import { Model } from "../../src/model/model.ts";
import { uploadBatch } from "../../src/model/region_batch.ts";
import { full, rowIndex, scale } from "../../src/tensor/mod.ts";
import { deviceTest, testDevice } from "../support/device.ts";
import { tinyConfig, tinyRooms } from "../support/training.ts";

/** A root with two leaves below it, of 4 and 6 points. */
const LEVELS: BatchLevel[] = [
  { start: [0], end: [10], childStart: [0], childEnd: [2] },
  { start: [0, 4], end: [4, 10], childStart: [0, 0], childEnd: [0, 0] },
].map(({ start, end, childStart, childEnd }) => ({
  start: Uint32Array.from(start),
  end: Uint32Array.from(end),
  childStart: Uint32Array.from(childStart),
  childEnd: Uint32Array.from(childEnd),
  center: Uint32Array.from(start),
  parent: new Uint32Array(start.length),
  offsets: Uint32Array.of(0, start.length),
}));
const BATCH = {
  sceneIds: ["room"],
  pointCount: 10,
  featureWidth: 3,
  pointOffsets: Uint32Array.of(0, 10),
  order: new Uint32Array(10),
  view1: { coords: new Float32Array(30), feats: new Float32Array(30) },
  view2: { coords: new Float32Array(30), feats: new Float32Array(30) },
  levels: LEVELS,
};
const CONFIG = tinyConfig({
  input_feat_dim: 3,
  hidden_dim: 4,
  output_dim: 5,
  encoder_hidden_dims: [6],
  propagator_hidden_dim: 7,
  propagator_num_layers: 3,
  projection_dim: 8,
  aggregator_mode: "max",
  point_num_samples: 16,
});
const ROWS = stepRows(BATCH, CONFIG);
/** Of the root, of the two regions, of the leaves. */
const GRADIENT_ROWS = [2, 3, 4];

Deno.test("the rows of a step are those of the levels and of the leaves", () => {
  assertEquals(ROWS, {
    encodings: [
      { rows: 10, propagated: false },
      { rows: 10, propagated: true },
      { rows: 10, propagated: false },
    ],
    regions: [1, 2],
    parents: 1,
    samples: 10,
  });
  assertEquals(stepRows(BATCH, { ...CONFIG, point_num_samples: 7 }).samples, 7);
});

Deno.test("useful work is that of the merged layers, counted by hand", () => {
  const raw = 3 * 4 + 7 * 6 + 6 * 5;
  const propagated = 3 * 7 + 7 * 7 + 10 * 4 + 7 * 6 + 6 * 5;
  const [start, child, head] = [5 * 7, 2 * 5 * 5, 5 * 96 + 96 * 8];
  const encoderForward = 20 * raw + 10 * propagated + start + 2 * child;
  assertEquals(encoderForward, 3635);
  // Two products a layer, less those for raw features, coordinates and offsets.
  const backward = (2 + 4) * (2 * raw - 3 * 4 - 3 * 6) +
    3 * (2 * propagated - 3 * 7 - 3 * 4 - 3 * 6) + 2 * start + 2 * 2 * child;
  const heads = 3 * head * 2 * (3 + 10);
  const contrast = 3 * 8 * (1 * 1 + 2 * 2 + 10 * 10);
  const step = encoderForward + backward + heads + contrast;
  assertEquals(step, 105_536);
  assertEquals(usefulWork(CONFIG, ROWS, GRADIENT_ROWS), { encoderForward, step });
});

Deno.test("executed work counts blocks of four, inputs of 1 and what is computed again", () => {
  // Blocks of 4 × 4: outputs × (inputs, with one block for the 1 or the offset).
  const raw = [1 * 1, 2 * 2, 2 * 3];
  const propagated = [2 * 1, 2 * 3, 1 * 3, 2 * 2, 2 * 3];
  const sum = (values: number[]) => values.reduce((all, value) => all + value, 0);
  const backward = (layers: number[], inputs: number) =>
    sum(layers) + inputs + sum(layers.slice(0, -1));
  const start = 2 * 3, child = 2 * (2 * 3), head = 24 * 3 + 2 * 25;
  const encoderForward = 16 * (20 * sum(raw) + 10 * sum(propagated) + start + 2 * child);
  assertEquals(encoderForward, 7360);
  const rest = 16 * (
    (2 + 4) * backward(raw, 2 * 1 + 2 * 2) +
    3 * backward(propagated, 2 * 2 + 1 * 2 + 2 * 1 + 2 * 2) +
    (start + 2 * 2) + 2 * (child + 2 * (2 * 2)) +
    26 * (head + head + 24 * 2 + 2 * 24)
  );
  const contrast = 3 * 8 * (1 * 8 + 2 * 8 + 10 * 16);
  assertEquals(encoderForward + rest + contrast, 158_432);
  assertEquals(executedWork(CONFIG, ROWS, GRADIENT_ROWS, true), {
    encoderForward,
    step: encoderForward + rest + contrast,
  });
});

Deno.test("plain operations execute unmerged layers on all rows", () => {
  const raw = 3 * 4 + 4 * 4 + 7 * 6 + 6 * 5;
  const propagated = 8 * 7 + 7 * 7 + 7 * 5 + 8 * 4 + 4 * 4 + 7 * 6 + 6 * 5;
  const child = 2 * 5 * 5, head = 5 * 96 + 96 * 8;
  const encoderForward = 20 * raw + 10 * propagated + 2 * child;
  const step = encoderForward + 20 * (2 * raw - 3 * 4) + 10 * 2 * propagated + 2 * 2 * child +
    3 * head * 26 + 3 * 8 * (1 + 4 + 100);
  assertEquals(step, 113_724);
  assertEquals(executedWork(CONFIG, ROWS, GRADIENT_ROWS, false), { encoderForward, step });
});

Deno.test("attention adds its layers", () => {
  const config = { ...CONFIG, output_dim: 4, aggregator_mode: "attention" as const };
  const without = { ...config, aggregator_mode: "max" as const };
  const difference = usefulWork(config, ROWS, GRADIENT_ROWS).encoderForward -
    usefulWork(without, ROWS, GRADIENT_ROWS).encoderForward;
  // Two children: key, value, where it lies; one parent: what comes out.
  const spatial = config.aggregator_use_spatial ? 3 * 4 + 4 * 4 : 0;
  assertEquals(difference, 2 * (4 * 4 + 4 * 4 + spatial) + 4 * 4);
});

Deno.test("a power law is found again, and fitted by least squares", () => {
  const xs = [10_000, 30_000, 100_000, 1_000_000];
  assertAlmostEquals(exponent(xs.map((x) => [x, 3 * x ** 1.05])), 1.05, 1e-12);
  // Logarithms (0, 0), (1, 2), (2, 1): slope 1/2.
  const e = Math.E;
  assertAlmostEquals(exponent([[1, 1], [e, e * e], [e * e, e]]), 0.5, 1e-12);
  assert(Number.isNaN(exponent([[5, 1], [5, 2]])));
});

Deno.test("the median of an even number is between the two in the middle", () => {
  assertEquals(spread([4, 1, 3, 2]), { median: 2.5, min: 1, max: 4 });
  assertEquals(spread([9, 1, 5]), { median: 5, min: 1, max: 9 });
  assertEquals(spread([7]), { median: 7, min: 7, max: 7 });
});

Deno.test("numbers and times have three figures", () => {
  assertEquals([0.1234, 12.34, 123.4, 1234, NaN].map(figures), [
    "0.12",
    "12.3",
    "123",
    "1234",
    "–",
  ]);
  assertEquals(duration(45.67), "45.7 ms");
  assertEquals(duration(2345), "2.35 s");
  assertEquals(durations({ median: 1500, min: 900, max: 2000 }), "1.50 s (0.90 – 2.00)");
});

Deno.test("tables are laid out for a terminal and for a page", () => {
  const rows = [["kernel", "ms"], ["a", "12.5"]];
  assertEquals(textTable(rows), "kernel    ms\na       12.5");
  assertEquals(
    markdownTable(rows),
    "| kernel | ms   |\n| ------ | ---- |\n| a      | 12.5 |",
  );
});

Deno.test("a kernel's title leaves out the numbers of its shape", () => {
  assertEquals(
    kernelTitle("straight_line forward region 4 0+0:1>7gelu/0 @64/3"),
    "straight_line forward region",
  );
  assertEquals(kernelTitle("row_linear"), "row_linear");
});

function parsed(...args: string[]): Extract<BenchArguments, { help: false }> {
  const asked = parseBenchArguments(args);
  if (asked.help) throw new Error("this is the help");
  return asked;
}

Deno.test("without flags, the full problem is measured", () => {
  assertEquals(parsed(), {
    help: false,
    mode: "steps",
    problem: {
      config: "full",
      fused: true,
      points: 100_000,
      scenes: 1,
      depth: 4,
      steps: 10,
    },
    maxPoints: 1_000_000,
    device: "auto",
    json: false,
  });
});

Deno.test("flags change the problem, small mode has its own sizes", () => {
  const { problem, mode, json } = parsed(
    "--config=small",
    "--fused",
    "off",
    "--steps",
    "3",
    "--json",
    "--kernels",
  );
  assertEquals(problem, {
    config: "small",
    fused: false,
    points: 20_000,
    scenes: 2,
    depth: 2,
    steps: 3,
  });
  assertEquals([mode, json], ["kernels", true]);
  assertEquals(parsed("--sweep", "--max-points", "30000", "--points", "1000").maxPoints, 30_000);
  assertEquals(parsed("--tables").mode, "tables");
});

Deno.test("a wrong command line is refused with what would be right", () => {
  const refused: [string[], string][] = [
    [["--stpes", "3"], "--stpes"],
    [["fast"], "fast"],
    [["--points", "0"], "--points: expected a whole number of 1 or more, got 0"],
    [["--depth", "-1"], "--depth: expected a whole number of 1 or more, got -1"],
    [["--points", "1.5"], "--points"],
    [["--steps", "many"], "--steps: expected a number, got many"],
    [["--config", "large"], "--config: expected one of full, small, got large"],
    [["--fused", "yes"], "--fused: expected one of on, off, got yes"],
    [["--device", "tpu"], "tpu"],
    [["--points", "1", "--points", "2"], "--points is given twice"],
    [["--kernels", "--sweep"], "--kernels and --sweep cannot be had together"],
    [["--max-points", "1000"], "--max-points: only --sweep"],
    [["--tables", "--points", "1000"], "--points: --tables sets it itself"],
    [["--tables", "--json"], "--json: --tables"],
  ];
  for (const [args, message] of refused) {
    assertThrows(() => parseBenchArguments(args), UsageError, message);
  }
});

Deno.test("the help names every flag and is asked for first", () => {
  assertEquals(parseBenchArguments(["--help", "--points", "none"]), { help: true });
  assertEquals(parseBenchArguments(["-h"]), { help: true });
  for (const flag of ["points", "sweep", "kernels", "tables", "json", "fused"]) {
    assert(benchHelp().includes(`--${flag}`));
  }
});

const PROBLEM: Problem = {
  config: "small",
  fused: true,
  points: 5000,
  scenes: 1,
  depth: 3,
  steps: 2,
};

Deno.test("a sweep varies one thing and keeps to the most points", () => {
  const points = sweepProblems("points", PROBLEM, 100_000);
  assertEquals(points.map((problem) => problem.points), [10_000, 30_000, 100_000]);
  assertEquals(sweepProblems("points", PROBLEM, 700).map((problem) => problem.points), [700]);
  const regions = sweepProblems("regions", PROBLEM, 4000);
  assert(regions.every((problem) => problem.points === 4000 && problem.depth === 3));
  assertEquals(new Set(regions.map(({ branching }) => branching)).size, regions.length);
  const depths = sweepProblems("depth", PROBLEM, 1_000_000);
  assertEquals(depths.map((problem) => problem.depth), [1, 2, 3, 4, 5, 6]);
  assert(depths.every((problem) => problem.points === 5000));
});

Deno.test("a sweep's line names the exponent and the range", () => {
  const row = { regions: 9, depth: 2, dispatches: 1, peak_device_bytes: 1 };
  const rows = [1000, 30_000].map((points) => ({
    ...row,
    points,
    step_ms: { median: points, min: points, max: points },
  }));
  assertEquals(
    sweepLine({ over: "points", rows, exponent: 1 }),
    "Time grows with the power 1.00 of points (1,000 to 30,000).",
  );
});

deviceTest(
  "rows with gradient are counted by the device, and the profile sees every dispatch",
  async () => {
    const device = await testDevice();
    using work = await warmWorkload(device, { ...PROBLEM, fused: false, points: 1500, depth: 1 });
    const { gradientRows, points, useful, executed } = work.shape;
    assertEquals(points, 1500);
    const [root, children, leaves] = gradientRows;
    const { output_dim, point_num_samples } = work.config;
    // One region: one point a channel at most. Both others hold the points of the point loss.
    assert(root >= 1 && root <= output_dim, `${root}`);
    for (const rows of [children, leaves]) {
      assert(rows >= point_num_samples && rows < points, `${rows}`);
    }
    assert(useful.step < executed.step);
    const before = device.counters.dispatches;
    const profile = await profileSteps(device, work, hasTimestamps(device) ? 1e-6 : null);
    const phases = Object.values(profile.phases);
    const dispatches = phases.reduce((sum, phase) => sum + phase.dispatches, 0);
    // A peak after each sample: two lengths of a kernel, each run once to warm up and twice.
    assertEquals(profile.peaks.length, work.problem.steps);
    assert(profile.peaks.every((peak) => peak > 0) && profile.forwardShare.min > 0);
    const own = device.counters.dispatches - before - 6 * profile.peaks.length;
    assertEquals(work.problem.steps * dispatches, own);
    assert(phases.every(({ ms }) => ms.min >= 0));
    assertEquals(profile.phases.upload.dispatches, 0);
  },
);

deviceTest("rows with gradient are counted alike whichever kernels make rows", async () => {
  const device = await testDevice();
  const config = tinyConfig();
  const batch = await makeTrainingBatch(tinyRooms(1, 0, 1500), [0], {
    seed: 1,
    epoch: 0,
    step: 0,
    augmentation: [],
    maxHierarchyDepth: 1,
    featureWidth: config.input_feat_dim,
  });
  const counted = async (rowVariant: "loops" | "straight-line") => {
    using model = new Model(device, config, { rowVariant });
    model.parameters.initialise(5);
    using _ = device.scope();
    const watch = watchGradientRows(device);
    const sample = rowIndex(device, Uint32Array.from({ length: 30 }, (_, i) => 50 * i), 1500);
    model.losses(model.encode(uploadBatch(device, batch)), sample).total.backward();
    return await watch.stop();
  };
  const loops = await counted("loops");
  assertEquals(loops.length, 3);
  assert(loops.every((rows) => rows !== null && rows > 0 && rows < 1500), `${loops}`);
  assertEquals(await counted("straight-line"), loops);
});

deviceTest("each dispatch is timed under its phase, and watching ends with the work", async () => {
  const device = await testDevice();
  if (!hasTimestamps(device)) return;
  using _ = device.scope();
  const x = full(device, [700], 2);
  const times = await timedDispatches(device, 1e-6, (phase) => {
    phase("first");
    scale(x, 3);
    phase("second");
    // More than fit into one set of queries.
    for (let i = 0; i < 2100; i++) scale(x, 0.5);
  });
  assertEquals(times.length, 2101);
  assertEquals(times.map(({ phase }) => phase).indexOf("second"), 1);
  assert(times.every(({ kernel, ms }) => kernel === "scale" && ms >= 0 && ms < 60_000));
  await assertRejects(
    () =>
      timedDispatches(device, 1, () => {
        throw new Error("stopped");
      }),
    Error,
    "stopped",
  );
  assertEquals(device.onDispatch, null);
});
