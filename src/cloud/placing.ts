/** Where a prepared cloud stands: about its middle, in metres or at the size of 1. */

import { boundsOf, innerBounds, sampledPoints } from "./bounds.ts";
import type { PointCloud } from "./point_cloud.ts";
import { roundedNote } from "../base/rounding.ts";

/** How a cloud is placed. */
export interface Placing {
  /** The middle of the bounds' lowest face at 0, 0, 0. */
  readonly center: boolean;
  /** The centroid at 0, 0, 0 and the farthest point at distance 1. */
  readonly unitScale: boolean;
}

/** A placed cloud. */
export interface Placed {
  readonly placed: PointCloud;
  /** What stands at 0, 0, 0, in the coordinates before. */
  readonly middle: readonly number[];
  readonly scale: number;
  readonly notes: readonly string[];
}

/** Bounds that float32 holds to this many metres need no other middle. */
const LARGEST_ROUNDING = 5e-5;
const MILLIMETRE = 1e-3;
const HALF_STEP = 2 ** -24;
/** An object whose farthest point lies this much farther than most is scaled by a stray. */
const STRAY = 20;

/**
 * Moves and scales as asked. Without scaling, origin + coords stay the cloud's coordinates. Points
 * far off count for nothing where their bounds would cost the others their precision; what float32
 * rounds even so is noted.
 *
 * @param rows What row of the file each point is, for notes; null: none
 */
export function placeCloud(
  cloud: PointCloud,
  { center, unitScale }: Placing,
  rows: Uint32Array | null,
): Placed {
  if (!center && !unitScale) return { placed: cloud, middle: [0, 0, 0], scale: 1, notes: [] };
  const middle = unitScale ? centroid(cloud.coords) : middleOfFloor(cloud.coords);
  const [mx, my, mz] = middle;
  const { coords, origin } = cloud;
  const farthest = unitScale ? farthestFrom(coords, middle) : { distance: 0, point: 0 };
  const scale = farthest.distance > 0 ? 1 / farthest.distance : 1;
  const moved = new Float32Array(coords.length);
  for (let i = 0; i < coords.length; i += 3) {
    moved[i] = (coords[i] - mx) * scale;
    moved[i + 1] = (coords[i + 1] - my) * scale;
    moved[i + 2] = (coords[i + 2] - mz) * scale;
  }
  const notes = unitScale
    ? strayNote(coords, middle, farthest, rows)
    : roundingNote(coords, moved, middle, rows);
  const newOrigin = unitScale
    ? [0, 0, 0] as const
    : [origin[0] + mx, origin[1] + my, origin[2] + mz] as const;
  const placed = { ...cloud, extent: undefined, coords: moved, origin: newOrigin };
  return { placed, middle, scale, notes };
}

/**
 * Said where moving costs points more than a millimetre, and more than where they were had cost
 * them before.
 */
function roundingNote(
  coords: Float32Array,
  moved: Float32Array,
  middle: readonly number[],
  rows: Uint32Array | null,
): string[] {
  // What is nearer than this is held to the millimetre.
  const near = MILLIMETRE / HALF_STEP;
  const rounded: number[] = [];
  let worst = 0;
  for (let k = 0; k < 3; k++) {
    const offset = middle[k];
    for (let i = k; i < moved.length; i += 3) {
      if (moved[i] < near && moved[i] > -near) continue;
      const error = Math.abs(moved[i] - (coords[i] - offset));
      if (error <= MILLIMETRE || error <= Math.abs(coords[i]) * HALF_STEP) continue;
      rounded.push((i - k) / 3);
      if (error > worst) worst = error;
    }
  }
  if (rounded.length === 0) return [];
  const points = [...new Set(rounded)].map((point) => rows?.[point] ?? point);
  return [roundedNote(points.sort((a, b) => a - b), worst)];
}

function farthestFrom(
  coords: Float32Array,
  [mx, my, mz]: readonly number[],
): { distance: number; point: number } {
  let farthest = 0, point = 0;
  for (let i = 0; i < coords.length; i += 3) {
    const x = coords[i] - mx, y = coords[i + 1] - my, z = coords[i + 2] - mz;
    const square = x * x + y * y + z * z;
    if (square > farthest) [farthest, point] = [square, i / 3];
  }
  return { distance: Math.sqrt(farthest), point };
}

/** Said where one point alone decides an object's size. */
function strayNote(
  coords: Float32Array,
  [mx, my, mz]: readonly number[],
  { distance, point }: { distance: number; point: number },
  rows: Uint32Array | null,
): string[] {
  const distances = sampledPoints(coords).map((i) =>
    Math.hypot(coords[3 * i] - mx, coords[3 * i + 1] - my, coords[3 * i + 2] - mz)
  ).sort((a, b) => a - b);
  const median = distances[distances.length >> 1];
  if (!(distance > STRAY * median) || rows === null || coords.length <= 6) return [];
  return [
    `point ${rows[point] + 1} lies ${
      Number((distance / median).toPrecision(3))
    } times as far out as half of the ` +
    "points, and the object is scaled by it: remove it if it is none of the object's",
  ];
}

function centroid(coords: Float32Array): number[] {
  const sums = [0, 0, 0];
  for (let i = 0; i < coords.length; i++) sums[i % 3] += coords[i];
  return sums.map((sum) => 3 * sum / coords.length);
}

/**
 * The middle of the bounds' lowest face, without points far off where float32 cannot hold all of
 * the bounds.
 */
function middleOfFloor(coords: Float32Array): number[] {
  const all = boundsOf(coords, -Infinity, Infinity);
  const isWide = all.some(([low, high]) => (high - low) / 2 * HALF_STEP > LARGEST_ROUNDING);
  const bounds = isWide ? all.map((bound, k) => innerBounds(coords, k) ?? bound) : all;
  return bounds.map(([low, high], k) => (k < 2 ? (low + high) / 2 : low));
}
