/** A batch on the device: coordinates, features, and for every level which rows each region has. */

import type { Batch, BatchLevel, BatchView } from "../scenes/batches/batch.ts";
import type { Device } from "../gpu/device.ts";
import {
  NO_ROW,
  type RowIndex,
  rowIndex,
  type Segments,
  segmentsOfLengths,
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
  readonly segments: Segments;
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
  /**
   * Rows of the level below that are the children of each region with children; null when there are
   * none.
   */
  readonly children: Segments | null;
  /**
   * For each region of the level below, its parent among this level's regions; null when there are
   * none.
   */
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
    segments: segmentsOfLengths(device, lengths),
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

/**
 * `make` when it is first asked for: each path needs but a part of what a batch can be asked for.
 * What was made in a scope that has ended is made again.
 * @param memory one of the tensors that the value holds
 */
function lazy<T>(make: () => T, memory: (value: T) => Tensor | undefined): () => T {
  let made: { value: T } | null = null;
  return () => {
    if (!made || memory(made.value)?.slice.buffer.released) made = { value: make() };
    return made.value;
  };
}

const ofIndex = (index: RowIndex | null) => index?.index;
const ofRows = ({ regionOfRow }: EncodedRows) => regionOfRow.index;

/** A level on the CPU, with the leaves of the levels above counted. */
interface LevelRegions {
  readonly level: BatchLevel;
  readonly regions: readonly Region[];
  readonly isLeaf: (region: number) => boolean;
  readonly leafOfRegion: Uint32Array;
  readonly innerOfRegion: Uint32Array;
  readonly childCounts: readonly number[];
}

function levelRegions(level: BatchLevel, leaves: Region[]): LevelRegions {
  const regions = regionsOf(level);
  const isLeaf = (r: number) => level.childStart[r] === level.childEnd[r];
  const leafOfRegion = new Uint32Array(regions.length).fill(NO_ROW);
  const innerOfRegion = new Uint32Array(regions.length).fill(NO_ROW);
  const childCounts: number[] = [];
  regions.forEach((region, r) => {
    if (isLeaf(r)) {
      leafOfRegion[r] = leaves.length;
      leaves.push(region);
    } else {
      innerOfRegion[r] = childCounts.length;
      childCounts.push(level.childEnd[r] - level.childStart[r]);
    }
  });
  return { level, regions, isLeaf, leafOfRegion, innerOfRegion, childCounts };
}

function deviceLevel(
  device: Device,
  points: number,
  leaves: number,
  { level, regions, isLeaf, leafOfRegion, innerOfRegion, childCounts }: LevelRegions,
  above: BatchLevel | null,
  below: BatchLevel | undefined,
): DeviceLevel {
  const encoded = lazy(() => encodedRows(device, regions, points), ofRows);
  const parentOfRow = lazy(() => {
    if (!above) return null;
    const { segments } = encoded();
    const rows = new Uint32Array(segments.rows);
    regions.forEach((_, r) => rows.fill(level.parent[r], segments.start[r], segments.end[r]));
    return rowIndex(device, rows, above.start.length);
  }, ofIndex);
  const leafRowOfPoint = lazy(() => rowOfPoint(device, regions, isLeaf, points), ofIndex);
  const leafOf = lazy(() => rowIndex(device, leafOfRegion, leaves), ofIndex);
  const inner = childCounts.length > 0;
  const parentOfChild = lazy(
    () => inner ? rowIndex(device, below!.parent, regions.length) : null,
    ofIndex,
  );
  const centers = lazy(
    () => rowIndex(device, Uint32Array.from(regions, ({ center }) => center), points),
    ofIndex,
  );
  return {
    regions: regions.length,
    innerRegions: childCounts.length,
    innerOfRegion: rowIndex(device, innerOfRegion, childCounts.length),
    children: inner ? segmentsOfLengths(device, childCounts) : null,
    get encoded() {
      return encoded();
    },
    get parentOfRow() {
      return parentOfRow();
    },
    get leafRowOfPoint() {
      return leafRowOfPoint();
    },
    get leafOfRegion() {
      return leafOf();
    },
    get parentOfChild() {
      return parentOfChild();
    },
    get centers() {
      return centers();
    },
  };
}

/** Put a batch on the device: what only the plain path asks for, when it does. */
export function uploadBatch(device: Device, batch: Batch): RegionBatch {
  const points = batch.pointCount;
  const leafRegions: Region[] = [];
  const perLevel = batch.levels.map((level) => levelRegions(level, leafRegions));
  const leaves = lazy(() => encodedRows(device, leafRegions, points), ofRows);
  const leafRowOfPoint = lazy(() => rowOfPoint(device, leafRegions, () => true, points), ofIndex);
  return {
    source: batch,
    points,
    view1: uploadView(device, batch.view1, points, batch.featureWidth),
    view2: uploadView(device, batch.view2, points, batch.featureWidth),
    levels: perLevel.map((own, l) =>
      deviceLevel(
        device,
        points,
        leafRegions.length,
        own,
        batch.levels[l - 1] ?? null,
        batch.levels[l + 1],
      )
    ),
    get leaves() {
      return leaves();
    },
    get leafRowOfPoint() {
      return leafRowOfPoint();
    },
  };
}
