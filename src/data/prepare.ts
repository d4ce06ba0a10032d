/**
 * From a scan or mesh as a file holds it to a scene that training reads: points on the surface, cleaned, thinned,
 * centred, with normals and a region tree.
 */

import { DataError, UsageError } from "../errors.ts";
import { sampleMesh } from "./mesh_sampling.ts";
import {
  DEFAULT_NEIGHBORS,
  estimateNormals,
  type NormalOrientation,
  repairNormals,
} from "./normals.ts";
import type { Attribute, PointCloud } from "./point_cloud.ts";
import { Random } from "./random.ts";
import type { RegionTree } from "./scene.ts";
import { distinctPoints, finitePoints, voxelPoints } from "./thinning.ts";
import { buildTree, type TreeOptions } from "./tree_builder.ts";

/** How a cloud becomes a scene. Everything may be left out. */
export interface PrepareOptions {
  /** Metres per unit of the file: 0.001 for millimetres. Default 1. */
  readonly scale?: number;
  /** Side of the voxels of which one point each is kept, in metres (after `scale`); null, the default: keep all. */
  readonly voxel?: number | null;
  /** Keep at most so many points, drawn at random from `seed`; null, the default: keep all. */
  readonly maxPoints?: number | null;
  /**
   * Points drawn from the surface of a mesh; null, the default: as many as it has vertices, at least 16,384 (at most
   * `maxPoints`); 0: take its vertices as the points.
   */
  readonly meshPoints?: number | null;
  /**
   * `scene` (default): metres stay metres; the middle of the bounding box goes to x = y = 0, the lowest point to z = 0.
   * `object`: the centroid goes to the origin and the farthest point to distance 1.
   */
  readonly kind?: "scene" | "object";
  /** Whether clouds without normals get estimated ones, and how their signs are chosen. Default `propagate`. */
  readonly normals?: NormalOrientation | "none";
  /** Neighbours a normal is estimated from. Default 16. */
  readonly neighbors?: number;
  /** How the region tree is built. */
  readonly tree?: TreeOptions;
  /** For the surface points and the point limit. Default 42. */
  readonly seed?: number;
}

/** Every option, as it was used. */
export type PrepareSettings = { readonly [K in keyof PrepareOptions]-?: PrepareOptions[K] };

/** What preparation did, in points. */
export interface PrepareReport {
  /** Points of the file; of a mesh, its vertices. */
  readonly read: number;
  /** Triangles that were sampled; 0 for a cloud. */
  readonly triangles: number;
  /** Points drawn from the triangles. */
  readonly sampled: number;
  /** Removed: a coordinate was not finite. */
  readonly nonFinite: number;
  /** Removed: the same coordinates as an earlier point. */
  readonly duplicates: number;
  /** Removed: another point of the same voxel was kept. */
  readonly voxel: number;
  /** Removed: over the limit. */
  readonly overLimit: number;
  /** Points of the scene. */
  readonly points: number;
  /** Where the normals are from; `none`: there are none. */
  readonly normals: "file" | "surface" | "estimated" | "none";
  /** Normals of the file that were zero or not finite and were estimated. */
  readonly normalsRepaired: number;
  /** Values of other attributes that were not finite and became 0, by attribute. */
  readonly valuesReplaced: Readonly<Record<string, number>>;
  /** Scene units per unit of the file: `scale`, times 1 / radius for objects. */
  readonly unit: number;
}

/** A prepared cloud with its tree. */
export interface PreparedCloud {
  /** `origin + coords` is the file's coordinate times `report.unit`. */
  readonly cloud: PointCloud;
  readonly tree: RegionTree;
  readonly report: PrepareReport;
}

const LEAST_MESH_POINTS = 16_384;

