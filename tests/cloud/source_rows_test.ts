/** Prepared points go back to the rows they were, and far points cost the others nothing. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { nearestTo } from "../../src/cloud/neighbors.ts";
import type { PointCloud } from "../../src/cloud/point_cloud.ts";
import { prepare, type PreparedCloud, type PrepareOptions } from "../../src/cloud/prepare.ts";
import { Random } from "../../src/base/random.ts";
import { readPointCloud, readPointCloudBytes } from "../../src/cloud/formats/registry.ts";
import { fromFileUrl } from "@std/path";

const cloudOf = (coords: number[], more: Partial<PointCloud> = {}): PointCloud => ({
  count: coords.length / 3,
  coords: Float32Array.from(coords),
  origin: [1000, 2000, 3000],
  attributes: new Map(),
  ...more,
});
const bare = { normals: "keep" } as const;

/** Checks that sourceIndex, origin and scale give back the coordinates that were read. */
function assertGoesBack(read: PointCloud, prepared: PreparedCloud, unit = 1): void {
  const { cloud, origin, report, sourceIndex } = prepared;
  assertEquals(sourceIndex!.length, cloud.count);
  sourceIndex!.forEach((row, i) => {
    for (let k = 0; k < 3; k++) {
      const given = read.origin[k] + read.coords[3 * row + k];
      const found = origin[k] + cloud.coords[3 * i + k] / report.scale;
      assert(Math.abs(given - found) < 1e-4 / unit, `row ${row}: ${given} and ${found}`);
    }
  });
}

Deno.test("rows: every kept point says its row, and every row the point that stands for it", () => {
  const read = cloudOf([0, 0, 0, 0.4, 0, 0, NaN, 0, 0, 0.9, 0, 0, 1.1, 0, 0, 0.4, 0, 0, -3, 0, 0]);
  const prepared = prepare(read, { ...bare, voxelSize: 1 });
  assertEquals([...prepared.sourceIndex!], [1, 4, 6]);
  assertEquals([...prepared.keptIndex()], [0, 0, -1, 0, 1, 0, 2]);
  assertGoesBack(read, prepared);
  assertEquals(prepared.origin, prepared.cloud.origin);
});

Deno.test("rows: units, unit scale and limits go back too; dropped rows have the nearest point", () => {
  const coords = [...new Random(3).fillNormal(new Float32Array(900))];
  const read = cloudOf(coords);
  const ways: Partial<PrepareOptions>[] = [
    {},
    { center: false },
    { unitScale: true },
    { unit: 0.001 },
    { unit: 0.001, unitScale: true },
    { maxPoints: 50 },
    { voxelSize: 0.5, maxPoints: 20, unitScale: true },
  ];
  for (const way of ways) {
    const prepared = prepare(read, { ...bare, ...way });
    assertGoesBack(read, prepared, way.unit);
    const rows = prepared.keptIndex();
    assertEquals(rows.length, 300);
    assert(rows.every((point) => point >= 0 && point < prepared.cloud.count));
    prepared.sourceIndex!.forEach((row, i) => assertEquals(rows[row], i));
  }
  const limited = prepare(read, { ...bare, maxPoints: 50 });
  const kept = limited.sourceIndex!;
  const distance = (a: number, b: number): number =>
    Math.hypot(...[0, 1, 2].map((k) => coords[3 * a + k] - coords[3 * b + k]));
  limited.keptIndex().forEach((point, row) => {
    const nearest = Math.min(...Array.from(kept, (other) => distance(row, other)));
    assertEquals(distance(row, kept[point]), nearest);
  });
});

Deno.test("rows: a mesh's vertices have the nearest of the points drawn from it", () => {
  const mesh = cloudOf([0, 0, 0, 1, 0, 0, 0, 1, 0], { triangles: Uint32Array.of(0, 1, 2) });
  const prepared = prepare(mesh, { ...bare, meshPoints: 300, center: false });
  assertEquals(prepared.sourceIndex, null);
  const { coords } = prepared.cloud;
  assertEquals(prepared.keptIndex(), Int32Array.from(nearestTo(coords, mesh.coords)));
});

const caseOf = (name: string): Promise<PointCloud> =>
  readPointCloud(
    fromFileUrl(new URL(`../fixtures/cases/09_outlier_precision/${name}`, import.meta.url)),
  );

Deno.test("precision: placeholders and far points cost the others no millimetre, and are told", async () => {
  for (const name of ["zero_sentinel.xyz", "outlier.xyz"]) {
    const text = await Deno.readTextFile(
      new URL(`../fixtures/cases/09_outlier_precision/${name}`, import.meta.url),
    );
    const rows = text.trim().split("\n").map((line) => line.trim().split(/\s+/).map(Number));
    const far = rows.flatMap((row, i) =>
      row.every((value) => value === 0) && name === "zero_sentinel.xyz" ||
        row.some((value) => Math.abs(value) > 1e20)
        ? [i]
        : []
    );
    assert(far.length > 0);
    const { cloud, sourceIndex, origin } = prepare(await caseOf(name), bare);
    sourceIndex!.forEach((row, i) => {
      if (far.includes(row)) return;
      rows[row].forEach((value, k) =>
        assert(Math.abs(origin[k] + cloud.coords[3 * i + k] - value) < 1e-3, `${name} ${row}`)
      );
    });
    // Zeros are as far off, but float32 holds where they are.
    const told = name === "outlier.xyz" ? `point ${far[0] + 1} lies so far` : "";
    assertMatch(cloud.notes?.join() ?? "", new RegExp(`^${told}`));
  }
});

Deno.test("precision: mostly placeholders, and coordinates that were float32 before", async () => {
  const bytes = new TextEncoder().encode(
    "0 0 0\n".repeat(60) +
      Array.from({ length: 40 }, (_, i) => `500000.${100 + i} 5400000.${100 + i} 1.5\n`).join(""),
  );
  const { coords, origin } = await readPointCloudBytes(bytes, "a.xyz");
  assert(Math.abs(origin[1] + coords[3 * 99 + 1] - 5400000.139) < 1e-3);
  const floats = Float32Array.from({ length: 30 }, (_, i) => [500000, 5400000, i][i % 3]);
  const read = await readPointCloudBytes(new Uint8Array(floats.buffer), "a.bin", {
    columns: ["x", "y", "z"],
  });
  assertMatch(read.notes!.join(), /near 500000 as float32, in steps of 0.03125/);
});

Deno.test("precision: an object that one point scales is told", () => {
  const coords = [...new Random(3).fillNormal(new Float32Array(300)), 1e6, 0, 0];
  const { cloud } = prepare(cloudOf(coords), { ...bare, unitScale: true });
  assertMatch(cloud.notes!.join(), /point 101 lies .* times as far out/);
  const plain = prepare(cloudOf(coords.slice(0, 300)), { ...bare, unitScale: true });
  assertEquals(plain.cloud.notes, undefined);
});

Deno.test("precision: a point beyond all voxels leaves the others theirs, and is told", () => {
  const coords = [...new Random(3).fillNormal(new Float32Array(3000))];
  const whole = prepare(cloudOf(coords), { ...bare, voxelSize: 0.5 });
  const far = prepare(cloudOf([...coords, 1e30, 0, 0]), { ...bare, voxelSize: 0.5 });
  assertEquals(far.sourceIndex!.length, whole.sourceIndex!.length + 1);
  assertEquals([...far.sourceIndex!].slice(0, -1), [...whole.sourceIndex!]);
  assertMatch(far.cloud.notes!.join(), /^1 point lies more than 2\^31 voxels of 0.5/);
});
