import { assertEquals, assertNotStrictEquals, assertThrows } from "@std/assert";
import { buildBatch } from "../../src/scenes/batches/batch_builder.ts";
import { Random } from "../../src/base/random.ts";
import { type NestedRegion, treeFromNested } from "../../src/scenes/region_tree.ts";
import type { Scene } from "../../src/scenes/scene.ts";
import { DataError, UsageError } from "../../src/base/errors.ts";

/**
 * A scene of `count` points, its tree grown at random: points in no child, one-point regions,
 * uneven depth.
 */
function scene(
  id: string,
  count: number,
  depth: number,
  width = 3,
): { scene: Scene; nested: NestedRegion } {
  const random = new Random(3, id, count);
  const grow = (indices: number[], level: number): NestedRegion => {
    const children: NestedRegion[] = [];
    if (level < depth && (level === 0 || random.uniform() < 0.7)) {
      const left = random.shuffle([...indices]);
      for (let child = 1 + random.int(4); child > 0 && left.length > 0; child--) {
        children.push(grow(left.splice(0, 1 + random.int(left.length)), level + 1));
      }
    }
    return { indices, center_idx: indices[random.int(indices.length)], level, children };
  };
  const nested = grow(Array.from({ length: count }, (_, i) => i), 0);
  return {
    nested,
    scene: {
      id,
      coords: random.fillNormal(new Float32Array(3 * count)),
      feats: random.fillNormal(new Float32Array(width * count)),
      featureColumns: [{ name: "features", width, kind: "scalar" }],
      tree: treeFromNested(nested, count, id),
    },
  };
}

function item(one: Scene) {
  const random = new Random(4, one.id);
  return {
    scene: one,
    view1: {
      coords: random.fillNormal(one.coords.slice()),
      feats: random.fillNormal(one.feats.slice()),
    },
    view2: {
      coords: random.fillNormal(one.coords.slice()),
      feats: random.fillNormal(one.feats.slice()),
    },
  };
}

/** The regions of one level in depth-first pre-order, scenes in order, as points of the batch. */
function regionsByTheBook(
  nested: NestedRegion[],
  offsets: ArrayLike<number>,
  depth: number,
  cut: number,
) {
  const found: {
    scene: number;
    points: number[];
    center: number;
    parent?: NestedRegion;
    self: NestedRegion;
  }[] = [];
  const visit = (region: NestedRegion, scene: number, parent?: NestedRegion): void => {
    if (region.level === depth) {
      const points = region.indices.map((i) => i + offsets[scene]).sort((a, b) => a - b);
      found.push({
        scene,
        points,
        center: region.center_idx + offsets[scene],
        parent,
        self: region,
      });
    }
    if (region.level < Math.min(depth, cut)) {
      for (const child of region.children) visit(child, scene, region);
    }
  };
  if (depth <= cut) nested.forEach((root, scene) => visit(root, scene));
  return found;
}

