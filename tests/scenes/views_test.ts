import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { augmentationProblems, parseAugmentation } from "../../src/scenes/views/augmentation.ts";
import { TRAINING_AUGMENTATION } from "../../src/scenes/views/augmentations/table.ts";
import type { Augmentation } from "../../src/scenes/views/augmentations/types.ts";
import { Random } from "../../src/base/random.ts";
import type { Scene } from "../../src/scenes/scene.ts";
import { buildTree } from "../../src/scenes/tree_builder.ts";
import { augment, identityView } from "../../src/scenes/views/views.ts";
import { DataError, UsageError } from "../../src/base/errors.ts";

const COUNT = 37, WIDTH = 8;

/**
 * Points with, in this order, an intensity, unit normals, colours and a height. Point 5 has no
 * normal.
 */
function scene(): Scene {
  const random = new Random(1, "views test");
  const coords = random.fillNormal(new Float32Array(3 * COUNT), 0.5, 2);
  const feats = random.fillUniform(new Float32Array(WIDTH * COUNT), 0.2, 0.7);
  for (let i = 0; i < COUNT; i++) {
    const n = [random.normal(), random.normal(), random.normal()];
    const length = i === 5 ? Infinity : Math.hypot(...n);
    feats.set(n.map((value) => value / length), WIDTH * i + 1);
  }
  return {
    id: "room",
    coords,
    feats,
    featureColumns: [
      { name: "intensity", width: 1, kind: "scalar" },
      { name: "normals", width: 3, kind: "vector" },
      { name: "colors", width: 3, kind: "color" },
      { name: "height", width: 1, kind: "scalar" },
    ],
    tree: buildTree(coords),
  };
}

const point = (coords: Float32Array, i: number): number[] =>
  Array.from(coords.subarray(3 * i, 3 * i + 3));
const normal = (feats: Float32Array, i: number): number[] =>
  Array.from(feats.subarray(WIDTH * i + 1, WIDTH * i + 4));
const colors = (feats: Float32Array): number[] =>
  Array.from({ length: 3 * COUNT }, (_, i) => feats[WIDTH * Math.floor(i / 3) + 4 + i % 3]);
const dot = (a: number[], b: number[]): number => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
const minus = (a: number[], b: number[]): number[] => a.map((value, k) => value - b[k]);

/** What `augment` makes of one augmentation that is always applied. */
function view(augmentation: Augmentation, seed = 0) {
  const before = scene();
  const after = augment(before, [{ ...augmentation, p: 1 }], new Random(seed, augmentation.type));
  assertEquals(before, scene(), "the scene itself does not change");
  return { before, after };
}

Deno.test("an identity view is the scene, no augmentation a copy of it", () => {
  const one = scene();
  assertEquals(identityView(one), { coords: one.coords, feats: one.feats });
  const copy = augment(one, [], new Random(0));
  assertEquals(copy, identityView(one));
  assert(copy.coords !== one.coords && copy.feats !== one.feats);
});

Deno.test("rotation turns coordinates and normals alike, about the asked axis, and nothing else", () => {
  (["x", "y", "z"] as const).forEach((axis, k) => {
    const { before, after } = view({ type: "rotate", axis }, 1);
    const [a, b] = [(k + 1) % 3, (k + 2) % 3];
    const from = point(before.coords, 0), to = point(after.coords, 0);
    const angle = Math.atan2(to[b], to[a]) - Math.atan2(from[b], from[a]);
    const turned = (v: number[]): number[] => {
      const out = [...v];
      out[a] = Math.cos(angle) * v[a] - Math.sin(angle) * v[b];
      out[b] = Math.sin(angle) * v[a] + Math.cos(angle) * v[b];
      return out;
    };
    assert(Math.abs(Math.sin(angle)) > 0.01, "the draw is no identity");
    for (let i = 0; i < COUNT; i++) {
      turned(point(before.coords, i)).forEach((v, c) =>
        assertAlmostEquals(after.coords[3 * i + c], v, 1e-5)
      );
      turned(normal(before.feats, i)).forEach((v, c) => {
        assertAlmostEquals(after.feats[WIDTH * i + 1 + c], v, 1e-6);
      });
      assertEquals(after.feats[WIDTH * i], before.feats[WIDTH * i]);
      assertEquals(after.feats[WIDTH * i + 7], before.feats[WIDTH * i + 7]);
    }
    assertEquals(colors(after.feats), colors(before.feats));
  });
});

