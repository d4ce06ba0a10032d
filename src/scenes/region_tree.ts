/**
 * Region trees between their nested form (as files hold them) and typed arrays (as the program
 * holds them), and the checks that make either trustworthy. Nothing here recurses, so a tree may be
 * as deep as memory allows, and everything is linear in the number of indices and regions.
 */

import { DataError } from "../base/errors.ts";
import type { RegionTree } from "./scene.ts";

/** A region as scene files nest it. Indices are the scene's own, from 0. */
export interface NestedRegion {
  /** The region's points. */
  indices: number[];
  /** The point in its middle, one of them. */
  center_idx: number;
  /** Its depth; the root's is 0. */
  level: number;
  /** The regions it is split into; none for a leaf. */
  children: NestedRegion[];
}

type Indices = ArrayLike<number | bigint>;

/** `inverse[order[row]] = row`, for a permutation `order`. */
export function inversePermutation(order: Uint32Array): Uint32Array {
  const inverse = new Uint32Array(order.length);
  for (let row = 0; row < order.length; row++) inverse[order[row]] = row;
  return inverse;
}

/**
 * Turns nested regions, as JSON or a pickle gives them (`indices` as numbers or a typed array,
 * 64-bit ones included; a missing or null `children` means none), into a tree for `pointCount`
 * points.
 *
 * Inside a region the points keep the order in which its `indices` list them, except that those of
 * its children come first. `where` names the scene in errors, e.g. `scene0000_00.pkl`.
 *
 * Throws DataError, naming scene, region and reason, unless the tree is valid (docs/model.md, Scene
 * and region tree): indices in range, no duplicate inside a region or among siblings, children
 * within their parent, centres inside their region, levels counting from 0, a root that covers
 * every point.
 */
export function treeFromNested(nested: unknown, pointCount: number, where: string): RegionTree {
  const flat = flatten(nested, where);
  const lists = childLists(flat.parent);
  const holder = deepestRegions(flat, lists, pointCount, where);
  const { order, start, end } = pointsInOrder(flat, lists, holder);
  return {
    order,
    level: Uint32Array.from(flat.level),
    parent: Int32Array.from(flat.parent),
    start,
    end,
    center: Uint32Array.from(flat.center),
  };
}

/**
 * The deepest region that holds each point. Throws DataError unless all regions hold what they may.
 */
function deepestRegions(
  { indices, parent, center: centers }: FlatRegions,
  { firstChild, nextSibling }: ChildLists,
  pointCount: number,
  where: string,
): Uint32Array {
  const fail = (region: number, reason: string): never =>
    failAt(where, regionPath(parent, region), reason);
  // holder[point]: the deepest region checked so far that holds the point. When a region's turn
  // comes, exactly its own points carry its number, so one look per index tells inside, outside,
  // doubled and shared apart.
  const nobody = parent.length;
  const holder = new Uint32Array(pointCount).fill(nobody);
  const claim = (region: number, from: number): void => {
    const list = indices[region];
    if (list.length === 0) fail(region, "has no points; expected at least its centre");
    for (let i = 0; i < list.length; i++) {
      const entry = list[i], point = typeof entry === "bigint" ? Number(entry) : entry;
      if (!Number.isInteger(point) || point < 0 || point >= pointCount) {
        fail(region, `indices[${i}] is ${show(entry)}; ${expectedIndex(pointCount)}`);
      }
      const now = holder[point];
      if (now === from) holder[point] = region;
      else if (now === region) fail(region, `point ${point} stands twice in its indices`);
      else if (now === nobody || parent[now] !== from) {
        fail(region, `point ${point} is not one of its parent's points`);
      } else {
        fail(region, `point ${point} is also in its sibling ${regionPath(parent, now)}`);
      }
    }
    const center = centers[region];
    if (!Number.isInteger(center) || center < 0 || center >= pointCount) {
      fail(region, `center_idx is ${center}; ${expectedIndex(pointCount)}`);
    }
    if (holder[center] !== region) fail(region, `its centre, point ${center}, is not inside it`);
  };
  claim(0, nobody);
  if (indices[0].length !== pointCount) {
    const missing = holder.indexOf(nobody);
    fail(0, `covers ${indices[0].length} of ${pointCount} points; point ${missing} is not in it`);
  }
  for (let region = 0; region < parent.length; region++) {
    for (let child = firstChild[region]; child >= 0; child = nextSibling[child]) {
      claim(child, region);
    }
  }
  return holder;
}

