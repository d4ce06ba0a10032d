/** What is in a file of points: counts, bounds, attributes, and of a scene its region tree. */

import { DataError, UsageError } from "../base/errors.ts";
import { type ArrayParts, readArrayParts } from "../cloud/array_parts.ts";
import { readPickledScene } from "../cloud/formats/pickle/pkl_scene.ts";
import { printable } from "../base/printable.ts";
import type { ReadOptions } from "../cloud/formats/reader.ts";
import { findReader } from "../cloud/formats/registry.ts";
import { openNpyStack, readStackedCloud } from "../cloud/npy_stack.ts";
import type { Attribute, PointCloud } from "../cloud/point_cloud.ts";
import { parseSafetensors } from "../base/safetensors.ts";
import type { RegionTree } from "./scene.ts";
import { isSafetensors } from "../cloud/formats/safetensors.ts";
import { parseSceneFile } from "./scene_file.ts";

/** x, y, z; null where there is none, or it is not finite (as JSON has it). */
export type Place = readonly (number | null)[];

/** One attribute. */
export interface AttributeSummary {
  /** Values a point. */
  readonly width: number;
  /** `float32`, `float64`, `int32` or `uint32`. */
  readonly type: string;
  /** Over all finite values; null where there are none. */
  readonly min: number | null;
  /** As `min`. */
  readonly max: number | null;
  /** Values that are not finite. */
  readonly nonFinite: number;
  /** Of integers with at most 64 different values: how many points have each. */
  readonly counts?: Readonly<Record<string, number>>;
}

/** The regions of one level. */
export interface LevelSummary {
  /** The root's is 0. */
  readonly level: number;
  /** How many regions. */
  readonly regions: number;
  /** Points of the smallest. */
  readonly smallest: number;
  /** Of the middle one by size. */
  readonly median: number;
  /** Of the largest. */
  readonly largest: number;
}

/** What `inspectFile` tells. Coordinates are the file's own, in float64, before any re-centring. */
export interface Inspection {
  /** The path as it was given. */
  readonly file: string;
  /** The format that was recognised, e.g. `PLY`. */
  readonly format: string;
  /** Size of the file. */
  readonly bytes: number;
  /** Of all clouds of a stack together. */
  readonly points: number;
  /** Points with a coordinate that is not finite. */
  readonly nonFinite: number;
  /** Over finite coordinates; null where there are none. */
  readonly min: Place | null;
  /** As `min`. */
  readonly max: Place | null;
  /** The first point. */
  readonly first: Place | null;
  /** What was subtracted so that float32 keeps the digits. */
  readonly origin: readonly [number, number, number];
  /** By name. */
  readonly attributes: Readonly<Record<string, AttributeSummary>>;
  /** Of labels in words: the name of each. */
  readonly classNames?: readonly string[];
  /** What was guessed or is doubtful, a sentence each. */
  readonly notes?: readonly string[];
  /** Triangles of a mesh. */
  readonly triangles?: number;
  /** Of a stack: how many clouds. Bounds and attributes are then the first cloud's. */
  readonly clouds?: number;
  /** Of a scene with a region tree, which has been checked. */
  readonly scene?: {
    readonly id: string;
    readonly label?: number;
    readonly source?: string;
    readonly settings?: unknown;
    readonly regions: number;
    readonly levels: readonly LevelSummary[];
  };
}

/** A file that cannot be read. */
export interface InspectionFailure {
  /** The path as it was given. */
  readonly file: string;
  /** Why. */
  readonly error: string;
}

const MOST_COUNTED = 64, MOST_NAMED = 20;

/**
 * Reads a whole file and says what is in it; what is wrong with it is told, not thrown.
 * @param parts Arrays beside that of the coordinates, which are read with it
 */
export async function inspectFile(
  path: string,
  options: ReadOptions = {},
  parts?: ArrayParts,
): Promise<Inspection | InspectionFailure> {
  try {
    return await inspection(path, options, parts);
  } catch (error) {
    if (error instanceof DataError || error instanceof UsageError) {
      return { file: path, error: error.message };
    }
    if (error instanceof Deno.errors.NotFound) {
      return { file: path, error: `Cannot read ${path}: there is no such file` };
    }
    const system = error instanceof Error && error.name in Deno.errors;
    if (system) return { file: path, error: `Cannot read ${path}: ${(error as Error).message}` };
    throw error;
  }
}

