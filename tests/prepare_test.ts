import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { nearestNeighbors } from "../src/data/neighbors.ts";
import { estimateNormals, repairNormals } from "../src/data/normals.ts";
import type { Attribute, PointCloud } from "../src/data/point_cloud.ts";
import { prepareCloud } from "../src/data/prepare.ts";
import { Random } from "../src/data/random.ts";
import { validateTree } from "../src/data/region_tree.ts";
import { voxelPoints } from "../src/data/thinning.ts";
import { DataError, UsageError } from "../src/errors.ts";

function cloud(coords: ArrayLike<number>, attributes: [string, Attribute][] = []): PointCloud {
  return {
    count: coords.length / 3,
    coords: Float32Array.from(coords),
    origin: [0, 0, 0],
    attributes: new Map(attributes),
  };
}

function randomCoords(count: number, seed = 1): Float32Array {
  return new Random(seed, "prepare test").fillUniform(new Float32Array(3 * count), -2, 3);
}

/** Points on a sphere of radius 2 around (5, 5, 5), and their outward normals. */
function sphere(count: number): { coords: Float32Array; normals: Float32Array } {
  const normals = new Random(3).fillNormal(new Float32Array(3 * count));
  for (let at = 0; at < normals.length; at += 3) {
    const length = Math.hypot(...normals.subarray(at, at + 3));
    for (let k = 0; k < 3; k++) normals[at + k] /= length;
  }
  return { coords: normals.map((value) => 5 + 2 * value), normals };
}

function leastCosine(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let least = 1;
  for (let at = 0; at < a.length; at += 3) {
    least = Math.min(least, a[at] * b[at] + a[at + 1] * b[at + 1] + a[at + 2] * b[at + 2]);
  }
  return least;
}

Deno.test("neighbours: as near as an exhaustive search finds, also among coinciding points", () => {
  const random = new Random(2);
  const clustered = new Float32Array(3 * 700).map(() => Math.fround(random.int(9) / 7));
  for (const coords of [randomCoords(777), clustered]) {
    const count = coords.length / 3, k = 13;
    const near = nearestNeighbors(coords, k);
    const squared = (a: number, b: number) =>
      [0, 1, 2].reduce((sum, axis) => sum + (coords[3 * a + axis] - coords[3 * b + axis]) ** 2, 0);
    for (let point = 0; point < count; point += 7) {
      const row = near.subarray(point * k, (point + 1) * k);
      assertEquals(new Set(row).size, k);
      const all = Array.from({ length: count }, (_, other) => squared(point, other));
      assertEquals(Array.from(row, (other) => all[other]), all.sort((a, b) => a - b).slice(0, k));
    }
  }
});

Deno.test("neighbours: no more than there are points", () => {
  assertEquals(nearestNeighbors(Float32Array.of(0, 0, 0, 1, 0, 0), 5), Uint32Array.of(0, 1, 1, 0));
  assertEquals(nearestNeighbors(new Float32Array(0), 5).length, 0);
});

Deno.test("normals: those of a sphere point outwards, wherever it lies", () => {
  const { coords, normals } = sphere(3001);
  assert(leastCosine(estimateNormals(coords), normals) > 0.98);
});

Deno.test("normals: open ground looks up, a sensor is looked at", () => {
  const coords = randomCoords(1500);
  for (let at = 0; at < coords.length; at += 3) {
    coords[at + 2] = 0.3 * coords[at] + 0.1 * Math.sin(coords[at + 1]);
  }
  for (const orientation of ["propagate", "up"] as const) {
    const normals = estimateNormals(coords, { orientation, neighbors: 9 });
    assert(leastCosine(normals, normals.map((_, i) => i % 3 === 2 ? 1 : 0)) > 0.8);
  }
  const below = estimateNormals(coords, { orientation: [0, 0, -50] });
  assert(leastCosine(below, below.map((_, i) => i % 3 === 2 ? -1 : 0)) > 0.8);
});

Deno.test("normals: unit length where the neighbourhood is a line, a point or too small", () => {
  const line = Float32Array.from({ length: 3 * 40 }, (_, i) => Math.floor(i / 3));
  for (const coords of [line, new Float32Array(3 * 20), Float32Array.of(1, 2, 3)]) {
    const normals = estimateNormals(coords);
    for (let at = 0; at < normals.length; at += 3) {
      assertAlmostEquals(Math.hypot(...normals.subarray(at, at + 3)), 1, 1e-6);
    }
  }
});

