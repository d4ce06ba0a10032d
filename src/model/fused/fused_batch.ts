/**
 * What the fused path needs of a batch on the device: for each level, which points it encodes and
 * in which region.
 */

import type { Batch, BatchLevel } from "../../scenes/batches/batch.ts";
import type { Device } from "../../gpu/device.ts";
import {
  makeSegments,
  NO_ROW,
  type RowIndex,
  rowIndex,
  type Segments,
  type Tensor,
  tensor,
} from "../../tensor/mod.ts";

import type { RowProgram } from "./plan/row_program.ts";
import { POOLED_ROWS } from "./straight_line/straight_line.ts";

/** Regions that are encoded together, over the points of a batch. */
export interface FusedRegions {
  /** Their level, the root's 0; infinite for the leaves of all levels. */
  readonly level: number;
  readonly regions: number;
  /** Points that are encoded, ascending. */
  readonly points: Uint32Array;
  /** The same on the device. */
  readonly list: Tensor;
  /** (N + 1) encoded points before each point; null unless `listsAll`. */
  readonly position: Tensor | null;
  /** Each region's run of points. */
  readonly segments: Segments;
  /** (regions) points of each region; null with max pooling, which does not ask. */
  readonly lengths: Tensor | null;
  /** (N) region of each point, none for points outside. */
  readonly regionOfPoint: Tensor;
  /** (regions) centre points. */
  readonly centers: Tensor;
  /** (N) 1 where the point's leaf is among these regions. */
  readonly leafHere: Tensor;
  /** Whether any point's leaf is. */
  readonly hasLeaves: boolean;
  /** (N) centre of the region one level up; null: points' places are told in the scene. */
  readonly origin: Tensor | null;
}

/**
 * Up to so many points all are taken to have gradient: finding out which costs more than the
 * arithmetic.
 */
const FEW = 1024;

/** What the program that encodes regions' points wants of them. */
type Encoded = Pick<RowProgram, "pooling" | "recomputed" | "points">;

/**
 * Whether the backward pass goes over all of so many encoded points, or over those that it finds to
 * have gradient.
 */
function listsAll(points: number, { recomputed }: Encoded): boolean {
  return recomputed === "all" || points <= FEW;
}

/**
 * Rows of regions for a kernel that takes the maxima of 8 rows: each region begins at a multiple of
 * 8.
 */
export interface PooledRows {
  /**
   * Points of the rows, ascending; a region's last point is repeated up to the next region's first
   * row.
   */
  readonly points: Uint32Array;
  /** The same on the device. */
  readonly list: Tensor;
  /** Each region's run of eights. */
  readonly segments: Segments;
}

/** Put the rows of regions on the device for a kernel that pools. */
export function pooledRows(device: Device, { segments: { start, end } }: FusedRegions): PooledRows {
  const first = new Uint32Array(start.length), last = new Uint32Array(start.length);
  let eights = 0;
  for (let region = 0; region < start.length; region++) {
    first[region] = eights;
    eights += Math.ceil((end[region] - start[region]) / POOLED_ROWS);
    last[region] = eights;
  }
  const points = new Uint32Array(eights * POOLED_ROWS);
  for (let region = 0, row = 0; region < start.length; region++) {
    for (let point = start[region]; point < end[region]; point++) points[row++] = point;
    for (const next = last[region] * POOLED_ROWS; row < next; row++) points[row] = end[region] - 1;
  }
  return {
    points,
    list: tensor(device, points),
    segments: makeSegments(device, first, last, eights),
  };
}

/** A batch for the fused path. It lives in the scope that was open when it was made. */
export interface FusedBatch {
  /** Regions of each level (G2L). */
  readonly levels: readonly FusedRegions[];
  /** All leaves, in the order of their points (L2G). */
  readonly leaves: FusedRegions;
  /**
   * For each level, which leaf (in their order) each region is, none for the others; null: the
   * level has no leaf.
   */
  readonly leafOfRegion: readonly (RowIndex | null)[];
  /** Points in no leaf, on the device. */
  readonly strays: Tensor | null;
}