Deno.test("rotation angles are uniform within their bounds", () => {
  const one = scene();
  const octants = new Uint32Array(8);
  for (let seed = 0; seed < 800; seed++) {
    const { coords } = augment(one, [{ type: "rotate", p: 1 }], new Random(seed));
    const turn = Math.atan2(coords[1], coords[0]) - Math.atan2(one.coords[1], one.coords[0]);
    octants[Math.floor((turn / (2 * Math.PI) + 2) % 1 * 8)]++;
    const small = augment(one, [{ type: "rotate", degrees: 10, p: 1 }], new Random(seed)).coords;
    const swing = Math.atan2(small[1], small[0]) - Math.atan2(one.coords[1], one.coords[0]);
    assert(Math.abs(Math.atan2(Math.sin(swing), Math.cos(swing))) <= 10.001 * Math.PI / 180);
  }
  for (const count of octants) assertAlmostEquals(count, 100, 40);
});

Deno.test("a uniform scale grows coordinates and leaves normals", () => {
  const factors = Array.from({ length: 20 }, (_, seed) => {
    const { before, after } = view({ type: "scale" }, seed);
    const factor = after.coords[0] / before.coords[0];
    before.coords.forEach((v, i) => assertAlmostEquals(after.coords[i], factor * v, 1e-5));
    before.feats.forEach((v, i) => assertAlmostEquals(after.feats[i], v, 1e-6));
    return factor;
  });
  assert(Math.min(...factors) >= 0.9 && Math.max(...factors) <= 1.1);
  assert(Math.max(...factors) - Math.min(...factors) > 0.1);
});

/** Two directions in the surface that has the normal. */
function tangents(n: number[]): number[][] {
  const helper = Math.abs(n[0]) < 0.5 ? [1, 0, 0] : [0, 1, 0];
  const cross = (a: number[], b: number[]): number[] => [
    a[1] * b[2] - a[2] * b[1],
    a[2] * b[0] - a[0] * b[2],
    a[0] * b[1] - a[1] * b[0],
  ];
  const t = cross(n, helper);
  return [t, cross(n, t)];
}

Deno.test("after any linear augmentation a normal is still normal to its surface, outward, of its length", () => {
  const list: Augmentation[] = [
    { type: "rotate", axis: "x", p: 1 },
    { type: "scale", min: 0.5, max: 2, anisotropic: true, p: 1 },
    { type: "flip", axes: ["y"], p: 1 },
    { type: "rotate", axis: "z", p: 1 },
    { type: "scale", min: 0.5, max: 2, anisotropic: true, p: 1 },
  ];
  const before = scene();
  for (let i = 0; i < COUNT; i++) {
    const n = normal(before.feats, i);
    if (i === 5) continue;
    const [t, u] = tangents(n);
    // The probe's points: the origin, along both tangents, along the normal.
    const coords = new Float32Array([[0, 0, 0], t, u, n].flat());
    const feats = new Float32Array([n, n, n, n].flat());
    const featureColumns = [{ name: "normals", width: 3, kind: "vector" as const }];
    const probe: Scene = { id: "probe", coords, feats, featureColumns, tree: buildTree(coords) };
    const after = augment(probe, list, new Random(i));
    const m = Array.from(after.feats.subarray(0, 3)), origin = point(after.coords, 0);
    assertAlmostEquals(dot(m, minus(point(after.coords, 1), origin)), 0, 1e-5);
    assertAlmostEquals(dot(m, minus(point(after.coords, 2), origin)), 0, 1e-5);
    assert(dot(m, minus(point(after.coords, 3), origin)) > 0, "it still points outward");
    assertAlmostEquals(Math.hypot(...m), 1, 1e-5);
  }
  const after = augment(before, list, new Random(9));
  assertEquals(normal(after.feats, 5).map(Math.abs), [0, 0, 0]);
});