Deno.test("normals: missing ones are filled in to agree with their neighbours", () => {
  const { coords, normals } = sphere(900);
  const inwards = normals.map((value) => -3 * value);
  inwards.fill(0, 300, 303);
  inwards[1501] = NaN;
  inwards[1803] = Infinity;
  assertEquals(repairNormals(coords, inwards), 3);
  assert(leastCosine(inwards, normals.map((value) => -value)) > 0.95);
});

Deno.test("preparation: wild and double points go, attributes stay with their points", () => {
  const coords = randomCoords(23);
  coords[3 * 4 + 1] = NaN;
  coords[3 * 9 + 2] = -Infinity;
  coords.set(coords.subarray(0, 3), 3 * 7);
  coords.set(coords.subarray(0, 3), 3 * 22);
  const labels = Int32Array.from({ length: 23 }, (_, i) => i);
  const intensity = Float32Array.from(labels);
  intensity[2] = NaN;
  const { cloud: out, report, tree } = prepareCloud(
    cloud(coords, [["labels", { width: 1, data: labels }], ["intensity", {
      width: 1,
      data: intensity,
    }]]),
  );
  assertEquals([report.read, report.nonFinite, report.duplicates, report.points], [23, 2, 2, 19]);
  assertEquals(report.valuesReplaced, { intensity: 1 });
  assertEquals(report.normals, "estimated");
  const kept = [...labels].filter((i) => ![4, 9, 7, 22].includes(i));
  assertEquals([...out.attributes.get("labels")!.data], kept);
  assertEquals([...out.attributes.get("intensity")!.data], kept.map((i) => i === 2 ? 0 : i));
  for (let i = 0; i < out.coords.length; i++) {
    const file = coords[3 * kept[Math.floor(i / 3)] + i % 3];
    assertAlmostEquals(out.origin[i % 3] + out.coords[i], file, 1e-6);
  }
  validateTree(tree, 19, "test");
});

Deno.test("preparation: 0 and -0 are the same place", () => {
  assertEquals(prepareCloud(cloud([0, 0, 1, -0, 0, 1, 0, 0, 2])).report.duplicates, 1);
});

Deno.test("preparation: scenes stand on the floor around the origin, in metres", () => {
  const millimetres = cloud([1000, 0, 500, 3000, 0, 700, 2500, 800, 4500]);
  const { cloud: out, report } = prepareCloud({ ...millimetres, origin: [1e6, -1e6, 0] }, {
    scale: 0.001,
  });
  const wanted = [-1, -0.4, 0, 1, -0.4, 0.2, 0.5, 0.4, 4];
  out.coords.forEach((value, i) => assertAlmostEquals(value, wanted[i], 1e-6));
  assertEquals(out.origin, [1002, -999.6, 0.5]);
  assertEquals(report.unit, 0.001);
});

Deno.test("preparation: objects fill the unit ball around their centroid", () => {
  const { cloud: out, report } = prepareCloud(cloud(randomCoords(211)), { kind: "object" });
  const sum = [0, 0, 0];
  let farthest = 0;
  for (let at = 0; at < out.coords.length; at += 3) {
    for (let k = 0; k < 3; k++) sum[k] += out.coords[at + k];
    farthest = Math.max(farthest, Math.hypot(...out.coords.subarray(at, at + 3)));
  }
  assertAlmostEquals(farthest, 1, 1e-6);
  for (const value of sum) assertAlmostEquals(value / 211, 0, 1e-6);
  assert(report.unit > 0.2 && report.unit < 1);
});

Deno.test("preparation: one point to a voxel, the one nearest the middle of its company", () => {
  const coords = Float32Array.of(
    0.1,
    0,
    0,
    0.4,
    0,
    0,
    0.6,
    0,
    0,
    1.1,
    0,
    0,
    -0.1,
    0,
    0,
    1e30,
    0,
    0,
  );
  assertEquals([...voxelPoints(coords, 1)], [1, 3, 4, 5]);
  const { report, cloud: out } = prepareCloud(cloud(randomCoords(3000)), { voxel: 1 });
  assertEquals([report.voxel, report.points, out.count], [3000 - 125, 125, 125]);
});

