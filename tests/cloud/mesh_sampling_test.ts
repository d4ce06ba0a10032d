import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { sampleMesh } from "../../src/cloud/mesh_sampling.ts";
import type { Attribute, PointCloud } from "../../src/cloud/point_cloud.ts";
import { DataError, UsageError } from "../../src/base/errors.ts";

/**
 * Two triangles of areas 3 and 1 in the planes z = 0 and x = 10, one without area, one that is not
 * finite.
 */
function mesh(): PointCloud {
  const coords = Float32Array.of(
    ...[0, 0, 0, 3, 0, 0, 0, 2, 0],
    ...[10, 0, 0, 10, 2, 0, 10, 0, 1],
    ...[5, 5, 5, NaN, 0, 0],
  );
  const attributes = new Map<string, Attribute>([
    ["normals", { width: 3, data: new Float32Array(24).fill(9) }],
    ["colors", { width: 3, data: Float32Array.from({ length: 24 }, (_, i) => (i % 9) / 9) }],
    ["labels", { width: 1, data: Int32Array.of(4, 4, 4, 7, 8, 9, 0, 0) }],
  ]);
  const triangles = Uint32Array.of(0, 1, 2, 3, 4, 5, 6, 6, 0, 0, 7, 1);
  return { count: 8, coords, origin: [100, 200, 300], attributes, triangles };
}

Deno.test("sampling a mesh: points on its triangles, by area, with their normals", () => {
  const { count, coords, origin, attributes, triangles } = sampleMesh(mesh(), 4001, 7);
  assertEquals([count, coords.length, triangles], [4001, 3 * 4001, undefined]);
  assertEquals(origin, [100, 200, 300]);
  const normals = attributes.get("normals")!.data;
  let onFirst = 0;
  let sumX = 0;
  for (let i = 0; i < count; i++) {
    const [x, y, z] = coords.subarray(3 * i, 3 * i + 3);
    const normal = [...normals.subarray(3 * i, 3 * i + 3)];
    if (z === 0 && x <= 3) {
      onFirst++;
      sumX += x;
      assert(x >= 0 && y >= 0 && x / 3 + y / 2 <= 1.000001, `${x} ${y}`);
      assertEquals(normal, [0, 0, 1]);
    } else {
      assertEquals(x, 10);
      assert(y >= 0 && z >= 0 && y / 2 + z <= 1.000001, `${y} ${z}`);
      assertEquals(normal, [1, 0, 0]);
    }
  }
  assertAlmostEquals(onFirst / count, 0.75, 0.001);
  // The centroid of a triangle is the mean of its corners: sd of the mean is 0.013.
  assertAlmostEquals(sumX / onFirst, 1, 0.05);
});

Deno.test("sampling a mesh: colours are interpolated, labels the nearest corner's", () => {
  const cloud = sampleMesh(mesh(), 500, 7);
  const labels = cloud.attributes.get("labels")!;
  assert(labels.data instanceof Int32Array);
  const colors = cloud.attributes.get("colors")!.data;
  for (let i = 0; i < cloud.count; i++) {
    const [x, y, z] = cloud.coords.subarray(3 * i, 3 * i + 3);
    const [b, c] = x === 10 ? [y / 2, z] : [x / 3, y / 2];
    // Vertex v of a triangle has the colour (3v, 3v + 1, 3v + 2) / 9.
    assertAlmostEquals(colors[3 * i + 1], (3 * b + 6 * c + 1) / 9, 1e-5);
    const weights = [1 - b - c, b, c];
    const sorted = weights.toSorted((p, q) => q - p);
    if (x === 10 && sorted[0] - sorted[1] > 1e-5) {
      assertEquals(labels.data[i], 7 + weights.indexOf(sorted[0]));
    } else if (x !== 10) assertEquals(labels.data[i], 4);
  }
});

Deno.test("sampling a mesh: the same seed gives the same points, another others", () => {
  assertEquals(sampleMesh(mesh(), 33, 5), sampleMesh(mesh(), 33, 5));
  const other = sampleMesh(mesh(), 33, 6).coords;
  assert(sampleMesh(mesh(), 33, 5).coords.some((value, i) => value !== other[i]));
});

Deno.test("sampling a mesh: no area and no count are refused", () => {
  const flat = { ...mesh(), triangles: Uint32Array.of(6, 6, 0, 0, 7, 1) };
  assertThrows(
    () => sampleMesh(flat, 10, 1, "a.off"),
    DataError,
    "Cannot sample a.off: none of its 2 triangles has an area.",
  );
  assertThrows(
    () => sampleMesh({ ...flat, triangles: undefined }, 10, 1),
    DataError,
    "its 0 triangles",
  );
  for (const count of [0, -1, 1.5, NaN]) {
    assertThrows(() => sampleMesh(mesh(), count, 1), UsageError, `got ${count}`);
  }
});
