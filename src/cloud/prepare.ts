/** From a cloud as a file holds it to one to train on: cleaned, thinned, placed, with normals. */

import { DataError, UsageError } from "../base/errors.ts";
import { sampleMesh } from "./mesh_sampling.ts";
import { estimateNormals, type NormalOrientation } from "./normals.ts";
import type { Attribute, PointCloud } from "./point_cloud.ts";
import { placeCloud } from "./placing.ts";
import { Random } from "../base/random.ts";
import {
  distinctPoints,
  finitePoints,
  type Kept,
  type SourceRows,
  traceRows,
  voxelPoints,
} from "./thinning.ts";

/** What `prepare` does, in this order. */
export interface PrepareOptions {
  /** Metres per unit of the file: 0.001 for millimetres. Default 1. */
  readonly unit: number;
  /**
   * Meshes become this many points on their surface; 0 takes their vertices. Default 4096. Files
   * without triangles are point clouds as they are.
   */
  readonly meshPoints: number;
  /** Of points in one place, to the bit, only the first stays. Default true. */
  readonly removeDuplicates: boolean;
  /** Edge of the cubes that keep one point each, in metres; 0 keeps all. Default 0. */
  readonly voxelSize: number;
  /** Largest number of points; more are thinned by drawing from them. 0: no limit. Default 0. */
  readonly maxPoints: number;
  /**
   * Puts the middle of the cloud's bounds at x = y = 0 and its lowest point at z = 0 (the origin
   * keeps where that was): views turn about the origin. Default true.
   */
  readonly center: boolean;
  /**
   * Objects: moves the centroid to 0, 0, 0 and scales the farthest point to distance 1. Scenes stay
   * in metres. Default false.
   */
  readonly unitScale: boolean;
  /**
   * `auto` keeps the file's normals (made unit length) and estimates those that are missing, zero
   * or not finite; `estimate` estimates all; `keep` leaves what the file has. Default auto.
   */
  readonly normals: "auto" | "estimate" | "keep";
  /** Points that a normal's plane is fitted to, at least 3. Default 16. */
  readonly normalNeighbors: number;
  /** Which side estimated normals are on. Default consistent. */
  readonly normalOrientation: NormalOrientation;
  /** Chooses mesh samples and which points a limit keeps. Default 42. */
  readonly seed: number;
}

/** The values that stand where nothing else is said. */
export const PREPARE_DEFAULTS: PrepareOptions = {
  unit: 1,
  meshPoints: 4096,
  removeDuplicates: true,
  voxelSize: 0,
  maxPoints: 0,
  center: true,
  unitScale: false,
  normals: "auto",
  normalNeighbors: 16,
  normalOrientation: "consistent",
  seed: 42,
};

/** What became of a cloud's points. */
export interface PrepareReport {
  /** Points (a mesh: vertices) of the file. */
  readonly read: number;
  /** Points drawn from a mesh's surface; 0 for a point cloud. */
  readonly sampled: number;
  /** Removed because a coordinate is not finite. */
  readonly nonFinite: number;
  /** Removed because another point is in the same place. */
  readonly duplicates: number;
  /** Removed by the voxels. */
  readonly voxels: number;
  /** Removed by the limit. */
  readonly limit: number;
  /** Points left. */
  readonly kept: number;
  /** How many of them have estimated normals. */
  readonly estimatedNormals: number;
  /** Values of attributes that were not finite and became 0, by attribute; normals aside. */
  readonly valuesReplaced: Readonly<Record<string, number>>;
  /** What coordinates were multiplied by: `unit`, or what makes an object's size 1. */
  readonly scale: number;
}

/** A cloud to train on, and how its points go back to those that were read. */
export interface PreparedCloud extends SourceRows {
  /**
   * Cleaned, thinned, placed, with normals; `notes` and `classNames` are those of the cloud that
   * was read.
   */
  readonly cloud: PointCloud;
  /** What became of the points. */
  readonly report: PrepareReport;
  /**
   * Where the prepared cloud's 0, 0, 0 lies in the file's own coordinates and unit: a point of the
   * file is `origin[k] + cloud.coords[3 * i + k] / report.scale`. In metres and without unit scale
   * the cloud's own `origin`.
   */
  readonly origin: readonly [number, number, number];
}

/**
 * Prepares a cloud. Attributes follow their points; the tree is built afterwards.
 *
 * @param where names the cloud in messages
 * @throws {UsageError} when an option is out of range
 * @throws {DataError} when no point is left, or the voxels are too small for the cloud's extent
 */
