/** A batch on the device: coordinates, features, and for every level which rows each region has. */

import type { Batch, BatchLevel, BatchView } from "../data/batch.ts";
import type { Device } from "../gpu/device.ts";
import {
  NO_ROW,
  type RowIndex,
  rowIndex,
  type Runs,
  runsOfLengths,
  type Tensor,
  tensor,
} from "../tensor/mod.ts";

/** One view of all points, rows permuted so that every region is a run. */
export interface DeviceView {
  /** (N, 3) */
  readonly coords: Tensor;
  /** (N, C) */
  readonly feats: Tensor;
}

/** Rows that some regions encode: the regions' points one after the other. */
export interface EncodedRows {
  /** Regions that are encoded. */
  readonly regions: number;
  /** (rows) of the batch; null when it is all of them in order. */
  readonly points: RowIndex | null;
  /** Each region's rows among the encoded. */
  readonly runs: Runs;
  /** (regions) centres as rows of the batch. */
  readonly centers: RowIndex;
  /** For each encoded row its region. */
  readonly regionOfRow: RowIndex;
}

/** What one level needs beyond its encoded rows. */
export interface DeviceLevel {
  /** Regions of the level. */
  readonly regions: number;
  /** Every region of the level encoded (G2L). */
  readonly encoded: EncodedRows;
  /** For each encoded row the parent among the level above; null at level 0. */
  readonly parentOfRow: RowIndex | null;
  /** For each point of the batch its row among `encoded` if its leaf is in this level. */
  readonly leafRowOfPoint: RowIndex;
  /** (regions) position of each leaf among the batch's leaves (L2G), none for the others. */
  readonly leafOfRegion: RowIndex;
  /** (regions) position of each region with children among those, none for leaves. */
  readonly innerOfRegion: RowIndex;
  /** Regions with children. */
  readonly innerRegions: number;
  /** Rows of the level below that are the children of each region with children; null when there are none. */
  readonly children: Runs | null;
  /** For each region of the level below, its parent among this level's regions; null when there are none. */
  readonly parentOfChild: RowIndex | null;
  /** (regions) centres as rows of the batch. */
  readonly centers: RowIndex;
}

/** A batch on the device. It lives in the scope that was open when it was made. */
export interface RegionBatch {
  /** The batch it was made of. */
  readonly source: Batch;
  /** N, points of the batch. */
  readonly points: number;
  /** What G2L sees. */
  readonly view1: DeviceView;
  /** What L2G sees. */
  readonly view2: DeviceView;
  /** From the roots down. */
  readonly levels: readonly DeviceLevel[];
  /** Every leaf of every level encoded (L2G), level by level. */
  readonly leaves: EncodedRows;
  /** For each point of the batch its row among `leaves`. */
  readonly leafRowOfPoint: RowIndex;
}

function uploadView(device: Device, view: BatchView, points: number, width: number): DeviceView {
  return {
    coords: tensor(device, view.coords, [points, 3]),
    feats: tensor(device, view.feats, [points, width]),
  };
}

interface Region {
  start: number;
  end: number;
  center: number;
}

function encodedRows(device: Device, regions: readonly Region[], points: number): EncodedRows {
  const lengths = regions.map(({ start, end }) => end - start);
  const rows = lengths.reduce((sum, length) => sum + length, 0);
  const pointRows = new Uint32Array(rows);
  const regionRows = new Uint32Array(rows);
  let row = 0;
  let inOrder = rows === points;
  regions.forEach(({ start, end }, r) => {
    inOrder &&= start === row;
    for (let p = start; p < end; p++, row++) {
      pointRows[row] = p;
      regionRows[row] = r;
    }
  });
  return {
    regions: regions.length,
    points: inOrder ? null : rowIndex(device, pointRows, points),
    runs: runsOfLengths(device, lengths),
    centers: rowIndex(device, Uint32Array.from(regions, ({ center }) => center), points),
    regionOfRow: rowIndex(device, regionRows, regions.length),
  };
}

/** Where each point's row is among encoded rows, for the regions that `which` picks. */
function rowOfPoint(
  device: Device,
  regions: readonly Region[],
  which: (region: number) => boolean,
  points: number,
): RowIndex {
  const rows = new Uint32Array(points).fill(NO_ROW);
  let row = 0;
  regions.forEach(({ start, end }, r) => {
    for (let p = start; p < end; p++, row++) if (which(r)) rows[p] = row;
  });
  return rowIndex(device, rows, row);
}

function regionsOf(level: BatchLevel): Region[] {
  return Array.from(level.start, (start, r) => ({
    start,
    end: level.end[r],
    center: level.center[r],
  }));
}

/** Put a batch on the device. */
export function uploadBatch(device: Device, batch: Batch): RegionBatch {
  const points = batch.pointCount;
  const leafRegions: Region[] = [];
  const perLevel = batch.levels.map((level, l) => {
    const regions = regionsOf(level);
    const isLeaf = (r: number) => level.childStart[r] === level.childEnd[r];
    const leafOfRegion = new Uint32Array(regions.length).fill(NO_ROW);
    const innerOfRegion = new Uint32Array(regions.length).fill(NO_ROW);
    const childCounts: number[] = [];
    regions.forEach((region, r) => {
      if (isLeaf(r)) {
        leafOfRegion[r] = leafRegions.length;
        leafRegions.push(region);
      } else {
        innerOfRegion[r] = childCounts.length;
        childCounts.push(level.childEnd[r] - level.childStart[r]);
      }
    });
    return { level, regions, isLeaf, leafOfRegion, innerOfRegion, childCounts, l };
  });
  const levels = perLevel.map(
    ({ level, regions, isLeaf, leafOfRegion, innerOfRegion, childCounts, l }): DeviceLevel => {
      const encoded = encodedRows(device, regions, points);
      const parentRows = new Uint32Array(encoded.runs.rows);
      regions.forEach((_, r) => {
        parentRows.fill(level.parent[r], encoded.runs.start[r], encoded.runs.end[r]);
      });
      const below = batch.levels[l + 1];
      const inner = childCounts.length > 0;
      return {
        regions: regions.length,
        encoded,
        parentOfRow: l === 0 ? null : rowIndex(device, parentRows, perLevel[l - 1].regions.length),
        leafRowOfPoint: rowOfPoint(device, regions, isLeaf, points),
        leafOfRegion: rowIndex(device, leafOfRegion, leafRegions.length),
        innerOfRegion: rowIndex(device, innerOfRegion, childCounts.length),
        innerRegions: childCounts.length,
        children: inner ? runsOfLengths(device, childCounts) : null,
        parentOfChild: inner ? rowIndex(device, below.parent, regions.length) : null,
        centers: encoded.centers,
      };
    },
  );
  return {
    source: batch,
    points,
    view1: uploadView(device, batch.view1, points, batch.featureWidth),
    view2: uploadView(device, batch.view2, points, batch.featureWidth),
    levels,
    leaves: encodedRows(device, leafRegions, points),
    leafRowOfPoint: rowOfPoint(device, leafRegions, () => true, points),
  };
}
