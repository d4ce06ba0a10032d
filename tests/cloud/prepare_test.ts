import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { nearestNeighbors } from "../../src/cloud/neighbors.ts";
import { estimateNormals } from "../../src/cloud/normals.ts";
import type { Attribute, PointCloud } from "../../src/cloud/point_cloud.ts";
import { prepare } from "../../src/cloud/prepare.ts";
import { Random } from "../../src/base/random.ts";
import { DataError, UsageError } from "../../src/base/errors.ts";

function cloud(coords: number[], labels?: number[]): PointCloud {
  const attributes = new Map<string, Attribute>();
  if (labels !== undefined) attributes.set("labels", { width: 1, data: Int32Array.from(labels) });
  return {
    count: coords.length / 3,
    coords: Float32Array.from(coords),
    origin: [1000, 2000, 3000],
    attributes,
  };
}

function randomCoords(count: number, seed: number): Float32Array {
  return new Random(seed).fillNormal(new Float32Array(3 * count));
}

/** Points on a sphere of radius 2 around 1, 2, 3. */
function sphere(count: number): Float32Array {
  const coords = randomCoords(count, 3);
  for (let i = 0; i < coords.length; i += 3) {
    const length = Math.hypot(coords[i], coords[i + 1], coords[i + 2]);
    for (let k = 0; k < 3; k++) coords[i + k] = 2 * coords[i + k] / length + k + 1;
  }
  return coords;
}

Deno.test("neighbours: the nearest, as searching all of them finds", () => {
  for (const count of [1, 2, 11, 12, 13, 25, 700]) {
    const coords = randomCoords(count, count);
    // Many points in one place and in one plane are hard on a tree.
    for (let i = 0; i < coords.length / 2; i++) coords[i] = Math.round(coords[i]);
    const width = Math.min(9, count);
    const found = nearestNeighbors(coords, 9);
    assertEquals(found.length, count * width);
    const distance = (a: number, b: number): number =>
      [0, 1, 2].reduce((sum, k) => sum + (coords[3 * a + k] - coords[3 * b + k]) ** 2, 0);
    for (let i = 0; i < count; i++) {
      const row = [...found.subarray(i * width, (i + 1) * width)];
      assertEquals(row[0], i);
      assertEquals(new Set(row).size, width);
      const all = Array.from({ length: count }, (_, j) => distance(i, j)).sort((a, b) => a - b);
      assertEquals(row.map((j) => distance(i, j)), all.slice(0, width));
    }
  }
});

Deno.test("normals: a sphere's point outwards, or inwards, or up", () => {
  const coords = sphere(4001);
  for (const orientation of ["consistent", "inward", "up"] as const) {
    const normals = estimateNormals(coords, 16, orientation);
    for (let i = 0; i < coords.length; i += 3) {
      const outwards = [0, 1, 2].map((k) => (coords[i + k] - k - 1) / 2);
      const cosine = [0, 1, 2].reduce((sum, k) => sum + outwards[k] * normals[i + k], 0);
      const length = Math.hypot(normals[i], normals[i + 1], normals[i + 2]);
      assertAlmostEquals(length, 1, 1e-6);
      if (orientation === "up") assert(Math.abs(cosine) > 0.98 && normals[i + 2] >= 0);
      else assert((orientation === "inward" ? -cosine : cosine) > 0.98, `${orientation} ${cosine}`);
    }
  }
});

Deno.test("normals: a folded sheet keeps one side, each piece looks up at its top", () => {
  // Two roofs, far apart.
  const coords: number[] = [];
  for (const offset of [0, 100]) {
    for (let i = -20; i <= 20; i++) {
      for (let j = 0; j < 15; j++) coords.push(offset + i / 10, j / 10, -Math.abs(i) / 10);
    }
  }
  const normals = estimateNormals(Float32Array.from(coords), 9);
  for (let i = 0; i < normals.length; i += 3) {
    assert(normals[i + 2] > 0, `${normals.slice(i, i + 3)}`);
  }
});