/** The order in which each region's points stand together, and where they begin and end. */
function pointsInOrder(
  { indices }: FlatRegions,
  { firstChild, nextSibling }: ChildLists,
  holder: Uint32Array,
): Pick<RegionTree, "order" | "start" | "end"> {
  const count = indices.length;
  const order = new Uint32Array(holder.length);
  const start = new Uint32Array(count), end = new Uint32Array(count);
  end[0] = holder.length;
  for (let region = 0; region < count; region++) {
    let row = start[region];
    for (let child = firstChild[region]; child >= 0; child = nextSibling[child]) {
      start[child] = row;
      row += indices[child].length;
      end[child] = row;
    }
    if (row === end[region]) continue;
    const list = indices[region];
    for (let i = 0; i < list.length; i++) {
      const point = Number(list[i]);
      if (holder[point] === region) order[row++] = point;
    }
  }
  return { order, start, end };
}

interface FlatRegions {
  readonly indices: Indices[];
  readonly center: number[];
  readonly level: number[];
  readonly parent: number[];
}

/**
 * Lists nested regions in depth-first pre-order, checking each one's fields but not yet its points.
 */
function flatten(nested: unknown, where: string): FlatRegions {
  const flat: FlatRegions = { indices: [], center: [], level: [], parent: [] };
  const seen = new Set<unknown>(); // a pickle can hold one region twice, or inside itself
  const pending: { node: unknown; parent: number }[] = [{ node: nested, parent: -1 }];
  for (let next = pending.pop(); next; next = pending.pop()) {
    const { node, parent } = next;
    const region = flat.parent.push(parent) - 1;
    const fail = (reason: string): never => failAt(where, regionPath(flat.parent, region), reason);
    if (typeof node !== "object" || node === null || isIndices(node)) {
      return fail(
        `expected a mapping with indices, center_idx, level and children, got ${show(node)}`,
      );
    }
    if (seen.has(node)) return fail("the same region object already stands elsewhere in the tree");
    seen.add(node);
    const { indices, center_idx, level, children } = node as Record<string, unknown>;
    if (!isIndices(indices)) {
      return fail(`indices: expected a list of integers, got ${show(indices)}`);
    }
    if (typeof center_idx !== "number" && typeof center_idx !== "bigint") {
      return fail(`center_idx: expected an integer, got ${show(center_idx)}`);
    }
    const depth = parent < 0 ? 0 : flat.level[parent] + 1;
    if (typeof level !== "number" && typeof level !== "bigint") {
      return fail(`level: expected the integer ${depth}, got ${show(level)}`);
    }
    if (Number(level) !== depth) {
      return fail(
        parent < 0
          ? `level is ${level}; the root's is 0`
          : `level is ${level}; expected ${depth}, its parent's plus one`,
      );
    }
    flat.indices.push(indices);
    flat.center.push(Number(center_idx));
    flat.level.push(depth);
    if (children === undefined || children === null) continue;
    if (!Array.isArray(children)) {
      return fail(`children: expected a list of regions, got ${show(children)}`);
    }
    for (let i = children.length - 1; i >= 0; i--) {
      pending.push({ node: children[i], parent: region });
    }
  }
  return flat;
}

/** Whether a value is a list; what stands in it is checked where it is read. */
function isIndices(value: unknown): value is Indices {
  return Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView));
}

