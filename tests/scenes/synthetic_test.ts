import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertNotEquals,
  assertRejects,
  assertThrows,
} from "@std/assert";
import { Random } from "../../src/base/random.ts";
import { validateTree } from "../../src/scenes/region_tree.ts";
import type { Scene } from "../../src/scenes/scene.ts";
import { cuboid, cylinder, sphere, type Surface } from "../../src/scenes/synthetic/surfaces.ts";
import {
  SYNTHETIC_ROOMS,
  SYNTHETIC_SURFACES,
  SyntheticDataset,
} from "../../src/scenes/synthetic/synthetic.ts";
import { UsageError } from "../../src/base/errors.ts";

Deno.test("a scene has unit normals, labels, a valid tree and the asked number of points", async () => {
  for (const points of [1, 77, 2048, 5003]) {
    const dataset = new SyntheticDataset({ scenes: 3, seed: 7, points });
    for (let index = 0; index < dataset.length; index++) {
      const scene = await dataset.get(index);
      assertEquals(scene.id, `synthetic_00000${index}`);
      assertEquals([scene.coords.length, scene.feats.length, scene.pointLabels!.length], [
        3 * points,
        3 * points,
        points,
      ]);
      validateTree(scene.tree, points, scene.id);
      assertEquals(scene.featureColumns, [{ name: "normals", width: 3, kind: "vector" }]);
      for (let i = 0; i < points; i++) {
        assertAlmostEquals(Math.hypot(...scene.feats.subarray(3 * i, 3 * i + 3)), 1, 1e-6);
      }
      assert(scene.coords.every(Number.isFinite));
      assert(scene.pointLabels!.every((label) => label >= 0 && label < SYNTHETIC_SURFACES.length));
      assertEquals(scene.sceneLabel, index % SYNTHETIC_ROOMS.length);
    }
  }
});

Deno.test("small mode's scene: 2,048 points in a tree of depth 2", async () => {
  const scene = await new SyntheticDataset({ scenes: 1 }).get(0);
  assertEquals(scene.coords.length, 3 * 2048);
  assertEquals(Math.max(...scene.tree.level), 2);
  const deep = await new SyntheticDataset({ scenes: 1, maxDepth: 3, minPoints: 8, branching: 4 })
    .get(0);
  assertEquals(Math.max(...deep.tree.level), 3);
});

Deno.test("seed and number make the scene, whatever else is in the set or was asked before", async () => {
  const wide = new SyntheticDataset({ scenes: 9, seed: 3, points: 300 });
  const late = new SyntheticDataset({ scenes: 2, seed: 3, points: 300, start: 5 });
  await wide.get(8);
  assertEquals(await late.get(1), await wide.get(6));
  assertNotEquals((await wide.get(6)).coords, (await wide.get(2)).coords);
  const other = new SyntheticDataset({ scenes: 9, seed: 4, points: 300 });
  assertNotEquals((await wide.get(6)).coords, (await other.get(6)).coords);
});

/** Label counts of many scenes of one kind of room. */
async function furniture(room: number): Promise<number[]> {
  const counts = SYNTHETIC_SURFACES.map(() => 0);
  const dataset = new SyntheticDataset({ scenes: 60, points: 500, maxDepth: 0 });
  for (let index = room; index < 60; index += 4) {
    for (const label of (await dataset.get(index)).pointLabels!) counts[label]++;
  }
  return counts.map((count) => count / 15);
}

Deno.test("the kind of room decides what stands in it", async () => {
  const rooms = await Promise.all(SYNTHETIC_ROOMS.map((_, room) => furniture(room)));
  const most = ["table", "shelf", "sphere", "box"];
  rooms.forEach((counts, room) => {
    assert(counts[0] > 50 && counts[1] > 150, "floor and walls");
    const column = SYNTHETIC_SURFACES.indexOf(most[room] as typeof SYNTHETIC_SURFACES[number]);
    assertEquals(column, counts.indexOf(Math.max(...counts.slice(2)), 2));
    rooms.forEach((others, other) => assert(other === room || others[column] < counts[column]));
  });
});

/** The points of one label, as [x, y, z, nx, ny, nz]. */
function labelled(scene: Scene, kind: typeof SYNTHETIC_SURFACES[number]): number[][] {
  const label = SYNTHETIC_SURFACES.indexOf(kind);
  return Array.from(scene.pointLabels!).flatMap((value, i) =>
    value === label
      ? [[...scene.coords.subarray(3 * i, 3 * i + 3), ...scene.feats.subarray(3 * i, 3 * i + 3)]]
      : []
  );
}