Deno.test("translation moves all points alike and no normal", () => {
  const { before, after } = view({ type: "translate", range: [0.5, 0, 3] }, 2);
  const offset = minus(point(after.coords, 0), point(before.coords, 0));
  assert(
    Math.abs(offset[0]) <= 0.5 && offset[1] === 0 && Math.abs(offset[2]) <= 3 && offset[2] !== 0,
  );
  before.coords.forEach((v, i) => assertAlmostEquals(after.coords[i], v + offset[i % 3], 1e-5));
  before.feats.forEach((v, i) => assertAlmostEquals(after.feats[i], v, 1e-6));
});

Deno.test("jitter moves each coordinate by clipped normal noise", () => {
  const { before, after } = view({ type: "jitter", sigma: 0.05, clip: 0.08 });
  const moves = Array.from(after.coords, (v, i) => v - before.coords[i]);
  assert(moves.every((move) => Math.abs(move) <= 0.0801));
  assertEquals(new Set(moves).size > COUNT, true);
  const deviation = Math.sqrt(moves.reduce((sum, move) => sum + move * move, 0) / moves.length);
  assertAlmostEquals(deviation, 0.043, 0.008);
  assertEquals(after.feats, before.feats);
});

Deno.test("the order of the list is kept: noise added before a scale is scaled", () => {
  const before = scene();
  const noise: Augmentation = { type: "jitter", sigma: 1, clip: 0.001, p: 1 };
  const scale: Augmentation = { type: "scale", min: 100, max: 100, p: 1 };
  const spread = (list: Augmentation[]): number =>
    augment(before, list, new Random(3)).coords.reduce(
      (most, v, i) => Math.max(most, Math.abs(v - 100 * before.coords[i])),
      0,
    );
  assertAlmostEquals(spread([noise, scale]), 0.1, 0.001);
  assertAlmostEquals(spread([scale, noise]), 0.001, 0.0001);
});

Deno.test("a flip mirrors coordinates and normals on its axes, each with its own chance", () => {
  const { before, after } = view({ type: "flip" });
  for (let i = 0; i < COUNT; i++) {
    const [x, y, z] = point(before.coords, i), n = normal(before.feats, i);
    assertEquals(point(after.coords, i), [-x, -y, z]);
    [-n[0], -n[1], n[2]].forEach((v, c) =>
      assertAlmostEquals(after.feats[WIDTH * i + 1 + c], v, 1e-6)
    );
  }
  const seen = new Map<string, number>();
  for (let seed = 0; seed < 400; seed++) {
    const { coords } = augment(before, [{ type: "flip" }], new Random(seed));
    const signs = [0, 1, 2].map((k) => Math.sign(coords[k] / before.coords[k])).join();
    seen.set(signs, (seen.get(signs) ?? 0) + 1);
  }
  assertEquals([...seen.keys()].sort(), ["-1,-1,1", "-1,1,1", "1,-1,1", "1,1,1"]);
  for (const count of seen.values()) assertAlmostEquals(count, 100, 40);
});

Deno.test("colour augmentations change colours alone and keep them in [0, 1]", () => {
  const jittered = view({ type: "color_jitter", sigma: 0.5 });
  const values = colors(jittered.after.feats);
  assert(values.every((v) => v >= 0 && v <= 1) && values.includes(0) && values.includes(1));
  const stretched = view({ type: "auto_contrast", blend: 1 });
  for (let channel = 0; channel < 3; channel++) {
    const column = colors(stretched.after.feats).filter((_, i) => i % 3 === channel);
    assertEquals([Math.min(...column), Math.max(...column)], [0, 1]);
  }
  const half = view({ type: "auto_contrast", blend: 0.5 });
  colors(half.after.feats).forEach((v, i) => {
    assertAlmostEquals(
      v,
      (colors(half.before.feats)[i] + colors(stretched.after.feats)[i]) / 2,
      1e-6,
    );
  });
  for (const { before, after } of [jittered, stretched, half]) {
    assertEquals(after.coords, before.coords);
    for (let i = 0; i < COUNT; i++) {
      assertEquals(normal(after.feats, i), normal(before.feats, i));
      assertEquals(after.feats[WIDTH * i + 7], before.feats[WIDTH * i + 7]);
    }
  }
});

