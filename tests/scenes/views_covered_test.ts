import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { augmentationProblems } from "../../src/scenes/views/augmentation.ts";
import type { Augmentation } from "../../src/scenes/views/augmentations/types.ts";
import { Random } from "../../src/base/random.ts";
import type { Scene } from "../../src/scenes/scene.ts";
import { buildTree } from "../../src/scenes/tree_builder.ts";
import { augment } from "../../src/scenes/views/views.ts";
import { UsageError } from "../../src/base/errors.ts";

const COUNT = 613;

/**
 * Points in a box with unit normals (none for point 5) and a height; every coordinate is unlike
 * every other.
 */
function scene(): Scene {
  const random = new Random(3, "covered views test");
  const coords = random.fillUniform(new Float32Array(3 * COUNT), -1, 1);
  const feats = new Float32Array(4 * COUNT);
  for (let i = 0; i < COUNT; i++) {
    const n = [random.normal(), random.normal(), random.normal()];
    const length = i === 5 ? Infinity : Math.hypot(...n);
    feats.set([...n.map((value) => value / length), coords[3 * i + 2]], 4 * i);
  }
  return {
    id: "box",
    coords,
    feats,
    featureColumns: [
      { name: "normals", width: 3, kind: "vector" },
      { name: "height", width: 1, kind: "scalar" },
    ],
    tree: buildTree(coords, { minPoints: 9 }),
  };
}

/**
 * For each point of the view the point of the scene whose row it holds; both rows must be the same
 * point's.
 */
function sources(one: Scene, view: { coords: Float32Array; feats: Float32Array }): number[] {
  const byX = new Map(Array.from({ length: COUNT }, (_, i) => [one.coords[3 * i], i]));
  return Array.from({ length: COUNT }, (_, i) => {
    const source = byX.get(view.coords[3 * i])!;
    const row = (values: Float32Array, width: number, k: number) =>
      values.subarray(width * k, width * (k + 1));
    assertEquals(row(view.coords, 3, i), row(one.coords, 3, source));
    assertEquals(row(view.feats, 4, i), row(one.feats, 4, source));
    return source;
  });
}

const always = (augmentation: Augmentation): Augmentation[] => [{ ...augmentation, p: 1 }];

function members(one: Scene, region: number): Uint32Array {
  return one.tree.order.slice(one.tree.start[region], one.tree.end[region]);
}

const isLeaf = (one: Scene, region: number): boolean => one.tree.parent[region + 1] !== region;

Deno.test("a dropped point takes the row of one that the view sees, out of its own leaf", () => {
  const one = scene();
  let hidden = 0;
  for (let seed = 0; seed < 20; seed++) {
    const from = sources(one, augment(one, always({ type: "drop", ratio: 0.3 }), new Random(seed)));
    from.forEach((source, i) => {
      assertEquals(from[source], source, "what is copied is seen");
      if (source !== i) hidden++;
    });
    one.tree.level.forEach((_, region) => {
      if (!isLeaf(one, region)) return;
      const points = new Set(members(one, region));
      const seen = [...points].filter((i) => from[i] === i);
      if (seen.length > 0) { for (const i of points) assert(points.has(from[i])); }
    });
  }
  assertAlmostEquals(hidden / (20 * COUNT), 0.3, 0.02);
  assertEquals(one, scene(), "the scene itself does not change");
});

Deno.test("a hidden centre takes the nearest point that the view sees", () => {
  const one = scene();
  const square = (a: number, b: number) =>
    [0, 1, 2].reduce((sum, k) => sum + (one.coords[3 * a + k] - one.coords[3 * b + k]) ** 2, 0);
  let hidden = 0;
  for (let seed = 0; seed < 20; seed++) {
    const from = sources(one, augment(one, always({ type: "drop", ratio: 0.5 }), new Random(seed)));
    one.tree.center.forEach((center, region) => {
      if (!isLeaf(one, region) || from[center] === center) return;
      const seen = [...members(one, region)].filter((point) => from[point] === point);
      if (seen.length === 0) return;
      const least = Math.min(...seen.map((point) => square(point, center)));
      assertEquals(square(from[center], center), least);
      hidden++;
    });
  }
  assert(hidden > 50, String(hidden));
});

