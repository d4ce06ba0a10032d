import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { Random } from "../../src/base/random.ts";
import { UsageError } from "../../src/base/errors.ts";
import { makeTrainingBatch } from "../../src/scenes/batches/loader.ts";
import { BatchLoader } from "../../src/scenes/batches/worker_loader.ts";
import { SyntheticDataset } from "../../src/scenes/synthetic/synthetic.ts";
import { augmentationProblems, parseAugmentation } from "../../src/scenes/views/augmentation.ts";
import type { AugmentationRule } from "../../src/scenes/views/augmentations/rule.ts";
import { AUGMENTATIONS } from "../../src/scenes/views/augmentations/table.ts";
import { thinTree } from "../../src/scenes/views/drawn_points.ts";
import { augment } from "../../src/scenes/views/views.ts";

const dataset = () => new SyntheticDataset({ scenes: 3, points: 256, seed: 4 });

const isNumber = (value: unknown): boolean => typeof value === "number";

/** Lifts all points by the same height. */
const lift: AugmentationRule<{ height: number; p: number }> = {
  type: "lift",
  fields: {
    height: { fallback: 2, expected: "a number of metres", accepts: isNumber },
    p: { fallback: 1, expected: "a number", accepts: isNumber },
  },
  needs: ({ coords }) => coords.length > 3 ? undefined : "two points",
  problem: ({ height, p }) =>
    p > height ? { field: "p", message: "expected at most height" } : undefined,
  apply({ coords }, { height }) {
    for (let at = 2; at < coords.length; at += 3) coords[at] += height;
  },
};

/** Hides the first point of the scene. */
const hideFirst: AugmentationRule = {
  type: "hide_first",
  fields: {},
  hidesPoints: true,
  apply(view, _fields, random) {
    view.cover(new Uint8Array(view.coords.length / 3).fill(1, 0, 1), random);
  },
};

Deno.test("each augmentation of the table accepts what its fields are where nobody says", async () => {
  const scene = await dataset().get(0);
  for (const [name, rule] of Object.entries(AUGMENTATIONS)) {
    assertEquals(rule.type, name);
    assertEquals(augmentationProblems([{ type: name }]), []);
    const complete = parseAugmentation([{ type: name }]);
    assertEquals(augmentationProblems(complete), [], "fallbacks may be written out");
    assertEquals(Object.keys(complete[0]).sort(), ["type", ...Object.keys(rule.fields)].sort());
    for (const [key, { fallback, expected, accepts }] of Object.entries(rule.fields)) {
      assert(accepts(fallback) && expected !== "", `${name}.${key}`);
      assert(!accepts({}) && !accepts("?"), `${name}.${key}`);
    }
    if (rule.needs === undefined) augment(scene, [{ type: name, p: 1 }], new Random(0));
  }
});

Deno.test("an own augmentation is applied with its fields filled in, among the others", async () => {
  const scene = await dataset().get(0);
  const view = (list: { type: string; [key: string]: unknown }[]) =>
    augment(scene, list, new Random(1), null, [lift, hideFirst]);
  const lifted = view([{ type: "lift" }]);
  lifted.coords.forEach((value, i) =>
    assertEquals(value, Math.fround(scene.coords[i] + (i % 3 === 2 ? 2 : 0)))
  );
  assertEquals(view([{ type: "lift", p: 0 }]).coords, scene.coords);
  const flipped = view([{ type: "lift" }, { type: "flip", axes: ["z"], p: 1 }]);
  assertEquals(flipped.coords[2], -lifted.coords[2]);
  // Without a chance of its own it is always applied, and draws nothing for it.
  const covered = view([{ type: "hide_first" }]);
  assert(covered.coords[0] !== scene.coords[0] || covered.coords[1] !== scene.coords[1]);
  assertEquals(covered.coords.subarray(3), scene.coords.subarray(3));
});

Deno.test("an own augmentation is checked as the others are", async () => {
  const scene = await dataset().get(0);
  const refused = (list: { type: string; [key: string]: unknown }[], message: string) =>
    assertThrows(
      () => augment(scene, list, new Random(1), null, [lift]),
      UsageError,
      message,
    );
  refused([{ type: "lift", hight: 1 }], "[0].hight: unknown key of lift; allowed: height, p");
  refused([{ type: "lift", height: "1" }], '[0].height: expected a number of metres, got "1"');
  refused([{ type: "lift", height: 0 }], "[0].p: expected at most height");
  refused([{ type: "lfit" }], 'zero_features, lift, got "lfit"');
  assertThrows(
    () => augment(scene, [{ type: "lift" }], new Random(1)),
    UsageError,
    "augmentation[0].type: expected one of rotate",
  );
  assertThrows(
    () => augment(scene, [], new Random(1), null, [{ ...lift, type: "drop" }]),
    UsageError,
    "there are two augmentations called drop; give yours another name",
  );
  const point = { ...scene, coords: scene.coords.slice(0, 3), feats: scene.feats.slice(0, 3) };
  assertThrows(
    () => augment(point, [{ type: "lift" }], new Random(1), null, [lift]),
    UsageError,
    "lift needs two points, the scene's features are: normals",
  );
});

Deno.test("an own augmentation that hides points has to say so", async () => {
  const scene = await dataset().get(0);
  const thinned = thinTree(scene.tree, 100)!;
  const draw = (rule: AugmentationRule) =>
    augment(scene, [{ type: "hide_first" }], new Random(1), thinned, [rule]);
  assertEquals(draw(hideFirst).coords.length, 3 * thinned.tree.order.length);
  assertThrows(() => draw({ ...hideFirst, hidesPoints: undefined }), Error, "say hidesPoints");
});

Deno.test("batches take own augmentations in this thread, and refuse them with workers", async () => {
  const options = {
    batchSize: 2,
    seed: 3,
    featureWidth: 3,
    maxHierarchyDepth: null,
    augmentation: [{ type: "lift" }],
    augmentations: [lift],
    numWorkers: 0,
  };
  using loader = await BatchLoader.create(dataset(), options);
  const batch = await loader.batch(0, 0);
  const indices = [0, 1, 2];
  const plain = { ...options, epoch: 0, step: 0 };
  const lifted = await makeTrainingBatch(dataset(), indices, plain);
  const level = await makeTrainingBatch(dataset(), indices, { ...plain, augmentation: [] });
  assertEquals(lifted.view1.coords[2], Math.fround(level.view1.coords[2] + 2));
  assert(batch.view1.coords.length > 0);
  await assertRejects(
    () => BatchLoader.create(dataset(), { ...options, numWorkers: 1 }),
    UsageError,
    "Own augmentations run in this thread only: set num_workers to 0",
  );
});
