/** Which rows the plain encoder computes: the points of each region, one region after the other. */

import type { Batch, BatchLevel } from "../scenes/batches/batch.ts";
import type { Device } from "../gpu/device.ts";
import {
  NO_ROW,
  type RowIndex,
  rowIndex,
  type Segments,
  segmentsOfLengths,
} from "../tensor/mod.ts";

/** Rows that some regions encode. */
export interface EncodedRows {
  /** (rows) of the batch; null when it is all of them in order. */
  readonly points: RowIndex | null;
  /** Each region's rows among the encoded. */
  readonly segments: Segments;
  /** (regions) centres as rows of the batch. */
  readonly centers: RowIndex;
  /** For each encoded row its region. */
  readonly regionOfRow: RowIndex;
}

/** What G2L encodes of a level: every region. */
export interface PlainLevel {
  readonly encoded: EncodedRows;
  /** For each encoded row the parent among the level above; null at level 0. */
  readonly parentOfRow: RowIndex | null;
  /** For each point of the batch its row among `encoded` if its leaf is in this level. */
  readonly leafRowOfPoint: RowIndex;
  /** (regions) position of each leaf among the batch's leaves, none for the others. */
  readonly leafOfRegion: RowIndex;
}

/** The rows of both branches. */
export interface PlainRows {
  /** G2L, from the roots down. */
  readonly levels: readonly PlainLevel[];
  /** What L2G encodes: every leaf of every level, level by level. */
  readonly leaves: EncodedRows;
  /** For each point of the batch its row among `leaves`. */
  readonly leafRowOfPoint: RowIndex;
}

interface Region {
  readonly start: number;
  readonly end: number;
  readonly center: number;
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

/** For each encoded row of a level its parent. */
function parents(
  device: Device,
  { parent }: BatchLevel,
  { segments }: EncodedRows,
  above: BatchLevel,
): RowIndex {
  const rows = new Uint32Array(segments.rows);
  parent.forEach((p, r) => rows.fill(p, segments.start[r], segments.end[r]));
  return rowIndex(device, rows, above.start.length);
}

/** Puts the rows of a batch on the device, in the scope that is open. */
export function plainRows(device: Device, { levels, pointCount: points }: Batch): PlainRows {
  const regionsOf = ({ start, end, center }: BatchLevel): Region[] =>
    Array.from(start, (first, r) => ({ start: first, end: end[r], center: center[r] }));
  const leaves: Region[] = [];
  const leafOfRegion = levels.map((level) =>
    Uint32Array.from(regionsOf(level), (region, r) => {
      if (level.childStart[r] !== level.childEnd[r]) return NO_ROW;
      return leaves.push(region) - 1;
    })
  );
  return {
    levels: levels.map((level, l): PlainLevel => {
      const regions = regionsOf(level);
      const encoded = encodedRows(device, regions, points);
      const isLeaf = (r: number) => leafOfRegion[l][r] !== NO_ROW;
      return {
        encoded,
        parentOfRow: l > 0 ? parents(device, level, encoded, levels[l - 1]) : null,
        leafRowOfPoint: rowOfPoint(device, regions, isLeaf, points),
        leafOfRegion: rowIndex(device, leafOfRegion[l], leaves.length),
      };
    }),
    leaves: encodedRows(device, leaves, points),
    leafRowOfPoint: rowOfPoint(device, leaves, () => true, points),
  };
}