/** The options with their defaults. @throws {UsageError} One is out of range. */
export function completeOptions(options: PrepareOptions): PrepareSettings {
  const settings: PrepareSettings = {
    scale: options.scale ?? 1,
    voxel: options.voxel ?? null,
    maxPoints: options.maxPoints ?? null,
    meshPoints: options.meshPoints ?? null,
    kind: options.kind ?? "scene",
    normals: options.normals ?? "propagate",
    neighbors: options.neighbors ?? DEFAULT_NEIGHBORS,
    tree: {
      branching: options.tree?.branching ?? 8,
      maxDepth: options.tree?.maxDepth ?? 4,
      minPoints: options.tree?.minPoints ?? 32,
    },
    seed: options.seed ?? 42,
  };
  const { scale, voxel, maxPoints, meshPoints, neighbors, normals } = settings;
  const positive = (value: number) => value > 0 && value < Infinity;
  if (!positive(scale)) refuse("scale", "a number above 0", scale);
  if (voxel !== null && !positive(voxel)) refuse("voxel", "metres above 0, or null", voxel);
  if (maxPoints !== null) checkWhole("max_points", maxPoints, 1, 2 ** 31);
  if (meshPoints !== null) checkWhole("mesh_points", meshPoints, 0, 2 ** 28);
  checkWhole("neighbors", neighbors, 3, 1000);
  if (typeof normals !== "string" && !(normals.length === 3 && normals.every(Number.isFinite))) {
    refuse("normals", "a position of three numbers", normals);
  }
  new Random(settings.seed); // refuses a bad seed
  buildTree(new Float32Array(3), settings.tree); // and bad options of the tree
  return settings;
}

function refuse(name: string, expected: string, got: unknown): never {
  throw new UsageError(`Cannot prepare scenes: ${name}: expected ${expected}, got ${got}`);
}

function checkWhole(name: string, value: number, least: number, most: number): void {
  if (Number.isInteger(value) && value >= least && value <= most) return;
  refuse(name, `an integer from ${least} to ${most}`, value);
}

/**
 * Makes a scene of a cloud: samples meshes, removes points that are not finite or stand twice, thins, centres,
 * completes normals and builds the region tree. The same cloud and options give the same scene.
 *
 * @param where Names the cloud in errors.
 * @throws {DataError} No points are left. @throws {UsageError} An option is out of range.
 */
export function prepareCloud(
  cloud: PointCloud,
  options: PrepareOptions = {},
  where = "the cloud",
): PreparedCloud {
  const settings = completeOptions(options);
  const { maxPoints, voxel, seed } = settings;
  const surface = toSurface(cloud, settings, where);
  const removed = { nonFinite: 0, duplicates: 0, voxel: 0, overLimit: 0 };
  let now = surface;
  const thin = (reason: keyof typeof removed, kept: Uint32Array): void => {
    removed[reason] = now.count - kept.length;
    if (removed[reason] > 0) now = takePoints(now, kept);
  };
  thin("nonFinite", finitePoints(now.coords));
  thin("duplicates", distinctPoints(now.coords));
  if (now.count === 0) {
    throw new DataError(
      `Cannot prepare ${where}: expected at least one point with finite coordinates, got ` +
        (cloud.count === 0 ? "no points" : `none among its ${cloud.count} points`),
    );
  }
  if (voxel !== null) thin("voxel", voxelPoints(now.coords, voxel / settings.scale));
  if (maxPoints !== null && now.count > maxPoints) {
    const random = new Random(seed, "point limit");
    thin("overLimit", random.sampleWithoutReplacement(now.count, maxPoints));
  }
  const attributes = new Map(now.attributes);
  const valuesReplaced = replaceNonFinite(attributes);
  const placed = place(now, settings);
  const normals = completeNormals(placed.coords, attributes, settings, placed.sensor);
  return {
    cloud: { count: now.count, coords: placed.coords, origin: placed.origin, attributes },
    tree: buildTree(placed.coords, settings.tree),
    report: {
      read: cloud.count,
      triangles: surface === cloud ? 0 : cloud.triangles!.length / 3,
      sampled: surface === cloud ? 0 : surface.count,
      ...removed,
      points: now.count,
      normals: surface !== cloud ? "surface" : normals.source,
      normalsRepaired: normals.repaired,
      valuesReplaced,
      unit: placed.unit,
    },
  };
}

/** A mesh as points on its surface; a cloud as it is. */
function toSurface(cloud: PointCloud, settings: PrepareSettings, where: string): PointCloud {
  const { meshPoints, maxPoints, seed } = settings;
  if (cloud.triangles === undefined || cloud.triangles.length === 0 || meshPoints === 0) {
    return cloud;
  }
  const points = meshPoints ??
    Math.min(maxPoints ?? Infinity, Math.max(LEAST_MESH_POINTS, cloud.count));
  return sampleMesh(cloud, points, seed, where);
}

