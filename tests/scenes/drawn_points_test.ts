import { assert, assertEquals } from "@std/assert";
import { drawPoints, thinTree } from "../../src/scenes/views/drawn_points.ts";
import { makeTrainingBatch } from "../../src/scenes/batches/loader.ts";
import { Random } from "../../src/base/random.ts";
import { cutTree, validateTree } from "../../src/scenes/region_tree.ts";
import type { Scene } from "../../src/scenes/scene.ts";
import { buildTree } from "../../src/scenes/tree_builder.ts";
import { augment } from "../../src/scenes/views/views.ts";

const COUNT = 500;

/** Points in a box, every coordinate unlike every other; x is the feature too. */
function scene(): Scene {
  const coords = new Random(5, "drawn points").fillUniform(new Float32Array(3 * COUNT), -1, 1);
  const feats = Float32Array.from({ length: COUNT }, (_, i) => coords[3 * i]);
  const tree = buildTree(coords, { minPoints: 20 });
  return {
    id: "box",
    coords,
    feats,
    featureColumns: [{ name: "x", width: 1, kind: "scalar" }],
    tree,
  };
}

Deno.test("a thinned tree has the regions of the whole one, each with its share of the points", () => {
  const { tree } = scene();
  const thin = thinTree(tree, 100)!;
  validateTree(thin.tree, thin.count, "thinned");
  assertEquals([thin.tree.level, thin.tree.parent], [tree.level, tree.parent]);
  // Rounding and centres may add to a hundred.
  assert(thin.count >= 90 && thin.count <= 100 + tree.level.length, String(thin.count));
  tree.level.forEach((_, region) => {
    assert(thin.tree.end[region] > thin.tree.start[region]);
  });
});

Deno.test("few points are left as they are, one a leaf and all centres at least", () => {
  const { tree } = scene();
  assertEquals(thinTree(tree, COUNT), null);
  const least = thinTree(tree, 1)!;
  validateTree(least.tree, least.count, "thinned");
  const centers = new Set(tree.center);
  assertEquals(
    new Set(drawPoints(least, tree.order, new Uint8Array(COUNT), new Random(1))),
    centers,
  );
  assertEquals(least.count, centers.size);
  assertEquals(thinTree(cutTree(tree, 0), 1)!.count, 1);
});

Deno.test("drawn points are the region's own, each once, seen ones first, centres always", () => {
  const { tree } = scene();
  const thin = thinTree(tree, 200)!;
  const seen = Uint8Array.from({ length: COUNT }, (_, point) => point % 2);
  const drawn = drawPoints(thin, tree.order, seen, new Random(2));
  assertEquals(new Set(drawn).size, thin.count);
  const regionsOf = ({ order, start, end }: typeof tree, row: number) => {
    const at = order.indexOf(row);
    return Array.from(start.keys()).filter((r) => start[r] <= at && at < end[r]);
  };
  drawn.forEach((point, row) => {
    assertEquals(regionsOf(thin.tree, row), regionsOf(tree, point));
  });
  thin.tree.center.forEach((row, region) => assertEquals(drawn[row], tree.center[region]));
  for (const { first, count, start, end, centers } of thin.groups) {
    const own = drawn.subarray(first + centers.length, first + count);
    const offered = tree.order.slice(start, end).filter((p) => seen[p] && !centers.includes(p));
    assertEquals(
      own.filter((point) => seen[point] === 1).length,
      Math.min(own.length, offered.length),
    );
  }
  assertEquals(drawn, drawPoints(thin, tree.order, seen, new Random(2)));
  const other = drawPoints(thin, tree.order, seen, new Random(3));
  assert(other.some((point, row) => point !== drawn[row]));
});

Deno.test("a view draws behind what hides points, and jitters what it drew", () => {
  const one = scene();
  const thin = thinTree(cutTree(one.tree, 0), 50)!;
  const crop = { type: "crop", min: 0.3, max: 0.3, p: 1 } as const;
  const view = augment(one, [crop, { type: "scale", min: 2, max: 2, p: 1 }], new Random(9), thin);
  assertEquals([view.coords.length, view.feats.length], [150, 50]);
  // What is drawn of 150 seen points is seen, and no point twice; the centre may be a copy.
  assert(new Set(view.feats).size >= 49);
  view.feats.forEach((x, i) => assertEquals(view.coords[3 * i], Math.fround(2 * x)));
  const whole = augment(one, [crop], new Random(9));
  const seen = new Set(whole.feats);
  assert(view.feats.every((x) => seen.has(x)));
  const noisy = augment(one, [crop, { type: "jitter", sigma: 0.1, p: 1 }], new Random(9), thin);
  assertEquals(noisy.coords.length, 150);
  assert(noisy.feats.every((x, i) => noisy.coords[3 * i] !== x));
});

Deno.test("a batch of drawn views: points of both are the regions', and differ", async () => {
  const one = scene();
  const options = {
    seed: 1,
    epoch: 0,
    step: 0,
    augmentation: [],
    maxHierarchyDepth: 1,
    featureWidth: 1,
    pointsPerView: 100,
  };
  const dataset = { length: 1, get: () => Promise.resolve(one) };
  const batch = await makeTrainingBatch(dataset, [0, 0], options);
  const thin = thinTree(cutTree(one.tree, 1), 100)!;
  assertEquals(batch.pointCount, 2 * thin.count);
  assertEquals(batch.levels.map(({ start }) => start.length), [
    2,
    2 * thin.tree.level.filter((level) => level === 1).length,
  ]);
  assert(batch.view1.feats.some((x, i) => x !== batch.view2.feats[i]));
  for (const view of [batch.view1, batch.view2]) {
    batch.levels[0].center.forEach((row) =>
      assertEquals(view.feats[row], one.feats[one.tree.center[0]])
    );
  }
});