function show(value: unknown): string {
  if (value === undefined) return "nothing";
  if (typeof value === "string") return `the text ${JSON.stringify(value.slice(0, 40))}`;
  if (Array.isArray(value) || ArrayBuffer.isView(value)) return "a list";
  return typeof value === "object" && value !== null ? "a mapping" : String(value);
}

function expectedIndex(pointCount: number): string {
  return `expected an integer from 0 to ${pointCount - 1}, for the scene has ${pointCount} points`;
}

function failAt(where: string, region: string, reason: string): never {
  throw new DataError(`Cannot use the region tree of ${where}: region ${region}: ${reason}`);
}

/** First child and next sibling of each region; -1: none. */
interface ChildLists {
  readonly firstChild: Int32Array;
  readonly nextSibling: Int32Array;
}

/** The children of regions, from the parents in pre-order. */
function childLists(parent: ArrayLike<number>): ChildLists {
  const firstChild = new Int32Array(parent.length).fill(-1);
  const nextSibling = new Int32Array(parent.length).fill(-1);
  for (let region = parent.length - 1; region > 0; region--) {
    nextSibling[region] = firstChild[parent[region]];
    firstChild[parent[region]] = region;
  }
  return { firstChild, nextSibling };
}

/**
 * A region's place as `root/3/1`: child numbers from 0. `parent` in pre-order, sound up to
 * `region`.
 */
export function regionPath(parent: ArrayLike<number>, region: number): string {
  const seen = new Uint32Array(region + 1), position = new Uint32Array(region + 1);
  for (let r = 1; r <= region; r++) position[r] = seen[parent[r]]++;
  const steps: (string | number)[] = [];
  for (let r = region; r > 0; r = parent[r]) steps.push(position[r]);
  steps.push("root");
  steps.reverse();
  if (steps.length > 24) steps.splice(12, steps.length - 20, "…");
  return steps.join("/");
}

/**
 * Checks a tree on typed arrays for a scene of `pointCount` points: everything `treeFromNested`
 * checks, and that the arrays keep the promises of `RegionTree` (pre-order, segments). Throws
 * DataError naming scene (`where`), region and reason.
 */
export function validateTree(tree: RegionTree, pointCount: number, where: string): void {
  const { level, parent, start, end, center } = tree;
  const failTree = (reason: string): never => {
    throw new DataError(`Cannot use the region tree of ${where}: ${reason}`);
  };
  const count = level.length;
  if (count === 0) failTree("it has no regions; expected at least the root");
  for (const [name, array] of Object.entries({ parent, start, end, center })) {
    if (array.length !== count) {
      failTree(
        `${name} holds ${array.length} values, level ${count}; expected one per region in each`,
      );
    }
  }
  const row = rowsOfPoints(tree, pointCount, failTree);
  if (parent[0] !== -1) failTree(`region 0: parent is ${parent[0]}; the root's is -1`);
  const path: number[] = []; // path[l]: the open region at level l
  const filled = new Uint32Array(count); // where a region's next child must start
  for (let region = 0; region < count; region++) {
    const over = parent[region];
    if (region > 0 && (over < 0 || over >= region)) {
      failTree(`region ${region}: parent is ${over}; expected an earlier region (pre-order)`);
    }
    const fail = (reason: string): never => failAt(where, regionPath(parent, region), reason);
    checkDepth(tree, region, path, fail);
    checkRun(tree, region, filled, pointCount, fail);
    const middle = center[region];
    if (middle >= pointCount) fail(`center is ${middle}; ${expectedIndex(pointCount)}`);
    if (row[middle] < start[region] || row[middle] >= end[region]) {
      fail(`its centre, point ${middle}, is not inside it`);
    }
  }
}

