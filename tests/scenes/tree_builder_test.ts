import { assert, assertEquals, assertThrows } from "@std/assert";
import { Random } from "../../src/base/random.ts";
import { type NestedRegion, treeFromNested, validateTree } from "../../src/scenes/region_tree.ts";
import { buildTree, type TreeOptions } from "../../src/scenes/tree_builder.ts";
import { DataError, UsageError } from "../../src/base/errors.ts";

/**
 * The words of docs/model.md, Scene and region tree, one after the other, in as many passes as it
 * takes.
 */
function buildByTheBook(coords: Float32Array, options: Required<TreeOptions>): NestedRegion {
  const count = coords.length / 3;
  const distance = (a: number, to: ArrayLike<number>): number =>
    (coords[3 * a] - to[0]) ** 2 + (coords[3 * a + 1] - to[1]) ** 2 +
    (coords[3 * a + 2] - to[2]) ** 2;
  const place = (a: number): Float32Array => coords.subarray(3 * a, 3 * a + 3);
  const lowest = (values: number[]): number => values.indexOf(Math.min(...values));

  const all = Array.from({ length: count }, (_, i) => i);
  const centroid = [0, 1, 2].map((k) => all.reduce((sum, i) => sum + coords[3 * i + k], 0) / count);
  const grow = (indices: number[], center: number, level: number): NestedRegion => {
    const children: NestedRegion[] = [];
    if (level < options.maxDepth && indices.length >= 2 * options.minPoints) {
      const centers = [center];
      while (centers.length < Math.min(options.branching, indices.length)) {
        const gaps = indices.map((i) => -Math.min(...centers.map((c) => distance(i, place(c)))));
        centers.push(indices[lowest(gaps)]);
      }
      const nearest = indices.map((i) => lowest(centers.map((c) => distance(i, place(c)))));
      centers.forEach((c, k) => {
        const members = indices.filter((_, i) => nearest[i] === k);
        if (members.length > 0) children.push(grow(members, c, level + 1));
      });
    }
    return { indices, center_idx: center, level, children };
  };
  return grow(all, lowest(all.map((i) => distance(i, centroid))), 0);
}

function cloud(
  count: number,
  make: (i: number, random: Random) => [number, number, number],
): Float32Array {
  const random = new Random(11, "cloud", count);
  return new Float32Array(Array.from({ length: count }, (_, i) => make(i, random)).flat());
}

const blob = (
  _: number,
  r: Random,
): [number, number, number] => [r.normal(), r.normal(), r.normal()];
const grid = (
  i: number,
): [number, number, number] => [i % 7, Math.floor(i / 7) % 7, Math.floor(i / 49)];

Deno.test("the tree is that of docs/model.md, point for point, on clouds of every kind", () => {
  const cases: [string, Float32Array, Required<TreeOptions>][] = [
    ["one point", cloud(1, blob), { branching: 8, maxDepth: 4, minPoints: 32 }],
    ["one point, split on", cloud(1, blob), { branching: 3, maxDepth: 2, minPoints: 1 }],
    ["two points", cloud(2, blob), { branching: 8, maxDepth: 3, minPoints: 1 }],
    ["just too few to split", cloud(63, blob), { branching: 8, maxDepth: 4, minPoints: 32 }],
    ["just enough to split", cloud(64, blob), { branching: 8, maxDepth: 4, minPoints: 32 }],
    ["defaults", cloud(611, blob), { branching: 8, maxDepth: 4, minPoints: 32 }],
    ["deep and narrow", cloud(257, blob), { branching: 2, maxDepth: 20, minPoints: 1 }],
    ["wide", cloud(301, blob), { branching: 19, maxDepth: 2, minPoints: 5 }],
    ["depth 0", cloud(301, blob), { branching: 4, maxDepth: 0, minPoints: 5 }],
    ["grid, full of ties", cloud(343, grid), { branching: 8, maxDepth: 4, minPoints: 4 }],
    ["far from the origin", cloud(200, (i, r) => [5e5 + i % 9, r.int(4), -7e4]), {
      branching: 5,
      maxDepth: 3,
      minPoints: 6,
    }],
    ["every point five times", cloud(250, (i) => grid(Math.floor(i / 5))), {
      branching: 8,
      maxDepth: 4,
      minPoints: 3,
    }],
    ["three places only", cloud(90, (i) => [i % 3, 0, 0]), {
      branching: 8,
      maxDepth: 4,
      minPoints: 8,
    }],
    ["all in one place", cloud(40, () => [1, 2, 3]), { branching: 8, maxDepth: 3, minPoints: 4 }],
    ["a line with tiny steps", cloud(130, (i) => [i * 1e-42, 0, 0]), {
      branching: 4,
      maxDepth: 4,
      minPoints: 4,
    }],
  ];
  for (const [name, coords, options] of cases) {
    const tree = buildTree(coords, options);
    validateTree(tree, coords.length / 3, name);
    assertEquals(
      tree,
      treeFromNested(buildByTheBook(coords, options), coords.length / 3, name),
      name,
    );
  }
});

Deno.test("siblings partition their parent and a first child keeps its parent's centre", () => {
  const tree = buildTree(cloud(1203, blob));
  const held = new Float64Array(tree.level.length);
  for (let region = 1; region < tree.level.length; region++) {
    held[tree.parent[region]] += tree.end[region] - tree.start[region];
    if (tree.start[region] === tree.start[tree.parent[region]]) {
      assertEquals(tree.center[region], tree.center[tree.parent[region]]);
    }
  }
  held.forEach((points, region) => {
    assert(points === 0 || points === tree.end[region] - tree.start[region]);
  });
});

Deno.test("the tree is the same every time, and of a subarray", () => {
  const coords = cloud(500, blob);
  const padded = new Float32Array(1503);
  padded.set(coords, 3);
  assertEquals(buildTree(padded.subarray(3)), buildTree(coords));
});

Deno.test("what can't be cut is refused with a reason", () => {
  assertThrows(() => buildTree(new Float32Array(0)), DataError, "there are no points");
  assertThrows(
    () => buildTree(new Float32Array(4)),
    DataError,
    "3 coordinates a point, got 4 values",
  );
  const coords = cloud(50, blob);
  coords[3 * 17 + 1] = NaN;
  assertThrows(() => buildTree(coords), DataError, "point 17 has y = NaN");
  coords[3 * 17 + 1] = -Infinity;
  assertThrows(() => buildTree(coords), DataError, "point 17 has y = -Infinity");
  const fine = cloud(50, blob);
  assertThrows(
    () => buildTree(fine, { branching: 1 }),
    UsageError,
    "branching: expected an integer from 2",
  );
  assertThrows(
    () => buildTree(fine, { maxDepth: 1.5 }),
    UsageError,
    "max_depth: expected an integer from 0",
  );
  assertThrows(
    () => buildTree(fine, { minPoints: 0 }),
    UsageError,
    "min_points: expected an integer from 1",
  );
});
