import { assertEquals, assertNotEquals, assertRejects, assertThrows } from "@std/assert";
import { TRAINING_AUGMENTATION } from "../../src/scenes/views/augmentations/table.ts";
import {
  batchIndices,
  epochOrder,
  makeTrainingBatch,
  makeValidationBatch,
} from "../../src/scenes/batches/loader.ts";
import { SyntheticDataset } from "../../src/scenes/synthetic/synthetic.ts";
import { UsageError } from "../../src/base/errors.ts";

const dataset = new SyntheticDataset({ scenes: 5, seed: 1, points: 150, minPoints: 8 });
const options = {
  seed: 9,
  epoch: 2,
  step: 17,
  augmentation: TRAINING_AUGMENTATION,
  maxHierarchyDepth: 1,
  featureWidth: 3,
};

Deno.test("an epoch's order is a permutation fixed by seed and epoch", () => {
  const order = epochOrder(53, 4, 7, true);
  assertEquals(Array.from(order).sort((a, b) => a - b), Array.from({ length: 53 }, (_, i) => i));
  assertEquals(epochOrder(53, 4, 7, true), order);
  assertNotEquals(epochOrder(53, 4, 8, true), order);
  assertNotEquals(epochOrder(53, 5, 7, true), order);
  assertEquals(Array.from(epochOrder(4, 4, 7, false)), [0, 1, 2, 3]);
  assertEquals(epochOrder(0, 4, 7, true).length, 0);
});

Deno.test("batches keep the order, and the short one at the end", () => {
  const batches = batchIndices(Uint32Array.of(4, 2, 0, 3, 1), 2);
  assertEquals(batches.map((batch) => Array.from(batch)), [[4, 2], [0, 3], [1]]);
  assertEquals(batchIndices(new Uint32Array(0), 3), []);
  assertThrows(
    () => batchIndices(new Uint32Array(3), 0),
    UsageError,
    "batch_size: expected at least 1",
  );
});

Deno.test("a training batch has two different views, the same every time", async () => {
  const batch = await makeTrainingBatch(dataset, [3, 0], options);
  assertEquals(batch.sceneIds, ["synthetic_000003", "synthetic_000000"]);
  assertEquals([batch.pointCount, batch.featureWidth, batch.levels.length], [300, 3, 2]);
  assertNotEquals(batch.view1.coords, batch.view2.coords);
  assertEquals(await makeTrainingBatch(dataset, Uint32Array.of(3, 0), options), batch);
  for (const change of [{ seed: 8 }, { epoch: 3 }, { step: 18 }]) {
    const other = await makeTrainingBatch(dataset, [3, 0], { ...options, ...change });
    assertNotEquals(other.view1.coords, batch.view1.coords);
    assertNotEquals(other.view2.coords, batch.view2.coords);
  }
});

Deno.test("a scene's views do not depend on who else is in its batch", async () => {
  const pair = await makeTrainingBatch(dataset, [3, 0], options);
  const alone = await makeTrainingBatch(dataset, [0], options);
  assertEquals(pair.view1.coords.slice(450), alone.view1.coords);
  assertEquals(pair.view2.feats.slice(450), alone.view2.feats);
});

Deno.test("a validation batch shows both branches the scenes as they are", async () => {
  const batch = await makeValidationBatch(dataset, [1], {
    maxHierarchyDepth: null,
    featureWidth: 3,
  });
  const scene = await dataset.get(1);
  assertEquals(batch.view1, batch.view2);
  batch.order.forEach((point, row) => {
    assertEquals(
      batch.view1.coords.slice(3 * row, 3 * row + 3),
      scene.coords.slice(3 * point, 3 * point + 3),
    );
  });
});

Deno.test("features of another width than the model's are refused with what to do", async () => {
  await assertRejects(
    () => makeTrainingBatch(dataset, [1], { ...options, featureWidth: 6 }),
    UsageError,
    "Cannot use scene synthetic_000001: expected 6 features a point (input_feat_dim), got 3 (normals 3); " +
      "set input_feat_dim to 3 or choose other features",
  );
});