/** Rows `kept` of a cloud. Triangles are left out. */
function takePoints(cloud: PointCloud, kept: Uint32Array): PointCloud {
  const attributes = new Map<string, Attribute>();
  for (const [name, { width, data }] of cloud.attributes) {
    attributes.set(name, { width, data: takeRows(data, width, kept) });
  }
  const { origin } = cloud;
  return { count: kept.length, coords: takeRows(cloud.coords, 3, kept), origin, attributes };
}

function takeRows<T extends Attribute["data"]>(data: T, width: number, kept: Uint32Array): T {
  const out = new (data.constructor as new (length: number) => T)(kept.length * width);
  for (let row = 0; row < kept.length; row++) {
    for (let k = 0; k < width; k++) out[row * width + k] = data[kept[row] * width + k];
  }
  return out;
}

/** Values that are not finite become 0 (normals aside, which are estimated); says how many of which attribute. */
function replaceNonFinite(attributes: Map<string, Attribute>): Record<string, number> {
  const replaced: Record<string, number> = {};
  for (const [name, { width, data }] of attributes) {
    if (name === "normals") continue;
    let bad = 0;
    for (let i = 0; i < data.length; i++) if (!Number.isFinite(data[i])) bad++;
    if (bad === 0) continue;
    replaced[name] = bad;
    const clean = data.map((value: number) => (Number.isFinite(value) ? value : 0));
    attributes.set(name, { width, data: clean });
  }
  return replaced;
}

interface Placed {
  readonly coords: Float32Array;
  readonly origin: [number, number, number];
  readonly unit: number;
  /** The sensor's position, given in the file's coordinates, in the scene's. */
  readonly sensor: (position: readonly [number, number, number]) => [number, number, number];
}

/** Views turn about the origin, so that is where the middle belongs. */
function place(cloud: PointCloud, { kind, scale }: PrepareSettings): Placed {
  const { coords, count } = cloud;
  const min = [Infinity, Infinity, Infinity], max = [-Infinity, -Infinity, -Infinity];
  const sum = [0, 0, 0];
  for (let i = 0; i < coords.length; i++) {
    const k = i % 3, value = coords[i];
    sum[k] += value;
    if (value < min[k]) min[k] = value;
    if (value > max[k]) max[k] = value;
  }
  const middle = kind === "object"
    ? sum.map((value) => value / count)
    : [(min[0] + max[0]) / 2, (min[1] + max[1]) / 2, min[2]];
  let square = 0;
  for (let at = 0; at < coords.length; at += 3) {
    const x = coords[at] - middle[0],
      y = coords[at + 1] - middle[1],
      z = coords[at + 2] - middle[2];
    square = Math.max(square, x * x + y * y + z * z);
  }
  const unit = kind === "object" && square > 0 ? 1 / Math.sqrt(square) : scale;
  const placed = new Float32Array(coords.length);
  for (let i = 0; i < coords.length; i++) placed[i] = (coords[i] - middle[i % 3]) * unit;
  const shift = middle.map((value, k) => value + cloud.origin[k]);
  return {
    coords: placed,
    origin: shift.map((value) => value * unit) as [number, number, number],
    unit,
    sensor: (position) =>
      position.map((value, k) => (value - shift[k]) * unit) as [number, number, number],
  };
}

/** Makes `attributes` hold unit normals, unless there are none and none are wanted. */
function completeNormals(
  coords: Float32Array,
  attributes: Map<string, Attribute>,
  { normals: wanted, neighbors }: PrepareSettings,
  sensor: Placed["sensor"],
): { source: PrepareReport["normals"]; repaired: number } {
  const given = attributes.get("normals");
  if (given !== undefined && given.width === 3) {
    const data = Float32Array.from(given.data);
    const repaired = repairNormals(coords, data, neighbors);
    attributes.set("normals", { width: 3, data });
    // Some exporters write a column of zeros for "none": those are estimated as if it were not there.
    if (repaired < data.length / 3) return { source: "file", repaired };
    attributes.delete("normals");
  }
  if (wanted === "none") return { source: "none", repaired: 0 };
  const orientation = typeof wanted === "string" ? wanted : sensor(wanted);
  const data = estimateNormals(coords, { neighbors, orientation });
  attributes.set("normals", { width: 3, data });
  return { source: "estimated", repaired: 0 };
}