export function prepare(
  cloud: PointCloud,
  options: Partial<PrepareOptions> = {},
  where = "the point cloud",
): PreparedCloud {
  const settings = { ...PREPARE_DEFAULTS, ...options };
  checkOptions(settings);
  const isMesh = cloud.triangles !== undefined && settings.meshPoints > 0;
  const surface = isMesh ? sampleMesh(cloud, settings.meshPoints, settings.seed, where) : cloud;
  const points = inMetres(surface, settings.unit);
  const steps: Kept[] = [];
  const thin = (before: PointCloud, kept: Kept): PointCloud => {
    steps.push(kept);
    return keep(before, kept.chosen);
  };
  const finite = thin(points, finitePoints(points.coords));
  const distinct = settings.removeDuplicates ? thin(finite, distinctPoints(finite.coords)) : finite;
  const thinned = settings.voxelSize > 0
    ? thin(distinct, voxelPoints(distinct.coords, settings.voxelSize, where))
    : distinct;
  const isTooMany = settings.maxPoints > 0 && thinned.count > settings.maxPoints;
  const limited = isTooMany ? thin(thinned, drawnPoints(thinned.count, settings)) : thinned;
  if (limited.count === 0) {
    throw new DataError(
      `Cannot prepare ${where}: expected points, got ${cloud.count}, of which none is finite.`,
    );
  }
  const before = isMesh ? inMetres(cloud, settings.unit) : points;
  const rows = traceRows(before, limited, isMesh ? null : steps);
  const { placed, middle, scale, notes } = placeCloud(limited, settings, rows.sourceIndex);
  const { attributes: complete, estimated } = withNormals(placed, settings);
  const { attributes, replaced } = withoutNonFinite(complete);
  const told = [...cloud.notes ?? [], ...steps.flatMap(({ note }) => note ?? []), ...notes];
  return {
    cloud: {
      ...{ ...placed, attributes, triangles: undefined },
      ...(cloud.classNames && { classNames: cloud.classNames }),
      ...(told.length > 0 && { notes: told }),
    },
    report: {
      read: cloud.count,
      sampled: isMesh ? points.count : 0,
      nonFinite: points.count - finite.count,
      duplicates: finite.count - distinct.count,
      voxels: distinct.count - thinned.count,
      limit: thinned.count - limited.count,
      kept: limited.count,
      estimatedNormals: estimated,
      valuesReplaced: replaced,
      scale: settings.unit * scale,
    },
    origin: [0, 1, 2].map((k) => (points.origin[k] + middle[k]) / settings.unit) as [
      number,
      number,
      number,
    ],
    ...rows,
  };
}

/** The points that a limit keeps. */
function drawnPoints(count: number, { seed, maxPoints }: PrepareOptions): Kept {
  return { chosen: new Random(seed, "point limit").sampleWithoutReplacement(count, maxPoints) };
}

function inMetres(cloud: PointCloud, unit: number): PointCloud {
  if (unit === 1) return cloud;
  const [x, y, z] = cloud.origin;
  const coords = cloud.coords.map((value) => value * unit);
  return { ...cloud, extent: undefined, coords, origin: [x * unit, y * unit, z * unit] };
}

/**
 * An intensity or colour that was not measured must not cost the point, nor stop whoever trains on
 * it.
 */
function withoutNonFinite(
  attributes: PointCloud["attributes"],
): { attributes: PointCloud["attributes"]; replaced: Record<string, number> } {
  const out = new Map<string, Attribute>();
  const replaced: Record<string, number> = {};
  for (const [name, { width, data }] of attributes) {
    let bad = 0;
    for (let i = 0; i < data.length; i++) if (!Number.isFinite(data[i])) bad++;
    if (bad > 0) replaced[name] = bad;
    const clean = bad > 0 ? data.map((value) => (Number.isFinite(value) ? value : 0)) : data;
    out.set(name, { width, data: clean });
  }
  return { attributes: out, replaced };
}

function checkOptions(options: PrepareOptions): void {
  const whole = (name: "meshPoints" | "maxPoints" | "normalNeighbors", min: number): void => {
    const value = options[name];
    if (Number.isSafeInteger(value) && value >= min) return;
    throw new UsageError(
      `Cannot prepare with ${name} ${value}: expected a whole number of ${min} or more`,
    );
  };
  whole("meshPoints", 0);
  whole("maxPoints", 0);
  whole("normalNeighbors", 3);
  if (!(options.unit > 0 && options.unit < Infinity)) {
    throw new UsageError(
      `Cannot prepare with unit ${options.unit}: expected metres per unit of the file, above 0`,
    );
  }
  if (!(options.voxelSize >= 0 && options.voxelSize < Infinity)) {
    throw new UsageError(
      `Cannot prepare with voxelSize ${options.voxelSize}: expected an edge length of 0 or more`,
    );
  }
}

/** The chosen points, all of them where `chosen` is as long as the cloud. */
function keep(cloud: PointCloud, chosen: Uint32Array): PointCloud {
  if (chosen.length === cloud.count) return cloud;
  const attributes = new Map<string, Attribute>();
  for (const [name, { width, data }] of cloud.attributes) {
    attributes.set(name, { width, data: rows(data, width, chosen) });
  }
  const coords = rows(cloud.coords, 3, chosen);
  return { count: chosen.length, coords, origin: cloud.origin, attributes };
}

function rows<T extends Attribute["data"]>(data: T, width: number, chosen: Uint32Array): T {
  const out = new (data.constructor as new (length: number) => T)(chosen.length * width);
  for (let i = 0; i < chosen.length; i++) {
    for (let k = 0; k < width; k++) out[i * width + k] = data[chosen[i] * width + k];
  }
  return out;
}

/** The attributes with the normals asked for, and how many of those are estimated. */
function withNormals(
  { coords, count, attributes }: PointCloud,
  settings: PrepareOptions,
): { attributes: ReadonlyMap<string, Attribute>; estimated: number } {
  if (settings.normals === "keep") return { attributes, estimated: 0 };
  const given = settings.normals === "auto" ? attributes.get("normals") : undefined;
  const normals = new Float32Array(3 * count);
  const missing: number[] = [];
  const values = given?.width === 3 ? given.data : normals;
  for (let i = 0; i < count; i++) {
    const x = values[3 * i];
    const y = values[3 * i + 1];
    const z = values[3 * i + 2];
    const length = Math.sqrt(x * x + y * y + z * z);
    if (length > 1e-12 && length < Infinity) {
      normals[3 * i] = x / length;
      normals[3 * i + 1] = y / length;
      normals[3 * i + 2] = z / length;
    } else missing.push(i);
  }
  if (missing.length > 0) {
    const all = estimateNormals(coords, settings.normalNeighbors, settings.normalOrientation);
    for (const i of missing) normals.set(all.subarray(3 * i, 3 * i + 3), 3 * i);
  }
  const out = new Map(attributes);
  out.set("normals", { width: 3, data: normals });
  return { attributes: out, estimated: missing.length };
}
