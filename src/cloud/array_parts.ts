/** Clouds whose coordinates, colours, labels and so on lie in NPY files side by side. */

import { basename, dirname, extname, join } from "@std/path";
import { DataError } from "../base/errors.ts";
import { headOf } from "./files_below.ts";
import {
  ARRAY_ROLES,
  cloudFromArrays,
  MAX_UNNAMED_COLUMNS,
  type NamedArray,
} from "./formats/numpy/named_arrays.ts";
import { npyArray } from "./formats/numpy/npy.ts";
import { isNpy, parseNpyHeader } from "./formats/numpy/npy_header.ts";
import type { PointCloud } from "./point_cloud.ts";

/** The arrays of one cloud. */
export interface ArrayParts {
  /** What the cloud is called: what its files' names begin with, else their folder. */
  readonly name: string;
  /** Paths of the arrays beside the coordinates, by what they hold. */
  readonly beside: Readonly<Record<string, string>>;
  /**
   * Paths of arrays under such names that have another number of rows, and so are of nothing here.
   */
  readonly misfits: readonly string[];
}

/** What else is known to be an array a point. */
const OTHERS = ["intensity", "strength", "superpoint", "superpoints", "alpha", "curvature"];
const HEAD = 4096;

/**
 * Finds the arrays of coordinates (`coord.npy`, `room_points.npy`: N rows, at least three columns)
 * that have others with as many rows beside them, under names that say what they hold (`color.npy`,
 * `room_labels.npy`, `segment20.npy`). By the path of the coordinates.
 */
export async function partsBeside(paths: readonly string[]): Promise<Map<string, ArrayParts>> {
  const groups = new Map<string, { role: string; path: string }[]>();
  for (const path of paths) {
    const named = roleOf(basename(path, extname(path)));
    if (named === undefined) continue;
    const key = join(dirname(path), named.prefix);
    groups.set(key, [...groups.get(key) ?? [], { role: named.role, path }]);
  }
  const found = new Map<string, ArrayParts>();
  for (const [key, group] of groups) {
    const coords = group.find(({ role }) => role === "coords")?.path;
    if (coords === undefined || group.every(({ role }) => role === "coords")) continue;
    const shape = await shapeOf(coords);
    if (shape?.length !== 2 || shape[1] < 3 || shape[1] > MAX_UNNAMED_COLUMNS) continue;
    const beside: Record<string, string> = {};
    const misfits: string[] = [];
    for (const { role, path } of group) {
      if (role === "coords") continue;
      const free = role in beside ? basename(path, extname(path)) : role;
      if ((await shapeOf(path))?.[0] === shape[0]) beside[free] = path;
      else misfits.push(path);
    }
    const folder = dirname(coords);
    // One alone keeps the name that it had.
    const name = Object.keys(beside).length === 0
      ? basename(coords, extname(coords))
      : key === folder
      ? basename(folder)
      : basename(key);
    found.set(coords, { name, beside, misfits });
  }
  return found;
}

/** All names by what they mean, longer ones first: `sem_label` is no `label` of `sem`. */
const NAMES = (["coords", "normals", "colors", "labels", "instances"] as const)
  .flatMap((role) => ARRAY_ROLES[role].map((name): [string, string] => [name, role]))
  .sort(([a], [b]) => b.length - a.length);

/**
 * What a file's name says: `room_normal` is the normals of `room`, `segment20` labels of 20
 * classes.
 */
function roleOf(stem: string): { role: string; prefix: string } | undefined {
  const lower = stem.toLowerCase();
  if (OTHERS.includes(lower)) return { role: lower, prefix: "" };
  const numbered = lower.replace(/\d+$/, "");
  for (const [name, role] of NAMES) {
    const isNumbered = role === "labels" || role === "instances";
    for (const text of isNumbered ? [lower, numbered] : [lower]) {
      if (text === name) return { role, prefix: "" };
      if (!text.endsWith(name)) continue;
      const before = stem.slice(0, text.length - name.length);
      if (/[_.-]$/.test(before)) return { role, prefix: before.slice(0, -1) };
    }
  }
}

async function shapeOf(path: string): Promise<readonly number[] | undefined> {
  const head = await headOf(path, HEAD);
  if (head === undefined || !isNpy(head.bytes)) return undefined;
  try {
    return parseNpyHeader(head.bytes, path).shape;
  } catch (error) {
    if (error instanceof DataError) return undefined; // whoever reads it says why
    throw error;
  }
}

/**
 * Reads the cloud of these arrays.
 * @throws {DataError} One of them is damaged, or has another shape than its name says.
 */
export async function readArrayParts(
  coords: string,
  beside: ArrayParts["beside"],
): Promise<PointCloud> {
  const arrays = new Map<string, NamedArray>();
  for (const [name, path] of Object.entries({ ...beside, coords })) {
    arrays.set(name, npyArray(await Deno.readFile(path), path));
  }
  return cloudFromArrays(coords, arrays);
}
