import { assertEquals, assertThrows } from "@std/assert";
import { DataError } from "../../src/base/errors.ts";
import { Random } from "../../src/base/random.ts";
import { type VoxelGeometry, voxelGeometry } from "../../src/scenes/voxels/geometry.ts";
import { NO_VOXEL } from "../../src/scenes/voxels/neighbours.ts";
import { MOST_CELLS, voxelize } from "../../src/scenes/voxels/voxelize.ts";

const OPTIONS = { voxelSize: 0.1, stages: 2, stemKernel: 5 } as const;

function geometry(scenes: readonly number[][], options = OPTIONS): VoxelGeometry {
  const offsets = new Uint32Array(scenes.length + 1);
  scenes.forEach((own, s) => offsets[s + 1] = offsets[s] + own.length / 3);
  const coords = Float32Array.from(scenes.flat());
  return voxelGeometry(coords, offsets, scenes.map((_, s) => `scene ${s}`), options);
}

/** Points of a few blobs on both sides of 0, so that many voxels have neighbours. */
function blobs(points: number, seed: number, spread = 0.35): number[] {
  const random = new Random(seed, "blobs");
  return Array.from(
    { length: 3 * points },
    (_, i) => spread * random.normal() + 1.5 * (Math.floor(i / 3) % 3 - 1),
  );
}

/** Cells of a scene's points by the definition, level by level. */
function cellsByDefinition(coords: readonly number[], size: number, level: number): number[][] {
  const cells = Array.from(
    { length: coords.length / 3 },
    (_, i) =>
      [0, 1, 2].map((axis) =>
        Math.floor(Math.fround(Math.fround(coords[3 * i + axis]) / Math.fround(size)))
      ),
  );
  const least = [0, 1, 2].map((axis) => Math.min(...cells.map((cell) => cell[axis])));
  return cells.map((cell) => cell.map((c, axis) => Math.floor((c - least[axis]) / 2 ** level)));
}

Deno.test("voxels, their points and neighbours are those of the definition, on every level", () => {
  const scenes = [blobs(700, 1), [0.05, 0.05, 0.05], blobs(400, 2, 0.1)];
  const got = geometry(scenes);
  let point = 0;
  const rows: number[] = [];
  for (const [s, coords] of scenes.entries()) {
    for (const [l, { offsets, neighbours, count }] of got.levels.entries()) {
      const cells = cellsByDefinition(coords, 0.1, l);
      const known = [...new Map(cells.map((cell) => [cell.join(), cell])).values()]
        .sort((a, b) => a[0] - b[0] || a[1] - b[1] || a[2] - b[2]);
      assertEquals(offsets[s + 1] - offsets[s], known.length, `voxels of level ${l}`);
      const rowOf = new Map(known.map((cell, v) => [cell.join(), offsets[s] + v]));
      const tables = l === 0
        ? [[3, neighbours], [5, got.stem]] as const
        : [[3, neighbours]] as const;
      for (const [kernel, table] of tables) {
        const half = (kernel - 1) / 2;
        assertEquals(table.length, kernel ** 3 * count);
        let at = 0;
        for (let dx = -half; dx <= half; dx++) {
          for (let dy = -half; dy <= half; dy++) {
            for (let dz = -half; dz <= half; dz++, at++) {
              known.forEach(([x, y, z], v) => {
                const expected = rowOf.get([x + dx, y + dy, z + dz].join()) ?? NO_VOXEL;
                assertEquals(table[at * count + offsets[s] + v], expected);
              });
            }
          }
        }
      }
      if (l === 0) { for (const cell of cells) rows.push(rowOf.get(cell.join())!); }
      const { parent, corner } = got.levels[l];
      if (!parent || !corner) continue;
      const above = cellsByDefinition(coords, 0.1, l + 1);
      const parents = [...new Map(above.map((cell) => [cell.join(), cell])).values()]
        .sort((a, b) => a[0] - b[0] || a[1] - b[1] || a[2] - b[2]);
      known.forEach(([x, y, z], v) => {
        const own = parents[parent[offsets[s] + v] - got.levels[l + 1].offsets[s]];
        assertEquals(own, [x >> 1, y >> 1, z >> 1]);
        assertEquals(corner[offsets[s] + v], 4 * (x & 1) + 2 * (y & 1) + (z & 1));
      });
    }
    point += coords.length / 3;
  }
  assertEquals([...got.voxelOfPoint], rows);
  assertEquals([got.levels.at(-1)!.parent, got.levels.at(-1)!.corner], [null, null]);
  // Points voxel by voxel, each once, in their own order within a voxel.
  assertEquals([...got.order].sort((a, b) => a - b), Array.from({ length: point }, (_, p) => p));
  for (let v = 0; v < got.levels[0].count; v++) {
    const own = [...got.order.subarray(got.start[v], got.start[v + 1])];
    assertEquals(own.length > 0 && own.every((p) => got.voxelOfPoint[p] === v), true);
    assertEquals(own, [...own].sort((a, b) => a - b));
  }
});

Deno.test("scenes that would touch if they were one do not", () => {
  const one = geometry([[0.05, 0.05, 0.05], [0.15, 0.05, 0.05]]);
  const middle = [...one.levels[0].neighbours.subarray(26, 28)];
  assertEquals(middle, [0, 1]);
  assertEquals([...one.levels[0].neighbours].filter((v) => v !== NO_VOXEL).length, 2);
  const together = geometry([[0.05, 0.05, 0.05, 0.15, 0.05, 0.05]]);
  assertEquals([...together.levels[0].neighbours].filter((v) => v !== NO_VOXEL).length, 4);
});

Deno.test("a full cube has all neighbours in its middle", () => {
  const cube = Array.from({ length: 125 }, (_, i) => [i / 25 | 0, (i / 5 | 0) % 5, i % 5]).flat();
  const { stem, levels } = geometry([cube.map((c) => 0.1 * c + 0.05)]);
  const centre = 62;
  const own = Array.from({ length: 125 }, (_, at) => stem[at * 125 + centre]);
  assertEquals(own, Array.from({ length: 125 }, (_, v) => v));
  const three = Array.from({ length: 27 }, (_, at) => levels[0].neighbours[at * 125 + centre]);
  assertEquals(three.includes(NO_VOXEL), false);
  assertEquals(levels.map(({ count }) => count), [125, 27, 8]);
});

Deno.test("coordinates of any sign and size have voxels, too long a scene is refused", () => {
  const far = geometry([[-1e6, 0, 0, -1e6 + 0.5, 0, 0], [1e6, -7, 3]]);
  assertEquals([...far.levels[0].offsets], [0, 2, 3]);
  assertEquals(voxelize(new Float32Array(0), 0.1, "none").cells.count, 0);
  const error = assertThrows(
    () => geometry([[0, 0, 0], [0, -1000, 0, 0, 0.1 * MOST_CELLS, 0]]),
    DataError,
  );
  assertEquals(
    error.message,
    "Cannot make voxels of scene scene 1: it is 2107153 voxels of 0.1 m long along y; expected " +
      "at most 2097152. Use a larger voxel_size, or leave out points that lie far off.",
  );
  assertThrows(
    () => geometry([[0, 0, 0, NaN, 0, 0]]),
    DataError,
    "scene scene 0: point 1 lies at NaN",
  );
});