/** Where each point stands in `order`, which has to hold every point once. */
function rowsOfPoints(
  { order }: RegionTree,
  pointCount: number,
  fail: (reason: string) => never,
): Uint32Array {
  if (order.length !== pointCount) {
    fail(`order holds ${order.length} points; expected every one of the scene's ${pointCount}`);
  }
  const row = new Uint32Array(pointCount).fill(pointCount);
  for (let i = 0; i < pointCount; i++) {
    if (order[i] >= pointCount) {
      fail(`order[${i}] is ${order[i]}; ${expectedIndex(pointCount)}`);
    }
    if (row[order[i]] !== pointCount) fail(`point ${order[i]} stands twice in order`);
    row[order[i]] = i;
  }
  return row;
}

/** A region's level, and that it stands in pre-order; it joins `path`, the open regions. */
function checkDepth(
  { level, parent }: RegionTree,
  region: number,
  path: number[],
  fail: (reason: string) => never,
): void {
  const over = parent[region];
  const depth = region === 0 ? 0 : level[over] + 1;
  if (level[region] !== depth) {
    fail(
      region === 0
        ? `level is ${level[0]}; the root's is 0`
        : `level is ${level[region]}; expected ${depth}, its parent's plus one`,
    );
  }
  if (region > 0 && (path.length < depth || path[depth - 1] !== over)) {
    fail("regions do not stand in depth-first pre-order");
  }
  path.length = depth;
  path.push(region);
}

/** A region's segment of rows; `filled` says where the next child of each region begins. */
function checkRun(
  { parent, start, end }: RegionTree,
  region: number,
  filled: Uint32Array,
  pointCount: number,
  fail: (reason: string) => never,
): void {
  const over = parent[region];
  const first = region === 0 ? 0 : filled[over];
  const last = region === 0 ? pointCount : end[over];
  if (end[region] <= start[region]) {
    fail("has no points; expected at least its centre");
  }
  if (start[region] !== first) {
    fail(
      `its run starts at row ${start[region]}; expected ${first}, right behind what stands before`,
    );
  }
  if (region === 0 && end[0] !== last) fail(`covers ${end[0]} of ${pointCount} points`);
  if (end[region] > last) {
    fail(`its run ends at row ${end[region]}, beyond its parent's end at ${last}`);
  }
  if (region > 0) filled[over] = end[region];
  filled[region] = start[region];
}

/**
 * The tree with regions below level `maxDepth` removed, so that regions at that level become leaves
 * (the configuration's `max_hierarchy_depth`); null: no limit. `order` is shared with the tree
 * given, which is itself returned when it is no deeper.
 */
export function cutTree(tree: RegionTree, maxDepth: number | null): RegionTree {
  if (maxDepth === null || tree.level.every((level) => level <= maxDepth)) return tree;
  const keep = tree.level.reduce((sum, level) => sum + (level <= maxDepth ? 1 : 0), 0);
  const level = new Uint32Array(keep), parent = new Int32Array(keep);
  const start = new Uint32Array(keep), end = new Uint32Array(keep), center = new Uint32Array(keep);
  const renamed = new Int32Array(tree.level.length);
  let next = 0;
  for (let region = 0; region < tree.level.length; region++) {
    if (tree.level[region] > maxDepth) continue;
    renamed[region] = next;
    level[next] = tree.level[region];
    parent[next] = region === 0 ? -1 : renamed[tree.parent[region]];
    start[next] = tree.start[region];
    end[next] = tree.end[region];
    center[next] = tree.center[region];
    next++;
  }
  return { order: tree.order, level, parent, start, end, center };
}

/** The nested form of a tree, ready for JSON: a region's indices in the order of its segment. */
export function treeToNested(tree: RegionTree): NestedRegion {
  const regions: NestedRegion[] = [];
  for (let region = 0; region < tree.level.length; region++) {
    const nested: NestedRegion = {
      indices: Array.from(tree.order.subarray(tree.start[region], tree.end[region])),
      center_idx: tree.center[region],
      level: tree.level[region],
      children: [],
    };
    regions.push(nested);
    if (region > 0) regions[tree.parent[region]].children.push(nested);
  }
  return regions[0];
}