Deno.test("normals are those of the surfaces, and noise is of the asked size", async () => {
  const exact = await new SyntheticDataset({ scenes: 1, points: 4000, noise: 0 }).get(0);
  const noisy = await new SyntheticDataset({ scenes: 1, points: 4000, noise: 0.02 }).get(0);
  for (const [x, y, z, nx, ny, nz] of labelled(exact, "floor")) {
    assertEquals([z, nx, ny, nz], [0, 0, 0, 1]);
    assert(Math.abs(x) < 4 && Math.abs(y) < 3.5);
  }
  for (const [x, y, , nx, ny, nz] of labelled(exact, "wall")) {
    assertEquals(nz, 0);
    assert(nx * x + ny * y < 0, "walls face into the room");
  }
  assertEquals(noisy.feats, exact.feats);
  for (let axis = 0; axis < 3; axis++) {
    let squares = 0;
    for (let at = axis; at < exact.coords.length; at += 3) {
      squares += (noisy.coords[at] - exact.coords[at]) ** 2;
    }
    assertAlmostEquals(Math.sqrt(squares / 4000), 0.02, 0.001);
  }
});

Deno.test("points are spread evenly by area", async () => {
  const exact = await new SyntheticDataset({ scenes: 1, points: 20000, noise: 0 }).get(0);
  const walls = labelled(exact, "wall"), floor = labelled(exact, "floor");
  const [width, depth, height] = [0, 1, 2].map((axis) => {
    const values = walls.map((point) => point[axis]);
    return Math.max(...values) - Math.min(...values);
  });
  const expected = 2 * height * (width + depth) / (width * depth);
  assertAlmostEquals(walls.length / floor.length, expected, 0.04 * expected);
});

Deno.test("solids face outward, from every side", () => {
  const random = new Random(0, "solids");
  const coords = new Float32Array(3), normals = new Float32Array(3);
  const solids: [string, Surface[], number[], number][] = [
    ["sphere", [sphere(0, [1, 2, 3], 0.5)], [1, 2, 3], 4 * Math.PI * 0.25],
    ["cylinder", cylinder(0, [1, 2, 0], 0.5, 2), [1, 2, 1], 2 * Math.PI * 0.5 * 2 + Math.PI * 0.25],
    [
      "cuboid in the air",
      cuboid(0, { x: 1, y: 2, yaw: 0.7 }, [-1, -2, 1], [1, 2, 2]),
      [1, 2, 1.5],
      2 * (8 + 2 + 4),
    ],
    [
      "cuboid on the floor",
      cuboid(0, { x: 1, y: 2, yaw: 4 }, [-1, -2, 0], [1, 2, 1]),
      [1, 2, 0.5],
      28 - 8,
    ],
  ];
  for (const [name, surfaces, middle, area] of solids) {
    assertAlmostEquals(surfaces.reduce((sum, surface) => sum + surface.area, 0), area, 1e-9, name);
    for (const surface of surfaces) {
      for (let draw = 0; draw < 20; draw++) {
        surface.draw(random, coords, normals, 0);
        const outward = coords.reduce((sum, v, k) => sum + (v - middle[k]) * normals[k], 0);
        assert(outward > 0.4, `${name}: ${outward}`);
        assertAlmostEquals(Math.hypot(...normals), 1, 1e-6);
      }
    }
  }
});

Deno.test("options and numbers out of range are refused", async () => {
  assertThrows(
    () => new SyntheticDataset({ scenes: -1 }),
    UsageError,
    "scenes: expected an integer of at least 0",
  );
  assertThrows(
    () => new SyntheticDataset({ scenes: 1, points: 0 }),
    UsageError,
    "points: expected an integer",
  );
  assertThrows(
    () => new SyntheticDataset({ scenes: 1, noise: NaN }),
    UsageError,
    "noise: expected metres",
  );
  assertThrows(() => new SyntheticDataset({ scenes: 1, seed: 0.5 }), UsageError, "got 0.5");
  const dataset = new SyntheticDataset({ scenes: 2 });
  for (const index of [-1, 2, 0.5]) {
    await assertRejects(() => dataset.get(index), UsageError, "expected a number from 0 to 1");
  }
});