Deno.test("two views drop different points, the same stream the same ones", () => {
  const one = scene();
  const drawn = (seed: number) => augment(one, always({ type: "drop" }), new Random(seed));
  assertEquals(drawn(1), drawn(1));
  const [a, b] = [1, 2].map((seed) => sources(one, drawn(seed)));
  const both = a.filter((source, i) => source === i && b[i] === i).length;
  assertAlmostEquals(both / COUNT, 0.25, 0.06);
});

Deno.test("a draw that leaves nothing to see changes nothing", () => {
  const one = scene();
  for (const type of ["drop", "drop_regions"] as const) {
    const list: Augmentation[] = [{
      type,
      ratio: 1,
      p: 1,
      ...(type === "drop" ? {} : { level: 1 }),
    }];
    const view = augment(one, list, new Random(4));
    assertEquals(view, { coords: one.coords, feats: one.feats });
  }
  const nearly = augment(one, always({ type: "crop", min: 0, max: 0 }), new Random(4));
  assertEquals(new Set(nearly.coords).size, 3, "a crop keeps one point");
});

Deno.test("whole regions of the asked level vanish, each with its chance, others stay", () => {
  const one = scene();
  const regions = [...one.tree.level.keys()].filter((region) => one.tree.level[region] === 1);
  let gone = 0;
  for (let seed = 0; seed < 60; seed++) {
    const list = always({ type: "drop_regions", level: 1, ratio: 0.25 });
    const from = sources(one, augment(one, list, new Random(seed)));
    for (const region of regions) {
      const points = [...members(one, region)];
      const moved = points.filter((i) => from[i] !== i).length;
      assert(moved === 0 || moved === points.length);
      if (moved > 0) gone++;
    }
  }
  assertAlmostEquals(gone / (60 * regions.length), 0.25, 0.06);
});

Deno.test("a crop keeps the asked share of the points on one side of a plane through the view", () => {
  const one = scene();
  const shares = Array.from({ length: 40 }, (_, seed) => {
    const list = always({ type: "crop", min: 0.5, max: 0.9 });
    const from = sources(one, augment(one, list, new Random(seed)));
    const kept = from.flatMap((source, i) => source === i ? [i] : []);
    const lost = from.flatMap((source, i) => source === i ? [] : [i]);
    const middle = (points: number[]) =>
      [0, 1, 2].map((k) =>
        points.reduce((sum, i) => sum + one.coords[3 * i + k], 0) / points.length
      );
    const [a, b] = [middle(kept), middle(lost)];
    assert(Math.hypot(...a.map((v, k) => v - b[k])) > 0.4, "what is lost lies on one side");
    return kept.length / COUNT;
  });
  assert(Math.min(...shares) >= 0.499 && Math.max(...shares) <= 0.901);
  assert(Math.max(...shares) - Math.min(...shares) > 0.2);
});

Deno.test("what is covered up copies the point as the view has it at that place of the list", () => {
  const one = scene();
  const list: Augmentation[] = [
    { type: "rotate", p: 1 },
    { type: "drop", ratio: 0.5, p: 1 },
    { type: "scale", min: 3, max: 3, p: 1 },
  ];
  const { coords, feats } = augment(one, list, new Random(7));
  const heights = new Set(Array.from({ length: COUNT }, (_, i) => coords[3 * i + 2]));
  assertAlmostEquals(heights.size / COUNT, 0.5, 0.06);
  for (let i = 0; i < COUNT; i++) {
    assertAlmostEquals(coords[3 * i + 2], 3 * feats[4 * i + 3], 1e-5);
  }
  const noisy = augment(one, [list[1], { type: "jitter", p: 1 }], new Random(7));
  assertEquals(
    new Set(Array.from({ length: COUNT }, (_, i) => noisy.coords[3 * i])).size > 0.99 * COUNT,
    true,
    "noise after it sets copies apart",
  );
});

