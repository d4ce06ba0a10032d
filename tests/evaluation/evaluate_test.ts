import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { join } from "@std/path";
import { DataError, UsageError } from "../../src/base/errors.ts";
import { evaluate, type EvaluateOptions } from "../../src/evaluation/evaluate.ts";
import { parseEvaluateArguments } from "../../src/cli/evaluate/arguments.ts";
import { appendCsv, describeEvaluation } from "../../src/cli/evaluate/table.ts";
import { encoderFromCheckpoint } from "../../src/inference/encoder.ts";
import { listScenes, ScenesDataset } from "../../src/scenes/scenes_dataset.ts";
import { eachEncoded } from "../../src/evaluation/point_rows.ts";
import { rawPointFeatures, rawSceneVector } from "../../src/evaluation/raw_features.ts";
import { ALL_FEATURES, parseFeatures } from "../../src/evaluation/vectors.ts";
import { deviceTest } from "../support/device.ts";
import { writeShapes } from "../support/labelled_shapes.ts";
import { missingPermissions } from "../support/permissions.ts";
import { tempFolder } from "../support/temp_folder.ts";
import { tinyTrainer } from "../support/training.ts";

const writes = !missingPermissions("read", "write");

/** A checkpoint and scenes to evaluate it on. */
async function setting(
  shapes: Parameters<typeof writeShapes>[1] = { counts: { train: 12, test: 8 } },
) {
  const folder = await tempFolder();
  const checkpoint = join(folder.path, "encoder.safetensors");
  {
    using trainer = await tinyTrainer({ num_epochs: 1, output_dim: 12, data_root: folder.path });
    await trainer.saveCheckpoint(checkpoint);
  }
  await writeShapes(folder.path, shapes);
  const options: EvaluateOptions = {
    checkpoint,
    data: folder.path,
    split: "test",
    protocols: null,
    compare: ["untrained", "raw"],
    features: ALL_FEATURES,
    budgets: [{ share: 1 }, { perClass: 4 }],
    ignore: [255],
    trainPoints: 500,
    seed: 3,
  };
  return { path: folder.path, options, [Symbol.asyncDispose]: folder[Symbol.asyncDispose] };
}