Deno.test("a channel of one colour has no contrast to stretch", () => {
  const before = scene();
  for (let i = 0; i < COUNT; i++) before.feats[WIDTH * i + 4] = 0.25;
  const after = augment(before, [{ type: "auto_contrast", blend: 1, p: 1 }], new Random(0));
  for (let i = 0; i < COUNT; i++) assertEquals(after.feats[WIDTH * i + 4], 0.25);
});

Deno.test("training rotates and scales 95 % of its views, drawn from the stream alone", () => {
  const one = scene();
  let rotated = 0, scaled = 0;
  for (let seed = 0; seed < 1000; seed++) {
    const { coords } = augment(one, TRAINING_AUGMENTATION, new Random(seed, "p"));
    const ratio = coords[2] / one.coords[2];
    if (Math.abs(ratio - 1) > 1e-7) scaled++;
    if (Math.abs(coords[0] / one.coords[0] - ratio) > 1e-5) rotated++;
  }
  assertAlmostEquals(rotated, 950, 25);
  assertAlmostEquals(scaled, 950, 25);
  const draw = () => augment(one, TRAINING_AUGMENTATION, new Random(1, "p"));
  assertEquals(draw(), draw());
});

Deno.test("a list that is not right is refused with every problem named", () => {
  const list = [
    { type: "rotate", axis: "w", degrees: 200 },
    { type: "scale", min: 2, max: 1 },
    { type: "spin" },
    { type: "jitter", sigmas: 3 },
    7,
    { type: "flip", axes: ["x", "x"] },
    { type: "translate", range: [1, 2] },
    { type: "auto_contrast", blend: "0.5", p: 1.5 },
    { type: "scale", max: 0.5 },
    { type: "toString" },
  ];
  const error = assertThrows(() => parseAugmentation(list), UsageError);
  for (
    const part of [
      'augmentation[0].axis: expected x, y, z or any, got "w"',
      "augmentation[0].degrees: expected a number from 0 to 180, got 200",
      "augmentation[1].min: expected at most max, 1, got 2",
      "augmentation[2].type: expected one of rotate, scale, translate, jitter, flip, color_jitter, auto_contrast, " +
      'drop, drop_regions, crop, jitter_normals, zero_features, got "spin"',
      "augmentation[3].sigmas: unknown key of jitter; allowed: sigma, clip, p",
      "augmentation[4]: expected a mapping with a type",
      'augmentation[5].axes: expected a list of different axes out of x, y and z, got ["x","x"]',
      "augmentation[6].range: expected one number of metres or three, each at least 0, got [1,2]",
      "augmentation[7].blend: expected a number from 0 to 1, or null for a random one",
      "augmentation[7].p: expected a number from 0 to 1, got 1.5",
      "augmentation[8].min: expected at most max, 0.5, got 0.9",
      "augmentation[9].type: expected one of",
    ]
  ) assert(error.message.includes(part), `${part} not in ${error.message}`);
  assertEquals(augmentationProblems(list).length, 12);
  assertEquals(augmentationProblems({})[0].message, "expected a list of augmentations, got {}");
  assertEquals(augmentationProblems(JSON.parse(JSON.stringify(TRAINING_AUGMENTATION))), []);
});

Deno.test("parsing fills in the defaults", () => {
  assertEquals(parseAugmentation([{ type: "flip" }, { type: "jitter", p: 1 }]), [
    { type: "flip", axes: ["x", "y"], p: 0.5 },
    { type: "jitter", sigma: 0.005, clip: 0.02, p: 1 },
  ]);
});

Deno.test("features that do not fit are refused by scene and column", () => {
  const one = scene();
  const without = {
    ...one,
    featureColumns: [{ name: "values", width: WIDTH, kind: "scalar" as const }],
  };
  assertThrows(
    () => augment(without, [{ type: "color_jitter" }], new Random(0)),
    UsageError,
    "Cannot augment scene room: color_jitter needs colour features, the scene's features are: values",
  );
  const short = { ...one, featureColumns: one.featureColumns.slice(1) };
  assertThrows(
    () => augment(short, [], new Random(0)),
    DataError,
    "7 wide together, its features 8 a point",
  );
  const flat = {
    ...one,
    featureColumns: [{ name: "slope", width: WIDTH, kind: "vector" as const }],
  };
  assertThrows(
    () => augment(flat, [], new Random(0)),
    DataError,
    "slope is a vector of 8 values; expected 3",
  );
});
