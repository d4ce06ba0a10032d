import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import {
  cutTree,
  inversePermutation,
  type NestedRegion,
  regionPath,
  treeFromNested,
  treeToNested,
  validateTree,
} from "../../src/scenes/region_tree.ts";
import type { RegionTree } from "../../src/scenes/scene.ts";
import { DataError } from "../../src/base/errors.ts";

function region(indices: number[], level: number, ...children: NestedRegion[]): NestedRegion {
  return { indices, center_idx: indices[indices.length - 1], level, children };
}

/**
 * 11 points; leaves at levels 1, 2 and 3; points 0 and 10 are in no child of the root, 4 in none of
 * its region.
 */
function ragged(): NestedRegion {
  return region(
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
    0,
    region([1, 9], 1),
    region(
      [2, 3, 4, 5, 6, 8],
      1,
      region([6, 2, 8], 2, region([2], 3), region([6, 8], 3)),
      region([5, 3], 2),
    ),
    region([7], 1),
  );
}

const list = (array: ArrayLike<number>): number[] => Array.from(array);

Deno.test("a nested tree becomes runs of one permutation, in depth-first pre-order", () => {
  const tree = treeFromNested(ragged(), 11, "a test");
  validateTree(tree, 11, "a test");
  assertEquals(list(tree.level), [0, 1, 1, 2, 3, 3, 2, 1]);
  assertEquals(list(tree.parent), [-1, 0, 0, 2, 3, 3, 2, 0]);
  assertEquals(list(tree.order), [1, 9, 2, 6, 8, 5, 3, 4, 7, 0, 10]);
  assertEquals(list(tree.start), [0, 0, 2, 2, 2, 3, 5, 8]);
  assertEquals(list(tree.end), [11, 2, 8, 5, 3, 5, 7, 9]);
  assertEquals(list(tree.center), [10, 9, 8, 8, 2, 8, 3, 7]);
});

Deno.test("a tree survives the way to its nested form and back", () => {
  const tree = treeFromNested(ragged(), 11, "a test");
  const nested = JSON.parse(JSON.stringify(treeToNested(tree)));
  assertEquals(nested.children[1].children[1].indices, [5, 3]);
  assertEquals(treeFromNested(nested, 11, "a test"), tree);
});

Deno.test("typed indices, 64-bit ones and absent children are understood", () => {
  const nested = {
    indices: new BigInt64Array([2n, 0n, 1n]),
    center_idx: 1n,
    level: 0n,
    children: [{ indices: new Int32Array([1]), center_idx: 1, level: 1, children: null }],
  };
  const tree = treeFromNested(nested, 3, "a test");
  assertEquals([list(tree.order), list(tree.center)], [[1, 2, 0], [1, 1]]);
});

Deno.test("a tree of one region keeps its points as listed", () => {
  const tree = treeFromNested(region([2, 0, 1], 0), 3, "a test");
  assertEquals(list(tree.order), [2, 0, 1]);
  assertEquals(treeToNested(tree).children, []);
});

/** The message for the ragged tree after a change. */
function complaint(change: (root: NestedRegion) => unknown): string {
  const root = ragged();
  const other = change(root);
  const error = assertThrows(
    () => treeFromNested(other === undefined ? root : other, 11, "scene0000_00"),
    DataError,
  );
  const opening = "Cannot use the region tree of scene0000_00: region ";
  assert(error.message.startsWith(opening), error.message);
  return error.message.slice(opening.length);
}