if (writes) {
  deviceTest(
    "shapes that differ are told apart, twice with the same numbers to the digit",
    async () => {
      await using made = await setting();
      const first = await evaluate(made.options);
      const again = await evaluate({ ...made.options, protocols: ["svm", "points"] });
      assertEquals(JSON.stringify(again.points), JSON.stringify(first.points));
      assertEquals(
        JSON.stringify(again.objects!.results),
        JSON.stringify(first.objects!.results.filter(({ protocol }) => protocol === "svm")),
      );
      const { objects, points } = first;
      assertEquals(first.scenes, { train: 36, test: 24 });
      assertEquals(objects!.widths, { trained: 72, untrained: 72, raw: 30 });
      assertEquals(
        objects!.results.map(({ protocol, setting }) => `${protocol} ${setting}`),
        ["linear", "svm", "knn"].flatMap((p) => [`${p} 100 %`, `${p} 4 per class`]),
      );
      assertEquals(objects!.skipped.length, 4); // three classes are too few for 5-way
      for (const { scores, gains, draws, labels, setting } of objects!.results) {
        assertEquals([draws, labels], setting === "100 %" ? [1, 36] : [20, 12]);
        for (const { accuracy } of scores) assert(accuracy > 0.6, `${accuracy}`);
        // The checkpoint was never trained: its encoder is the untrained one.
        assertEquals({ ...gains[0] }, { over: "untrained", difference: 0, low: 0, high: 0 });
        assertAlmostEquals(gains[1].difference, scores[0].accuracy - scores[2].accuracy, 1e-12);
        assert(gains[1].low <= gains[1].difference && gains[1].difference <= gains[1].high);
      }
      // 60 points a scene, every seventh (9 of them) ignored.
      assertEquals(points!.classes, [0, 1]);
      assertEquals(points!.ignoredPoints, 60 * 9);
      assertEquals(points!.trainPoints, { all: 36 * 51, fitted: 500 });
      assertEquals(points!.testPoints, 24 * 51);
      assertEquals(points!.resampled, "test scenes");
      const raw = points!.scores[2];
      assert(raw.meanIoU > 0.6, `${raw.meanIoU}`); // normals point up on the upper half
      assertAlmostEquals(raw.meanIoU, (raw.iou[0]! + raw.iou[1]!) / 2, 1e-12);
      const text = describeEvaluation(first);
      assertStringIncludes(text, "gain over raw");
      assertStringIncludes(text, "not possible with these classes: 5-way 10-shot");
      assertStringIncludes(text, `test split of ${made.path}`);
    },
  );

  deviceTest(
    "few-shot takes ten folds of N classes; rows go to a CSV file with one header",
    async () => {
      await using made = await setting({
        counts: { train: 12, test: 3 },
        classes: 5,
        pointLabels: false,
      });
      const evaluation = await evaluate({ ...made.options, protocols: ["fewshot"] });
      const [result, ...rest] = evaluation.objects!.results;
      assertEquals(rest.length, 0);
      assertEquals([result.setting, result.draws, result.labels], ["5-way 10-shot", 10, 50]);
      assertEquals(evaluation.objects!.skipped, [
        "5-way 20-shot",
        "10-way 10-shot",
        "10-way 20-shot",
      ]);
      const csv = join(made.path, "table.csv");
      await appendCsv(csv, evaluation);
      await appendCsv(csv, evaluation);
      const [header, one, two, end] = (await Deno.readTextFile(csv)).split("\n");
      assertEquals([one, end], [two, ""]);
      assert(header.startsWith("checkpoint,data,tested_on,seed,features,"));
      assertStringIncludes(header, "fewshot/5-way_10-shot/trained");
      const other = await evaluate({ ...made.options, protocols: ["knn"] });
      await assertRejects(() => appendCsv(csv, other), UsageError, "its columns are not those");
      assertEquals((await Deno.readTextFile(csv)).split("\n").length, 4);
    },
  );

  deviceTest(
    "rows of points hold their own features, then those of the regions around them",
    async () => {
      await using made = await setting({ counts: { train: 1 } });
      using encoder = await encoderFromCheckpoint(made.options.checkpoint);
      const dataset = new ScenesDataset((await listScenes(made.path)).train);
      const scene = await dataset.get(1);
      const { points, regions } = await encoder.embed(scene);
      const choice = parseFeatures("l2g,regions");
      const options = { encoders: new Map([["trained", encoder]]), choice, depth: 2 };
      const scenes = { dataset, indices: Uint32Array.of(1) };
      let seen = 0;
      await eachEncoded(options, scenes, () => {}, (_, unit, features) => {
        const { values, width } = features.get("trained")!;
        assertEquals([unit, width], [0, 3 * 12]);
        const { level, start, end, order } = scene.tree;
        for (let at = 0; at < order.length; at++) {
          const row = values.subarray(order[at] * width, (order[at] + 1) * width);
          assertEquals(
            row.subarray(0, 12),
            points.l2g.subarray(order[at] * 12, order[at] * 12 + 12),
          );
          let last = regions[0].l2g.subarray(0, 12);
          for (const l of [1, 2]) {
            const own = [...level.keys()].filter((r) => level[r] === l);
            const place = own.findIndex((r) => start[r] <= at && at < end[r]);
            if (place >= 0) last = regions[l].l2g.subarray(place * 12, place * 12 + 12);
            assertEquals(row.subarray(l * 12, l * 12 + 12), last);
          }
          seen++;
        }
      });
      assertEquals(seen, 60);
    },
  );

  deviceTest("scenes can be held out of the training split, the test split untouched", async () => {
    await using made = await setting({ counts: { train: 10 }, pointLabels: false });
    const { scenes, testedOn } = await evaluate({
      ...made.options,
      split: "held-out",
      protocols: ["knn"],
      budgets: [{ share: 1 }],
    });
    assertEquals(scenes, { train: 24, test: 6 });
    assertStringIncludes(testedOn, "held out");
  });

  const refused = (
    name: string,
    shapes: Parameters<typeof writeShapes>[1],
    change: Partial<EvaluateOptions>,
    kind: typeof DataError | typeof UsageError,
    message: string,
  ) =>
    deviceTest(name, async () => {
      await using made = await setting(shapes);
      await assertRejects(() => evaluate({ ...made.options, ...change }), kind, message);
    });
  refused("no test split is told", { counts: { train: 2 } }, {}, UsageError, "the split test of");
  refused(
    "scenes without labels are told",
    { counts: { train: 2, test: 1 }, sceneLabels: false, pointLabels: false },
    {},
    DataError,
    "neither a scene label nor point labels",
  );
  refused(
    "objects without labels are told",
    { counts: { train: 2, test: 1 }, sceneLabels: false },
    { protocols: ["linear"] },
    DataError,
    "has no label",
  );
  refused(
    "points without labels are told",
    { counts: { train: 2, test: 1 }, pointLabels: false },
    { protocols: ["points"] },
    DataError,
    "no point labels",
  );
  refused(
    "one class alone is told",
    { counts: { train: 3, test: 2 }, classes: 1 },
    {},
    DataError,
    "all scenes are of one class, class 0",
  );
  refused(
    "points of one class alone are told",
    { counts: { train: 3, test: 2 } },
    { protocols: ["points"], ignore: [255, 1] },
    DataError,
    "all labelled points are of one class, 0",
  );

  deviceTest("a class that a split lacks, and another model's checkpoint, are told", async () => {
    await using made = await setting({ counts: { train: 3, test: 2 } });
    for (const i of [0, 1]) await Deno.remove(join(made.path, "test", `test_2_${i}.safetensors`));
    const objects = { ...made.options, protocols: ["linear"] as const };
    await assertRejects(() => evaluate(objects), DataError, "no test scene is labelled class 2");
    for (const i of [0, 1, 2]) {
      await Deno.remove(join(made.path, "train", `train_1_${i}.safetensors`));
    }
    await assertRejects(
      () => evaluate(objects),
      DataError,
      "no training scene is labelled class 1",
    );
    using wide = await tinyTrainer({ output_dim: 20 });
    await assertRejects(
      () => evaluate({ ...objects, config: wide.config }),
      DataError,
      "its weights do not fit this model",
    );
  });
}

