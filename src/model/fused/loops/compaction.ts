/** Lists points that receive gradient, on the device, in ascending order. */

import countWgsl from "../../../../shaders/model/fused/lists/compact_count.wgsl" with {
  type: "text",
};
import listWgsl from "../../../../shaders/model/fused/lists/compact_list.wgsl" with {
  type: "text",
};
import markWgsl from "../../../../shaders/model/fused/lists/mark_rows.wgsl" with { type: "text" };
import scanWgsl from "../../../../shaders/model/fused/lists/compact_scan.wgsl" with {
  type: "text",
};
import type { Device } from "../../../gpu/device.ts";
import { empty, type Tensor, zeros } from "../../../tensor/mod.ts";
import { fusedKernel, GROUP } from "./row_kernels.ts";

const PIECE = 256;

/** Marked points of a batch. */
export interface PointList {
  /** Points, ascending; those behind the first `total` are 0. */
  readonly list: Tensor;
  /** How many; null: all of the list. */
  readonly total: Tensor | null;
  /** (N + 1) listed points before each point. */
  readonly position: Tensor;
}

/** Marks, cleared. */
export function makeMarks(device: Device, points: number): Tensor {
  return zeros(device, [points], "u32");
}

/** Mark the points named by `entries` (0xffffffff: none). */
export function markPoints(marks: Tensor, entries: Tensor): void {
  mark(marks, entries, entries, true);
}

/** Mark those of the points named by `entries` whose leaf is here. */
export function markLeafPoints(marks: Tensor, entries: Tensor, leafHere: Tensor): void {
  mark(marks, entries, leafHere, false);
}

function mark(flags: Tensor, entries: Tensor, leafHere: Tensor, fromMax: boolean): void {
  const { device } = flags;
  device.run(
    fusedKernel(device, "mark_rows", markWgsl, { FROM_MAX: fromMax }),
    { entry: entries.slice, leaf_here: leafHere.slice, flags: flags.slice },
    { entries: entries.size },
    Math.ceil(entries.size / GROUP),
  );
}

/** List the marked points; there are at most `bound`. */
export function listMarked(marks: Tensor, bound: number): PointList {
  const { device, size: points } = marks;
  const pieces = Math.ceil(points / PIECE);
  const pieceCount = empty(device, [pieces], "u32");
  const total = empty(device, [1], "u32");
  const list = zeros(device, [bound], "u32");
  const position = empty(device, [points + 1], "u32");
  const groups = Math.ceil(pieces / GROUP);
  device.run(
    fusedKernel(device, "compact_count", countWgsl),
    { flags: marks.slice, piece_count: pieceCount.slice },
    { points, pieces },
    groups,
  );
  device.run(
    fusedKernel(device, "compact_scan", scanWgsl),
    { piece_count: pieceCount.slice, total: total.slice },
    { pieces },
    1,
  );
  device.run(
    fusedKernel(device, "compact_list", listWgsl),
    {
      flags: marks.slice,
      piece_first: pieceCount.slice,
      list: list.slice,
      position: position.slice,
    },
    { points, pieces },
    groups,
  );
  return { list, total, position };
}