Deno.test("preparation: a limit draws points from the seed", () => {
  const prepared = (seed: number) =>
    prepareCloud(cloud(randomCoords(500)), { maxPoints: 77, seed }).cloud;
  assertEquals(prepared(1).count, 77);
  assertEquals(prepared(1), prepared(1));
  assert(prepared(1).coords.some((value, i) => value !== prepared(2).coords[i]));
});

Deno.test("preparation: the file's own normals stay, at unit length", () => {
  const { coords, normals } = sphere(300);
  const inwards = normals.map((value) => -2 * value);
  const given = cloud(coords, [["normals", { width: 3, data: inwards }]]);
  const { cloud: out, report } = prepareCloud(given);
  assertEquals([report.normals, report.normalsRepaired], ["file", 0]);
  assert(leastCosine(out.attributes.get("normals")!.data, normals.map((v) => -v)) > 0.999999);
  assertEquals(inwards[0], -2 * normals[0]); // the file's arrays are left alone
  const zeros = cloud(coords, [["normals", { width: 3, data: new Float32Array(900) }]]);
  assertEquals(prepareCloud(zeros).report.normals, "estimated");
  const none = prepareCloud(cloud(coords), { normals: "none" });
  assertEquals([none.report.normals, none.cloud.attributes.has("normals")], ["none", false]);
});

Deno.test("preparation: a sensor's position is in the file's coordinates", () => {
  const coords = randomCoords(400);
  for (let at = 2; at < coords.length; at += 3) coords[at] = 3;
  const { cloud: out } = prepareCloud(
    { ...cloud(coords), origin: [5000, 0, 100] },
    { normals: [5000, 0, 101], scale: 0.5 },
  );
  const normals = out.attributes.get("normals")!.data;
  for (let at = 0; at < normals.length; at += 3) assertAlmostEquals(normals[at + 2], -1, 1e-5);
});

Deno.test("preparation: meshes become points on their surface", () => {
  const square = {
    ...cloud([0, 0, 0, 1, 0, 0, 1, 1, 0, 0, 1, 0]),
    triangles: Uint32Array.of(0, 1, 2, 0, 2, 3),
  };
  const { cloud: out, report } = prepareCloud(square, { meshPoints: 500 });
  assertEquals([report.read, report.triangles, report.sampled, report.points], [4, 2, 500, 500]);
  assertEquals([report.normals, out.triangles, out.count], ["surface", undefined, 500]);
  assertEquals([...out.attributes.get("normals")!.data.slice(0, 3)], [0, 0, 1]);
  assertEquals(prepareCloud(square, { maxPoints: 99 }).report.sampled, 99);
  assertEquals(prepareCloud(square, {}).report.sampled, 16_384);
  assertEquals(prepareCloud(square, { meshPoints: 0 }).report.points, 4);
});

Deno.test("preparation: what cannot be prepared is said", () => {
  assertThrows(
    () => prepareCloud(cloud([]), {}, "empty.ply"),
    DataError,
    "Cannot prepare empty.ply: expected at least one point with finite coordinates, got no points",
  );
  assertThrows(
    () => prepareCloud(cloud([NaN, 0, 0, 0, 0, NaN]), {}, "nan.pcd"),
    DataError,
    "got none among its 2 points",
  );
  for (
    const [options, message] of [
      [{ voxel: 0 }, "voxel: expected metres above 0, or null, got 0"],
      [{ maxPoints: 0.5 }, "max_points: expected an integer from 1 to 2147483648, got 0.5"],
      [{ neighbors: 2 }, "neighbors: expected an integer from 3 to 1000, got 2"],
      [{ scale: -1 }, "scale: expected a number above 0, got -1"],
      [{ tree: { branching: 1 } }, "branching: expected an integer from 2 to 65535, got 1"],
    ] as const
  ) assertThrows(() => prepareCloud(cloud([1, 2, 3]), options), UsageError, message);
});

Deno.test("preparation: one point is a scene too", () => {
  const { cloud: out, tree } = prepareCloud(cloud([7, 8, 9]), { kind: "object" });
  assertEquals([...out.coords], [0, 0, 0]);
  assertEquals(tree.level.length, 1);
});