interface RegionList {
  readonly start: Uint32Array;
  readonly end: Uint32Array;
  readonly center: Uint32Array;
}

/** Put regions on the device. `leaf` marks those that are leaves. */
function fusedRegions(
  device: Device,
  depth: number,
  { start, end, center }: RegionList,
  leaf: (region: number) => boolean,
  count: number,
  encoded: Encoded,
  parents: RegionList | null = null,
): FusedRegions {
  const regionOfPoint = new Uint32Array(count).fill(NO_ROW);
  const leafHere = new Uint32Array(count);
  let listed = 0;
  for (let r = 0; r < start.length; r++) {
    regionOfPoint.fill(r, start[r], end[r]);
    if (leaf(r)) leafHere.fill(1, start[r], end[r]);
    listed += end[r] - start[r];
  }
  const points = new Uint32Array(listed);
  const position = new Uint32Array(count + 1);
  let row = 0;
  for (let p = 0; p < count; p++) {
    position[p] = row;
    if (regionOfPoint[p] !== NO_ROW) points[row++] = p;
  }
  position[count] = row;
  return {
    level: depth,
    regions: start.length,
    points,
    list: tensor(device, points),
    position: listsAll(listed, encoded) ? tensor(device, position) : null,
    segments: makeSegments(device, start, end, count),
    lengths: encoded.pooling === "mean"
      ? tensor(device, start.map((first, r) => end[r] - first))
      : null,
    regionOfPoint: tensor(device, regionOfPoint),
    centers: tensor(device, center),
    leafHere: tensor(device, leafHere),
    hasLeaves: leafHere.includes(1),
    origin: parents && tensor(device, centerOfPoint(parents, count)),
  };
}

/** The centre of the region that holds each point; of points outside point 0. */
function centerOfPoint({ start, end, center }: RegionList, count: number): Uint32Array {
  const centers = new Uint32Array(count);
  for (let r = 0; r < start.length; r++) centers.fill(center[r], start[r], end[r]);
  return centers;
}

/** Leaves of all levels in the order of their points, and where each comes from. */
function leavesInOrder(levels: readonly BatchLevel[]): { level: number; region: number }[] {
  return levels
    .flatMap((level, l) =>
      Array.from(level.start, (_, region) => ({ level: l, region }))
        .filter(({ region }) => level.childStart[region] === level.childEnd[region])
    )
    .sort((a, b) => levels[a.level].start[a.region] - levels[b.level].start[b.region]);
}

/** Put what the fused path needs of a batch on the device. */
export function uploadFusedBatch(
  device: Device,
  batch: Batch,
  encoded: Encoded,
): FusedBatch {
  const count = batch.pointCount;
  const leaves = leavesInOrder(batch.levels);
  const pick = (key: "start" | "end" | "center") =>
    Uint32Array.from(leaves, ({ level, region }) => batch.levels[level][key][region]);
  const leafRegions = fusedRegions(
    device,
    Infinity,
    { start: pick("start"), end: pick("end"), center: pick("center") },
    () => true,
    count,
    encoded,
  );
  const inLeaf = new Uint8Array(count);
  for (const point of leafRegions.points) inLeaf[point] = 1;
  const strays = new Uint32Array(count - leafRegions.points.length);
  for (let p = 0, row = 0; p < count; p++) if (!inLeaf[p]) strays[row++] = p;
  const leafOfRegion = batch.levels.map(({ start }) => new Uint32Array(start.length).fill(NO_ROW));
  leaves.forEach(({ level, region }, leaf) => leafOfRegion[level][region] = leaf);
  return {
    leafOfRegion: leafOfRegion.map((rows) =>
      rows.some((leaf) => leaf !== NO_ROW) ? rowIndex(device, rows, leaves.length) : null
    ),
    levels: batch.levels.map((level, l) =>
      fusedRegions(
        device,
        l,
        level,
        (r) => level.childStart[r] === level.childEnd[r],
        count,
        encoded,
        encoded.points?.placed && l > 0 ? batch.levels[l - 1] : null,
      )
    ),
    leaves: leafRegions,
    strays: strays.length > 0 ? tensor(device, strays) : null,
  };
}