async function inspection(
  path: string,
  options: ReadOptions,
  parts?: ArrayParts,
): Promise<Inspection> {
  if (parts !== undefined) {
    const paths = [path, ...Object.values(parts.beside)];
    const sizes = await Promise.all(paths.map(async (each) => (await Deno.stat(each)).size));
    const size = sizes.reduce((sum, each) => sum + each, 0);
    return summary(
      path,
      `${paths.length} NPY arrays`,
      size,
      await readArrayParts(path, parts.beside),
    );
  }
  const stack = await openNpyStack(path);
  if (stack !== undefined && stack.clouds > 0) {
    const { size } = await Deno.stat(path);
    const one = summary(path, "NPY stack", size, await readStackedCloud(stack, 0));
    return { ...one, clouds: stack.clouds, points: stack.clouds * stack.points };
  }
  const bytes = await Deno.readFile(path);
  const reader = findReader(bytes, path);
  const cloud = await reader.read(bytes, path, options);
  const told = summary(path, reader.name, bytes.length, cloud);
  if (!hasRegionTree(bytes, path, reader.name)) return told;
  const { id, tree, sceneLabel, source, settings } = parseSceneFile(bytes, path);
  const regions = tree.level.length;
  const scene = { id, label: sceneLabel, source, settings, regions, levels: levelsOf(tree) };
  return { ...told, scene };
}

/** Whether a file read as `format` brings a region tree. Throws DataError where it is damaged. */
export function hasRegionTree(bytes: Uint8Array, path: string, format: string): boolean {
  if (isSafetensors(bytes)) {
    const { tensors, metadata } = parseSafetensors(bytes, path);
    return tensors.has("tree/order") || metadata.hierarchy !== undefined;
  }
  return format === "PyTorch scene" && readPickledScene(bytes, path).hierarchy !== undefined;
}

function summary(file: string, format: string, bytes: number, cloud: PointCloud): Inspection {
  const { count, coords, origin, extent, attributes, triangles } = cloud;
  const min = [Infinity, Infinity, Infinity], max = [-Infinity, -Infinity, -Infinity];
  let nonFinite = 0;
  for (let at = 0; at < coords.length; at += 3) {
    let bad = false;
    for (let k = 0; k < 3; k++) {
      const value = coords[at + k];
      if (!Number.isFinite(value)) bad = true;
      else {
        if (value < min[k]) min[k] = value;
        if (value > max[k]) max[k] = value;
      }
    }
    if (bad) nonFinite++;
  }
  const place = (values: ArrayLike<number>, exact: ArrayLike<number> | undefined): Place =>
    origin.map((offset, k) => Number.isFinite(values[k]) ? exact?.[k] ?? offset + values[k] : null);
  return {
    file,
    format,
    bytes,
    points: count,
    nonFinite,
    min: count > 0 ? place(min, extent?.min) : null,
    max: count > 0 ? place(max, extent?.max) : null,
    first: count > 0 ? place(coords, extent?.first) : null,
    origin,
    attributes: Object.fromEntries(
      [...attributes].map(([name, attribute]) => [name, summariseAttribute(attribute)]),
    ),
    triangles: triangles && triangles.length / 3,
    classNames: cloud.classNames,
    notes: cloud.notes,
  };
}

function summariseAttribute({ width, data }: Attribute): AttributeSummary {
  let min = Infinity, max = -Infinity, nonFinite = 0;
  const integers = data instanceof Int32Array || data instanceof Uint32Array;
  const counts = new Map<number, number>();
  for (let i = 0; i < data.length; i++) {
    const value = data[i];
    if (!Number.isFinite(value)) {
      nonFinite++;
      continue;
    }
    if (value < min) min = value;
    if (value > max) max = value;
    if (integers && width === 1 && counts.size <= MOST_COUNTED) {
      counts.set(value, (counts.get(value) ?? 0) + 1);
    }
  }
  const some = min <= max;
  return {
    width,
    type: data.constructor.name.replace("Array", "").toLowerCase(),
    min: some ? min : null,
    max: some ? max : null,
    nonFinite,
    counts: integers && width === 1 && counts.size <= MOST_COUNTED
      ? Object.fromEntries([...counts].sort(([a], [b]) => a - b))
      : undefined,
  };
}