function checkAgainstTheBook(
  made: { scene: Scene; nested: NestedRegion }[],
  maxHierarchyDepth: number | null,
): void {
  const items = made.map(({ scene }) => item(scene));
  const batch = buildBatch(items, { maxHierarchyDepth });
  const cut = maxHierarchyDepth ?? Infinity;
  const nested = made.map((one) => one.nested);
  const counts = made.map(({ scene }) => scene.coords.length / 3);
  const pointOffsets = counts.reduce((sums, n) => [...sums, sums[sums.length - 1] + n], [0]);

  assertEquals(batch.sceneIds, made.map(({ scene }) => scene.id));
  assertEquals(Array.from(batch.pointOffsets), pointOffsets);
  assertEquals(batch.pointCount, pointOffsets[counts.length]);
  assertEquals(Array.from(batch.order).sort((a, b) => a - b), Array.from(batch.order.keys()));
  counts.forEach((_, i) => {
    for (let row = pointOffsets[i]; row < pointOffsets[i + 1]; row++) {
      const point = batch.order[row] - pointOffsets[i];
      const width = batch.featureWidth;
      for (const name of ["view1", "view2"] as const) {
        const { coords, feats } = items[i][name];
        assertEquals(
          batch[name].coords.slice(3 * row, 3 * row + 3),
          coords.slice(3 * point, 3 * point + 3),
        );
        assertEquals(
          batch[name].feats.slice(width * row, width * row + width),
          feats.slice(width * point, width * point + width),
        );
      }
    }
  });

  const byTheBook = (depth: number) => regionsByTheBook(nested, pointOffsets, depth, cut);
  assertEquals(byTheBook(batch.levels.length), [], "no level is missing");
  batch.levels.forEach((level, depth) => {
    const expected = byTheBook(depth), above = byTheBook(depth - 1), below = byTheBook(depth + 1);
    assertEquals(level.start.length, expected.length);
    expected.forEach((region, r) => {
      const run = Array.from(batch.order.subarray(level.start[r], level.end[r])).sort((a, b) =>
        a - b
      );
      assertEquals(run, region.points);
      assertEquals(batch.order[level.center[r]], region.center);
      assertEquals(
        level.parent[r],
        depth === 0 ? 0 : above.findIndex((up) => up.self === region.parent),
      );
      const children = below.flatMap((down, index) => down.parent === region.self ? [index] : []);
      assertEquals(level.childEnd[r] - level.childStart[r], children.length);
      if (children.length > 0) assertEquals(level.childStart[r], children[0]);
    });
    const offsets = made.map((_, i) => expected.filter(({ scene }) => scene < i).length);
    assertEquals(Array.from(level.offsets), [...offsets, expected.length]);
  });
}

Deno.test("a batch holds every region as a segment, in pre-order, with its centre, parent and children", () => {
  checkAgainstTheBook(
    [scene("a", 57, 3), scene("b", 1, 0), scene("c", 131, 5), scene("d", 20, 1)],
    null,
  );
  checkAgainstTheBook([scene("root only", 5, 0)], null);
  checkAgainstTheBook([scene("b", 1, 4), scene("e", 90, 6), scene("f", 2, 2)], null);
});

Deno.test("a depth limit turns the regions at that depth into leaves", () => {
  const made = [scene("a", 57, 3), scene("b", 1, 0), scene("c", 131, 5)];
  for (const depth of [0, 1, 2, 4, 9]) checkAgainstTheBook(made, depth);
});

Deno.test("any feature width is carried, none included", () => {
  checkAgainstTheBook([scene("a", 17, 2, 7), scene("b", 8, 1, 7)], null);
  checkAgainstTheBook([scene("a", 17, 2, 0)], null);
});

Deno.test("the batch owns its arrays", () => {
  const { scene: one } = scene("a", 9, 0);
  const identity = { coords: one.coords, feats: one.feats };
  const batch = buildBatch([{ scene: one, view1: identity, view2: identity }], {
    maxHierarchyDepth: null,
  });
  assertEquals(batch.view1.coords, one.coords);
  assertNotStrictEquals(batch.view1.coords.buffer, one.coords.buffer);
  assertNotStrictEquals(batch.view1.coords, batch.view2.coords);
});

Deno.test("scenes that do not go together are refused by name", () => {
  const none = { maxHierarchyDepth: null };
  assertThrows(() => buildBatch([], none), UsageError, "there are no scenes");
  const one = item(scene("a", 9, 1).scene), wide = item(scene("w", 9, 1, 6).scene);
  assertThrows(
    () => buildBatch([one, wide], none),
    UsageError,
    "scene w: it has 6 features a point, scene a",
  );
  const uneven = { ...one.scene, feats: new Float32Array(28) };
  assertThrows(
    () => buildBatch([{ ...one, scene: uneven }], none),
    DataError,
    "28 feature values do not divide",
  );
  const short = { coords: one.view2.coords, feats: new Float32Array(24) };
  assertThrows(
    () => buildBatch([{ ...one, view2: short }], none),
    DataError,
    "scene a: view2 holds 27 coordinates and 24 features; expected 27 and 27",
  );
  const foreign = { ...one.scene, tree: scene("f", 8, 1).scene.tree };
  assertThrows(
    () => buildBatch([{ ...one, scene: foreign }], none),
    DataError,
    "its tree orders 8 points, it has 9",
  );
});
