/**
 * Segments of consecutive rows (regions of a level, children of a region), on the CPU and on the
 * device.
 */

import type { Device } from "../gpu/device.ts";
import { isCount } from "./shapes.ts";
import type { Tensor } from "./tensor.ts";
import { tensor } from "./create.ts";

/**
 * Most rows that one invocation reduces; longer segments are reduced in pieces, then the pieces.
 */
export const PIECE = 256;

/** One stage of a reduction: segments over the rows of the stage before. */
export interface SegmentStage {
  /** Number of segments. */
  readonly count: number;
  /** (count) first row of each segment. */
  readonly start: Uint32Array;
  /** (count) row after each segment's last. */
  readonly end: Uint32Array;
  /** `start` on the device. */
  readonly deviceStart: Tensor;
  /** `end` on the device. */
  readonly deviceEnd: Tensor;
}

/** Disjoint, ascending segments [start, end) over the rows of a matrix. */
export interface Segments {
  /** Number of segments. */
  readonly count: number;
  /** Rows of the matrix they lie in. */
  readonly rows: number;
  /** (count) first row of each segment. */
  readonly start: Uint32Array;
  /** (count) row after each segment's last. */
  readonly end: Uint32Array;
  /** How to reduce them: the last stage gives one row a segment. */
  readonly stages: readonly SegmentStage[];
  /** The segments themselves on the device, not cut into pieces. */
  readonly deviceStart: Tensor;
  /** `end` on the device. */
  readonly deviceEnd: Tensor;
}

function cut(start: Uint32Array, end: Uint32Array): [RunPieces, RunPieces] | null {
  let pieces = 0;
  let long = false;
  for (let r = 0; r < start.length; r++) {
    const count = Math.max(1, Math.ceil((end[r] - start[r]) / PIECE));
    pieces += count;
    long ||= count > 1;
  }
  if (!long) return null;
  const inner = { start: new Uint32Array(pieces), end: new Uint32Array(pieces) };
  const outer = { start: new Uint32Array(start.length), end: new Uint32Array(start.length) };
  let piece = 0;
  for (let r = 0; r < start.length; r++) {
    outer.start[r] = piece;
    const count = Math.max(1, Math.ceil((end[r] - start[r]) / PIECE));
    for (let k = 0; k < count; k++, piece++) {
      inner.start[piece] = start[r] + k * PIECE;
      inner.end[piece] = Math.min(end[r], start[r] + (k + 1) * PIECE);
    }
    outer.end[r] = piece;
  }
  return [inner, outer];
}

interface RunPieces {
  start: Uint32Array;
  end: Uint32Array;
}

/** Throws unless segments are disjoint, ascending and within `rows`. */
function checkSegments(start: Uint32Array, end: Uint32Array, rows: number): void {
  if (start.length !== end.length || !isCount(rows)) {
    throw new TypeError(
      `Cannot make segments of ${start.length} first rows and ${end.length} ends over ${rows} rows.`,
    );
  }
  for (let r = 0, before = 0; r < start.length; before = end[r++]) {
    if (start[r] < before || end[r] < start[r] || end[r] > rows) {
      throw new RangeError(
        `Cannot make segment ${r} of rows ${start[r]} to ${
          end[r]
        }: expected it behind row ${before}, the end of the one ` +
          `before, and within ${rows} rows.`,
      );
    }
  }
}

/** Put segments on the device. They belong to the open scope like any tensor. */
export function makeSegments(
  device: Device,
  start: Uint32Array,
  end: Uint32Array,
  rows: number,
): Segments {
  checkSegments(start, end, rows);
  const stages: SegmentStage[] = [];
  const push = ({ start, end }: RunPieces): SegmentStage => {
    const stage = {
      count: start.length,
      start,
      end,
      deviceStart: tensor(device, start),
      deviceEnd: tensor(device, end),
    };
    stages.push(stage);
    return stage;
  };
  let rest: RunPieces = { start, end };
  for (let pieces = cut(start, end); pieces; pieces = cut(rest.start, rest.end)) {
    push(pieces[0]);
    rest = pieces[1];
  }
  const last = push(rest);
  const whole = stages.length === 1
    ? last
    : { deviceStart: tensor(device, start), deviceEnd: tensor(device, end) };
  return {
    count: start.length,
    rows,
    start,
    end,
    stages,
    deviceStart: whole.deviceStart,
    deviceEnd: whole.deviceEnd,
  };
}

/** Segments of the given lengths, one after the other from row 0. */
export function segmentsOfLengths(device: Device, lengths: ArrayLike<number>): Segments {
  const start = new Uint32Array(lengths.length);
  const end = new Uint32Array(lengths.length);
  let row = 0;
  for (let r = 0; r < lengths.length; r++) {
    if (!isCount(lengths[r])) {
      throw new RangeError(`Cannot make a segment of ${lengths[r]} rows (number ${r}).`);
    }
    start[r] = row;
    row += lengths[r];
    end[r] = row;
  }
  return makeSegments(device, start, end, row);
}