Deno.test("normals: one point, one place and a line have some unit normal", () => {
  assertEquals([...estimateNormals(Float32Array.of(1, 2, 3))], [0, 0, 1]);
  assertEquals([...estimateNormals(new Float32Array(15).fill(4))].slice(0, 3), [0, 0, 1]);
  const line = estimateNormals(Float32Array.from({ length: 60 }, (_, i) => i % 3 === 0 ? i : 0));
  for (let i = 0; i < 60; i += 3) {
    assertAlmostEquals(Math.hypot(line[i + 1], line[i + 2]), 1, 1e-6);
  }
  assertEquals(estimateNormals(new Float32Array(0)).length, 0);
});

Deno.test("preparing: what is not finite or twice there goes, counted; labels follow", () => {
  const { cloud: out, report } = prepare(
    cloud([0, 0, 0, 1, 0, 0, NaN, 0, 0, 0, Infinity, 0, 1, 0, 0, -0, 0, 0, 0, 4, 2], [
      1,
      2,
      3,
      4,
      5,
      6,
      7,
    ]),
    { normals: "keep", center: false },
  );
  assertEquals([...out.coords], [0, 0, 0, 1, 0, 0, 0, 4, 2]);
  assertEquals(out.attributes.get("labels")!.data, Int32Array.of(1, 2, 7));
  assertEquals([report.read, report.nonFinite, report.duplicates, report.kept], [7, 2, 2, 3]);
  assertEquals(
    [report.voxels, report.limit, report.sampled, report.estimatedNormals, report.scale],
    [0, 0, 0, 0, 1],
  );
});

Deno.test("preparing: a point a voxel, nearest to the mean of its own", () => {
  const { cloud: out, report } = prepare(
    cloud([0, 0, 0, 0.4, 0, 0, 0.9, 0, 0, 1.1, 0, 0, -3, 0, 0], [1, 2, 3, 4, 5]),
    { voxelSize: 1, normals: "keep", center: false },
  );
  // Voxels begin at the lowest coordinates: [-3, -2), [0, 1), [1, 2).
  assertEquals([...out.attributes.get("labels")!.data], [2, 4, 5]);
  assertEquals([report.voxels, report.kept], [2, 3]);
  assertThrows(
    () => prepare(cloud([0, 0, 0, 1e9, 0, 0]), { voxelSize: 0.1 }, "a.ply"),
    DataError,
    "Cannot prepare a.ply: its extent takes more than 2^31 voxels of 0.1",
  );
});

Deno.test("preparing: a limit draws points by the seed and keeps their order", () => {
  const many = cloud([...randomCoords(501, 1)], Array.from({ length: 501 }, (_, i) => i));
  const draw = (seed: number): number[] => {
    const { cloud: out, report } = prepare(many, { maxPoints: 77, seed, normals: "keep" });
    assertEquals([report.limit, report.kept, out.count], [424, 77, 77]);
    return [...out.attributes.get("labels")!.data];
  };
  const first = draw(1);
  assertEquals(first, draw(1));
  assert(first.some((value, i) => value !== draw(2)[i]));
  assertEquals(first, first.toSorted((a, b) => a - b));
});

Deno.test("preparing: centred, the origin keeps where; objects scaled to unit size", () => {
  const points = cloud([10, 0, 0, 14, 2, 0, 10, 2, 6]);
  const { cloud: centered } = prepare(points, { normals: "keep" });
  assertEquals([...centered.coords], [-2, -1, 0, 2, 1, 0, -2, 1, 6]);
  assertEquals(centered.origin, [1012, 2001, 3000]);
  const { cloud: unit, report } = prepare(points, { normals: "keep", unitScale: true });
  const lengths = [0, 1, 2].map((i) => Math.hypot(...unit.coords.subarray(3 * i, 3 * i + 3)));
  assertAlmostEquals(Math.max(...lengths), 1, 1e-6);
  for (let k = 0; k < 3; k++) {
    assertAlmostEquals(unit.coords[k] + unit.coords[3 + k] + unit.coords[6 + k], 0, 1e-6);
  }
  assertAlmostEquals((unit.coords[3] - unit.coords[0]) / report.scale, 4, 1e-5);
  assertEquals(unit.origin, [0, 0, 0]);
});

Deno.test("preparing: units become metres before anything is measured", () => {
  const millimetres = cloud([1000, 0, 0, 1400, 0, 0, 3000, 800, 400]);
  const { cloud: out, report } = prepare(millimetres, {
    unit: 0.001,
    voxelSize: 1,
    normals: "keep",
  });
  assertEquals([report.voxels, report.scale], [1, 0.001]);
  out.coords.forEach((value, i) => assertAlmostEquals(value, [-1, -0.4, 0, 1, 0.4, 0.4][i], 1e-6));
  out.origin.forEach((value, k) => assertAlmostEquals(value, [3, 2.4, 3][k], 1e-6));
});