Deno.test("each way in which a nested tree can be wrong is named with region and reason", () => {
  const cases: [(root: NestedRegion) => unknown, string][] = [
    [
      (root) => void (root.children[1].children[0].indices[1] = 11),
      "root/1/0: indices[1] is 11; expected an integer from 0 to 10, for the scene has 11 points",
    ],
    [(root) => void (root.children[2].indices[0] = -1), "root/2: indices[0] is -1; expected"],
    [(root) => void (root.indices[4] = 1.5), "root: indices[4] is 1.5; expected"],
    [
      (root) => void (root.children[0].indices as unknown[]).unshift("3"),
      'root/0: indices[0] is the text "3"; expected',
    ],
    [
      (root) => void root.children[1].children[1].indices.push(5),
      "root/1/1: point 5 stands twice in its indices",
    ],
    [(root) => void (root.indices[5] = 3), "root: point 3 stands twice in its indices"],
    [(root) => void root.indices.pop(), "root: its centre, point 10, is not inside it"],
    [
      (root) => void root.indices.shift(),
      "root: covers 10 of 11 points; point 0 is not in it",
    ],
    [
      (root) => void root.children[2].indices.push(9),
      "root/2: point 9 is also in its sibling root/0",
    ],
    [
      (root) => void root.children[1].children[0].children[1].indices.push(3),
      "root/1/0/1: point 3 is not one of its parent's points",
    ],
    [
      (root) => void (root.children[1].center_idx = 7),
      "root/1: its centre, point 7, is not inside it",
    ],
    [(root) => void (root.children[1].center_idx = 99), "root/1: center_idx is 99; expected"],
    [
      (root) => void (root.children[1].children[1].level = 3),
      "root/1/1: level is 3; expected 2, its parent's plus one",
    ],
    [(root) => void (root.level = 1), "root: level is 1; the root's is 0"],
    [
      (root) => void (root.children[0].indices = []),
      "root/0: has no points; expected at least its centre",
    ],
    [
      (root) => void (root.children[0] = root.children[2]),
      "root/2: the same region object already stands elsewhere in the tree",
    ],
    [
      (root) => void root.children[0].children.push(root),
      "root/0/0: the same region object already stands elsewhere in the tree",
    ],
    [() => null, "root: expected a mapping with indices, center_idx, level and children, got null"],
    [
      (root) => void (root.children as unknown[]).push([1]),
      "root/3: expected a mapping with indices, center_idx, level and children, got a list",
    ],
    [
      (root) => ({ ...root, indices: "0123" }),
      'root: indices: expected a list of integers, got the text "0123"',
    ],
    [
      (root) => ({ ...root, indices: undefined }),
      "root: indices: expected a list of integers, got nothing",
    ],
    [
      (root) => ({ ...root, center_idx: "0" }),
      'root: center_idx: expected an integer, got the text "0"',
    ],
    [(root) => ({ ...root, level: undefined }), "root: level: expected the integer 0, got nothing"],
    [(root) => ({ ...root, children: 3 }), "root: children: expected a list of regions, got 3"],
  ];
  for (const [change, expected] of cases) {
    const found = complaint(change);
    assert(found.startsWith(expected), `expected "${expected}", got "${found}"`);
  }
});

/** The smallest region a hundred thousand levels deep. */
function chain(depth: number): NestedRegion {
  const root = region([0], 0);
  let leaf = root;
  for (let level = 1; level < depth; level++) {
    const child = region([0], level);
    leaf.children.push(child);
    leaf = child;
  }
  return root;
}

Deno.test("a tree may be a hundred thousand levels deep, errors in it stay readable", () => {
  const tree = treeFromNested(chain(100_000), 1, "a test");
  validateTree(tree, 1, "a test");
  assertEquals(cutTree(tree, 2).level.length, 3);
  let leaf = treeToNested(tree);
  while (leaf.children.length > 0) leaf = leaf.children[0];
  assertEquals(leaf.level, 99_999);
  const bad = chain(50_000);
  leaf = bad;
  while (leaf.children.length > 0) leaf = leaf.children[0];
  leaf.center_idx = 1;
  const error = assertThrows(() => treeFromNested(bad, 1, "a test"), DataError);
  assert(error.message.length < 300, error.message);
});