function levelsOf({ level, start, end }: RegionTree): LevelSummary[] {
  const sizes: number[][] = [];
  for (let region = 0; region < level.length; region++) {
    (sizes[level[region]] ??= []).push(end[region] - start[region]);
  }
  return sizes.map((list, depth) => {
    list.sort((a, b) => a - b);
    return {
      level: depth,
      regions: list.length,
      smallest: list[0],
      median: list[list.length >> 1],
      largest: list[list.length - 1],
    };
  });
}

const NUMBER = new Intl.NumberFormat("en");

/** An inspection as text for a person, several lines. */
export function describeInspection(told: Inspection): string {
  const { file, format, points, min, max, first, attributes, scene } = told;
  const lines = [
    `${file}`,
    `  format      ${format}, ${NUMBER.format(told.bytes)} bytes`,
    told.clouds === undefined
      ? `  points      ${NUMBER.format(points)}` +
        (told.nonFinite > 0 ? ` (${NUMBER.format(told.nonFinite)} not finite)` : "")
      : `  clouds      ${NUMBER.format(told.clouds)} of ${
        NUMBER.format(points / told.clouds)
      } points; what follows is of the first`,
  ];
  if (min !== null && max !== null) {
    const axes = min.map((low, k) => {
      const high = max[k];
      if (low === null || high === null) return `${"xyz"[k]} none`;
      return `${"xyz"[k]} ${short(low)} … ${short(high)} (${short(high - low)})`;
    });
    lines.push(`  bounds      ${axes.join("   ")}`);
    lines.push(
      `  first       ${first!.map((v) => v === null ? "not finite" : short(v)).join(" ")}`,
    );
  }
  if (told.triangles !== undefined) {
    lines.push(`  triangles   ${NUMBER.format(told.triangles)}`);
  }
  for (const [i, [name, attribute]] of Object.entries(attributes).entries()) {
    lines.push(`${i === 0 ? "  attributes  " : " ".repeat(14)}${name}: ${describe(attribute)}`);
  }
  if (told.classNames !== undefined) {
    const shown = told.classNames.slice(0, MOST_NAMED).map((name, i) => `${i} ${printable(name)}`);
    lines.push(
      `  classes     ${shown.join(", ")}${told.classNames.length > MOST_NAMED ? ", …" : ""}`,
    );
  }
  for (const note of told.notes ?? []) lines.push(`  note        ${note}`);
  if (scene !== undefined) {
    lines.push(
      `  scene       ${scene.id}${scene.label === undefined ? "" : `, label ${scene.label}`}` +
        (scene.source === undefined ? "" : `, from ${scene.source}`),
    );
    lines.push(`  tree        ${NUMBER.format(scene.regions)} regions, valid`);
    for (const { level, regions, smallest, median, largest } of scene.levels) {
      const sizes = smallest === largest
        ? NUMBER.format(smallest)
        : `${NUMBER.format(smallest)} to ${NUMBER.format(largest)} (median ${
          NUMBER.format(median)
        })`;
      lines.push(
        `    level ${level}   ${NUMBER.format(regions)} region${
          regions === 1 ? "" : "s"
        } of ${sizes} points`,
      );
    }
  }
  return lines.join("\n");
}

function describe({ width, type, min, max, nonFinite, counts }: AttributeSummary): string {
  const head = `${width > 1 ? `${width} × ` : ""}${type}`;
  const range = min === null || max === null ? "" : `, ${short(min)} … ${short(max)}`;
  const wild = nonFinite > 0 ? `, ${NUMBER.format(nonFinite)} not finite` : "";
  const values = counts === undefined
    ? ""
    : `, points by value: ${
      Object.entries(counts).slice(0, 20).map(([value, n]) => `${value}: ${NUMBER.format(n)}`)
        .join(", ")
    }${Object.keys(counts).length > 20 ? ", …" : ""}`;
  return head + range + wild + values;
}

function short(value: number): string {
  return String(Number(value.toPrecision(Math.abs(value) >= 1e5 ? 10 : 6)));
}