Deno.test("preparing: attribute values that are not finite become 0, counted", () => {
  const points = cloud([0, 0, 0, 1, 0, 0, 0, 1, 0]);
  (points.attributes as Map<string, Attribute>).set("intensity", {
    width: 1,
    data: Float32Array.of(0.5, NaN, -Infinity),
  });
  const { cloud: out, report } = prepare(points);
  assertEquals([...out.attributes.get("intensity")!.data], [0.5, 0, 0]);
  assertEquals(report.valuesReplaced, { intensity: 2 });
});

Deno.test("normals: open ground looks up though its highest point does not", () => {
  const coords = randomCoords(1500, 5);
  for (let i = 0; i < coords.length; i += 3) {
    coords[i + 2] = 0.3 * coords[i] + 0.1 * Math.sin(coords[i + 1]);
  }
  coords.set([0, 0, 30], 0); // a bird
  const normals = estimateNormals(coords);
  for (let i = 3; i < normals.length; i += 3) {
    assert(normals[i + 2] > 0.7 || coords[i + 2] > 0.9, `${normals.slice(i, i + 3)}`);
  }
});

Deno.test("preparing: normals are estimated where the file has none, kept where it has", () => {
  const coords = sphere(600);
  const none = prepare(cloud([...coords]));
  assertEquals([none.report.estimatedNormals, none.cloud.attributes.get("normals")!.width], [
    600,
    3,
  ]);
  const given = Float32Array.from({ length: 1800 }, (_, i) => i % 3 === 0 ? 4 : 0);
  given.set([0, 0, 0, NaN, 0, 1], 300);
  const partly = cloud([...coords]);
  (partly.attributes as Map<string, Attribute>).set("normals", { width: 3, data: given });
  const { cloud: out, report } = prepare(partly);
  assertEquals(report.estimatedNormals, 2);
  assertEquals([...out.attributes.get("normals")!.data.subarray(0, 3)], [1, 0, 0]);
  assertEquals(
    out.attributes.get("normals")!.data.subarray(300, 306),
    none.cloud.attributes.get("normals")!.data.subarray(300, 306),
  );
  assertEquals(prepare(partly, { normals: "estimate" }).report.estimatedNormals, 600);
  assertEquals(prepare(cloud([...coords]), { normals: "keep" }).cloud.attributes.size, 0);
});

Deno.test("preparing: a mesh becomes points with its triangles' normals, or its vertices", () => {
  const mesh = {
    ...cloud([0, 0, 0, 2, 0, 0, 0, 2, 0, 9, 9, 9]),
    triangles: Uint32Array.of(0, 1, 2),
  };
  const sampled = prepare(mesh, { meshPoints: 101, center: false });
  assertEquals([sampled.report.read, sampled.report.sampled, sampled.cloud.count], [4, 101, 101]);
  assertEquals([...sampled.cloud.attributes.get("normals")!.data.subarray(0, 3)], [0, 0, 1]);
  assertEquals(sampled.cloud.triangles, undefined);
  assertEquals(prepare(mesh, { meshPoints: 0 }).cloud.count, 4);
});

Deno.test("preparing: nothing left and options out of range are refused", () => {
  assertThrows(
    () => prepare(cloud([NaN, 0, 0]), {}, "a.ply"),
    DataError,
    "Cannot prepare a.ply: expected points, got 1, of which none is finite.",
  );
  assertThrows(() => prepare(cloud([])), DataError, "got 0");
  const points = cloud([0, 0, 0]);
  assertThrows(() => prepare(points, { voxelSize: -1 }), UsageError, "voxelSize -1");
  assertThrows(() => prepare(points, { unit: 0 }), UsageError, "unit 0");
  assertThrows(() => prepare(points, { maxPoints: 1.5 }), UsageError, "maxPoints 1.5");
  assertThrows(() => prepare(points, { normalNeighbors: 2 }), UsageError, "3 or more");
  assertThrows(() => prepare(points, { meshPoints: -1 }), UsageError, "meshPoints -1");
});