Deno.test("a region's path counts children from 0", () => {
  const { parent } = treeFromNested(ragged(), 11, "a test");
  assertEquals([0, 2, 5, 7].map((r) => regionPath(parent, r)), [
    "root",
    "root/1",
    "root/1/0/1",
    "root/2",
  ]);
});

Deno.test("each way in which a typed tree can be wrong is named", () => {
  const good = treeFromNested(ragged(), 11, "a test");
  const cases: [keyof RegionTree, number, number, string][] = [
    ["order", 3, 11, "order[3] is 11; expected an integer from 0 to 10"],
    ["order", 3, 1, "point 1 stands twice in order"],
    ["parent", 0, 0, "region 0: parent is 0; the root's is -1"],
    ["parent", 3, 5, "region 3: parent is 5; expected an earlier region"],
    ["parent", 3, -1, "region 3: parent is -1; expected an earlier region"],
    ["level", 0, 1, "region root: level is 1; the root's is 0"],
    ["level", 4, 2, "region root/1/0/0: level is 2; expected 3, its parent's plus one"],
    ["start", 0, 1, "region root: its run starts at row 1; expected 0"],
    ["end", 0, 10, "region root: covers 10 of 11 points"],
    ["end", 5, 7, "region root/1/0/1: its run ends at row 7, beyond its parent's end at 5"],
    ["start", 6, 6, "region root/1/1: its run starts at row 6; expected 5"],
    ["end", 1, 0, "region root/0: has no points; expected at least its centre"],
    ["center", 7, 8, "region root/2: its centre, point 8, is not inside it"],
    ["center", 7, 11, "region root/2: center is 11; expected an integer from 0 to 10"],
  ];
  for (const [field, at, value, expected] of cases) {
    const array = good[field].slice();
    array[at] = value;
    const error = assertThrows(() => validateTree({ ...good, [field]: array }, 11, "S"), DataError);
    const opening = "Cannot use the region tree of S: ";
    assert(error.message.startsWith(opening + expected), error.message);
  }
  const breadthFirst = {
    order: Uint32Array.of(0, 1),
    level: Uint32Array.of(0, 1, 1, 2),
    parent: Int32Array.of(-1, 0, 0, 1),
    start: Uint32Array.of(0, 0, 1, 0),
    end: Uint32Array.of(2, 1, 2, 1),
    center: Uint32Array.of(0, 0, 1, 0),
  };
  assertThrows(() => validateTree(breadthFirst, 2, "S"), DataError, "depth-first pre-order");
  const short = { ...good, center: good.center.slice(1) };
  assertThrows(() => validateTree(short, 11, "S"), DataError, "center holds 7 values, level 8");
  assertThrows(
    () => validateTree(good, 12, "S"),
    DataError,
    "order holds 11 points; expected every one of the scene's 12",
  );
  const none = { ...good, level: new Uint32Array(0) };
  assertThrows(() => validateTree(none, 11, "S"), DataError, "no regions");
});

Deno.test("cutting a tree turns regions at the depth into leaves", () => {
  const tree = treeFromNested(ragged(), 11, "a test");
  assertStrictEquals(cutTree(tree, null), tree);
  assertStrictEquals(cutTree(tree, 3), tree);
  for (const depth of [2, 1, 0]) {
    const cut = cutTree(tree, depth);
    validateTree(cut, 11, "a test");
    assertStrictEquals(cut.order, tree.order);
    const nested = ragged();
    const pending = [nested];
    for (let node = pending.pop(); node; node = pending.pop()) {
      if (node.level === depth) node.children = [];
      pending.push(...node.children);
    }
    const rebuilt = treeFromNested(nested, 11, "a test");
    for (const field of ["level", "parent", "start", "end", "center"] as const) {
      assertEquals(cut[field], rebuilt[field], field);
    }
  }
});

Deno.test("an inverse permutation undoes its permutation", () => {
  assertEquals(list(inversePermutation(Uint32Array.of(3, 0, 2, 1))), [1, 3, 2, 0]);
});
