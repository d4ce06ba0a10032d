import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { sampleMesh } from "../src/data/mesh_sampling.ts";
import type { Attribute, PointCloud } from "../src/data/point_cloud.ts";
import { DataError } from "../src/errors.ts";

/** A 3 × 1 rectangle at z = 2 as a big and a small triangle, and a unit right triangle in the plane x = 5. */
function mesh(attributes: [string, Attribute][] = []): PointCloud {
  return {
    count: 7,
    coords: Float32Array.of(
      ...[0, 0, 2, 3, 0, 2, 3, 1, 2, 0, 1, 2],
      ...[5, 0, 0, 5, 1, 0, 5, 0, 1],
    ),
    origin: [1e6, 2e6, 0],
    attributes: new Map(attributes),
    triangles: Uint32Array.of(0, 1, 2, 0, 2, 3, 4, 5, 6),
  };
}

Deno.test("mesh sampling: points lie on the triangles, as many as their area says", () => {
  const points = 3501;
  const { count, coords, origin, attributes, triangles } = sampleMesh(mesh(), points, 7, "m");
  assertEquals([count, coords.length, origin, triangles], [
    points,
    3 * points,
    [1e6, 2e6, 0],
    undefined,
  ]);
  const normals = attributes.get("normals")!.data;
  let flat = 0;
  const mean = [0, 0];
  for (let i = 0; i < count; i++) {
    const [x, y, z] = coords.subarray(3 * i, 3 * i + 3);
    if (z === 2) {
      flat++;
      mean[0] += x, mean[1] += y;
      assert(x >= 0 && x <= 3 && y >= 0 && y <= 1);
      assertEquals([...normals.subarray(3 * i, 3 * i + 3)], [0, 0, 1]);
    } else {
      assert(x === 5 && y >= 0 && z >= 0 && y + z <= 1 + 1e-6);
      assertEquals([...normals.subarray(3 * i, 3 * i + 3)], [1, 0, 0]);
    }
  }
  assertEquals(flat, 3001); // 3 / 3.5 of them, to within one: the area is cut into equal parts
  assertAlmostEquals(mean[0] / flat, 1.5, 0.05);
  assertAlmostEquals(mean[1] / flat, 0.5, 0.02);
});

Deno.test("mesh sampling: the seed decides, and nothing else", () => {
  const sample = (seed: number) => sampleMesh(mesh(), 101, seed, "m").coords;
  assertEquals(sample(3), sample(3));
  assert(sample(3).some((value, i) => value !== sample(4)[i]));
});

Deno.test("mesh sampling: reals are interpolated, integers are those of the nearest corner", () => {
  const { coords, attributes, count } = sampleMesh(
    mesh([
      ["colors", { width: 3, data: mesh().coords.map((value) => value / 10) }],
      ["height", { width: 1, data: Float64Array.of(0, 3, 3, 0, 5, 5, 5) }],
      ["labels", { width: 1, data: Int32Array.of(1, 2, 3, 4, 5, 6, 7) }],
    ]),
    57,
    1,
    "m",
  );
  const corners = [[0, 0], [3, 0], [3, 1], [0, 1]];
  const [colors, height, labels] = ["colors", "height", "labels"].map((name) =>
    attributes.get(name)!
  );
  for (let i = 0; i < count; i++) {
    for (let k = 0; k < 3; k++) {
      assertAlmostEquals(colors.data[3 * i + k], coords[3 * i + k] / 10, 1e-6);
    }
    assertAlmostEquals(height.data[i], coords[3 * i], 1e-5);
    if (coords[3 * i + 2] !== 2) assert(labels.data[i] >= 5);
    else if (coords[3 * i] < 0.5 && coords[3 * i + 1] < 0.3) {
      assertEquals(corners[labels.data[i] - 1], [0, 0]);
    }
  }
  assert(labels.data instanceof Int32Array && height.data instanceof Float64Array);
});

Deno.test("mesh sampling: vertex normals win, where they have a direction", () => {
  const data = new Float32Array(21);
  for (const vertex of [0, 1, 2, 3]) data[3 * vertex] = 4; // those of the last triangle stay zero
  const { coords, attributes } = sampleMesh(mesh([["normals", { width: 3, data }]]), 40, 1, "m");
  const normals = attributes.get("normals")!.data;
  for (let i = 0; i < coords.length; i += 3) {
    assertEquals([...normals.subarray(i, i + 3)], [1, 0, 0]);
  }
});

Deno.test("mesh sampling: triangles without area or with wild corners get no points", () => {
  const { coords, triangles, ...rest } = mesh();
  const damaged = coords.slice();
  damaged[3 * 3] = NaN; // a corner of the second triangle
  damaged.set([5, 2, 0], 3 * 6); // the third becomes a line
  const sampled = sampleMesh({ ...rest, coords: damaged, triangles }, 33, 1, "m");
  assert(sampled.coords.every(Number.isFinite));
  for (let i = 0; i < 33; i++) {
    assert(sampled.coords[3 * i] >= 3 * sampled.coords[3 * i + 1] - 1e-5);
  }
  assertThrows(
    () => sampleMesh({ ...rest, coords: coords.fill(1), triangles }, 33, 1, "crate.obj"),
    DataError,
    "Cannot sample the surface of crate.obj: expected triangles with an area, got 3 triangles",
  );
});