Deno.test("raw inputs: relative to the leaf's centre, height, channels; pooled by maximum, mean, deviation", () => {
  const scene = {
    id: "s",
    coords: Float32Array.of(0, 0, 1, 2, 0, 3, 0, 4, 5),
    feats: Float32Array.of(7, 8, 9),
    featureColumns: [{ name: "x", width: 1, kind: "scalar" as const }],
    tree: {
      order: Uint32Array.of(0, 1, 2),
      level: Uint32Array.of(0, 1),
      parent: Int32Array.of(-1, 0),
      start: Uint32Array.of(0, 0),
      end: Uint32Array.of(3, 2),
      center: Uint32Array.of(2, 1),
    },
  };
  const { values, width } = rawPointFeatures(scene);
  assertEquals(width, 5);
  assertEquals([...values], [-2, 0, -2, 0, 7, 0, 0, 0, 2, 8, 0, 0, 0, 4, 9]);
  const vector = rawSceneVector(scene);
  assertEquals(vector.length, 3 * 8);
  assertEquals([...vector.subarray(0, 3)], [2, 4, 5]);
  assertAlmostEquals(vector[5], 3, 1e-6);
  assertAlmostEquals(vector[8], Math.sqrt(8 / 3), 1e-6);
});

Deno.test("features are chosen by name", () => {
  assertEquals(parseFeatures("all"), ALL_FEATURES);
  assertEquals(parseFeatures("max").text, "max of g2l+l2g");
  assertEquals(parseFeatures("g2l,mean,root").text, "root+mean of g2l");
  assertEquals(parseFeatures("l2g,regions").text, "root+max+mean of l2g, points with regions");
  assertThrows(() => parseFeatures("maximum"), UsageError, "got maximum");
});

Deno.test("the command line is read, and what is wrong with it is said", () => {
  const required = ["--checkpoint", "c.safetensors", "--data", "d"];
  const args = parseEvaluateArguments([
    ...required,
    ...[
      "--protocol",
      "knn,linear",
      "--labels",
      "5%,10,100%",
      "--compare",
      "raw",
      "--ignore",
      "-1,9",
    ],
    ...["--split", "held-out", "--seed", "0", "--csv", "t.csv"],
  ]);
  if (args.help) throw new Error("that was no call for help");
  const { protocols, budgets, compare, ignore, split, seed } = args.options;
  assertEquals(protocols, ["linear", "knn"]);
  assertEquals(budgets, [{ share: 0.05 }, { perClass: 10 }, { share: 1 }]);
  assertEquals([compare, ignore, split, seed, args.csv], [
    ["raw"],
    [-1, 9],
    "held-out",
    0,
    "t.csv",
  ]);
  const message = (...more: string[]) =>
    assertThrows(() => parseEvaluateArguments([...required, ...more]), UsageError).message;
  assertStringIncludes(
    message("--protocol", "lineer"),
    "--protocol: expected a list out of linear",
  );
  assertStringIncludes(message("--labels", "0%"), "--labels: expected shares such as 5%");
  assertStringIncludes(message("--compare", "none,raw"), "none alone");
  assertStringIncludes(message("--test", "x", "--split", "val"), "exclude each other");
  assertStringIncludes(message("--nonsense"), "Unknown flag --nonsense");
  assertStringIncludes(message("stray"), "Unexpected argument stray");
  assertThrows(() => parseEvaluateArguments(["--data", "d"]), UsageError, "--checkpoint PATH");
});