Deno.test("a turn about any direction keeps lengths and handedness, and tips the vertical", () => {
  const one = scene();
  const tips = Array.from({ length: 50 }, (_, seed) => {
    const { coords, feats } = augment(
      one,
      always({ type: "rotate", axis: "any" }),
      new Random(seed),
    );
    const at = (values: Float32Array, i: number) => Array.from(values.subarray(3 * i, 3 * i + 3));
    const det = (values: Float32Array) => {
      const [[a, b, c], [d, e, f], [g, h, i]] = [0, 1, 2].map((k) => at(values, k));
      return a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g);
    };
    assertAlmostEquals(det(coords), det(one.coords), 1e-5);
    for (let i = 0; i < COUNT; i += 50) {
      assertAlmostEquals(Math.hypot(...at(coords, i)), Math.hypot(...at(one.coords, i)), 1e-5);
      const along = (c: Float32Array, f: Float32Array) =>
        [0, 1, 2].reduce((sum, k) => sum + c[3 * i + k] * f[4 * i + k], 0);
      assertAlmostEquals(along(coords, feats), along(one.coords, one.feats), 1e-5);
    }
    return Math.abs(coords[2] - one.coords[2]);
  });
  assert(Math.max(...tips) > 0.5);
});

Deno.test("noise on normals keeps their length and leaves missing ones and coordinates alone", () => {
  const one = scene();
  const { coords, feats } = augment(
    one,
    always({ type: "jitter_normals", sigma: 0.2 }),
    new Random(1),
  );
  assertEquals(coords, one.coords);
  const angles = Array.from({ length: COUNT }, (_, i) => {
    const n = feats.subarray(4 * i, 4 * i + 3), before = one.feats.subarray(4 * i, 4 * i + 3);
    assertEquals(feats[4 * i + 3], one.feats[4 * i + 3]);
    assertAlmostEquals(Math.hypot(...n), i === 5 ? 0 : 1, 1e-6);
    return Math.acos(Math.min(1, n[0] * before[0] + n[1] * before[1] + n[2] * before[2]));
  }).filter((_, i) => i !== 5);
  // Two of the three directions of the noise turn the normal: the mean angle is 0.2 √(π/2).
  assertAlmostEquals(angles.reduce((sum, v) => sum + v) / angles.length, 0.25, 0.03);
});

Deno.test("features are set to zero by name, or all of them, in the asked share of views", () => {
  const one = scene();
  const zeros = (view: { feats: Float32Array }) =>
    [0, 1, 2, 3].map((k) => view.feats.every((v, i) => i % 4 !== k || v === 0));
  const draw = (augmentation: Augmentation, seed = 0) =>
    zeros(augment(one, [augmentation], new Random(seed)));
  assertEquals(draw({ type: "zero_features", p: 1 }), [true, true, true, true]);
  assertEquals(draw({ type: "zero_features", names: ["height"], p: 1 }), [
    false,
    false,
    false,
    true,
  ]);
  assertEquals(draw({ type: "zero_features", names: ["normals"], p: 1 }), [
    true,
    true,
    true,
    false,
  ]);
  const share = Array.from({ length: 300 }, (_, seed) => draw({ type: "zero_features" }, seed)[0]);
  assertAlmostEquals(share.filter(Boolean).length / 300, 0.2, 0.06);
});

Deno.test("what covers up, zeroes or shakes is refused when it cannot be", () => {
  const one = scene();
  assertThrows(
    () => augment(one, [{ type: "zero_features", names: ["color"] }], new Random(0)),
    UsageError,
    "Cannot augment scene box: zero_features needs color, the scene's features are: normals, height",
  );
  const plain = { ...one, featureColumns: [{ name: "values", width: 4, kind: "scalar" as const }] };
  assertThrows(
    () => augment(plain, [{ type: "jitter_normals" }], new Random(0)),
    UsageError,
    "jitter_normals needs normals or other vectors, the scene's features are: values",
  );
  const problems = augmentationProblems([
    { type: "crop", min: 0.8, max: 0.7 },
    { type: "drop", ratio: 2 },
    { type: "drop_regions", level: 0 },
    { type: "zero_features", names: [] },
  ]);
  assertEquals(problems.map(({ path, message }) => [...path, message].join(" ")), [
    "0 min expected at most max, 0.7, got 0.8",
    "1 ratio expected a number from 0 to 1, got 2",
    "2 level expected a whole number of at least 1, got 0",
    "3 names expected a list of feature names, or null for all, got []",
  ]);
});
