/** Rows of a matrix picked by index: parents for points, samples of points, levels put together. */

import gatherWgsl from "../../../shaders/tensor/gather_rows.wgsl" with { type: "text" };
import sumWgsl from "../../../shaders/tensor/reduce/segment_sum.wgsl" with { type: "text" };
import { type Device, rowsOf } from "../../gpu/device.ts";
import { makeSegments, type Segments } from "../segments.ts";
import { formatShape, isCount } from "../shapes.ts";
import { checkInputs } from "../inputs.ts";
import { empty, record, type Tensor } from "../tensor.ts";
import { tensor } from "../create.ts";
import { reduceStage } from "./reduce_stage.ts";

/** In an index: no row; the result is zero there. */
export const NO_ROW = 0xffffffff;

/** Which row of the source each row of the result is, with the way back. */
export interface RowIndex {
  /** Rows of the source. */
  readonly sourceRows: number;
  /** (rows) as given. */
  readonly source: Uint32Array;
  /** (rows) u32 on the device. */
  readonly index: Tensor;
  /**
   * Rows of the result that come from each source row: positions [start, end) of `list`, made when
   * first needed.
   */
  inverse(): { readonly list: Tensor; readonly segments: Segments; readonly inOrder: boolean };
}

/**
 * Put an index on the device. Entries are rows of the source or `NO_ROW`; a source row may be
 * picked often.
 */
export function rowIndex(device: Device, index: Uint32Array, sourceRows: number): RowIndex {
  if (!(index instanceof Uint32Array) || !isCount(sourceRows)) {
    throw new TypeError(
      `Cannot index ${sourceRows} rows: expected a Uint32Array of rows, and a whole number of rows.`,
    );
  }
  for (let i = 0; i < index.length; i++) {
    if (index[i] >= sourceRows && index[i] !== NO_ROW) {
      throw new RangeError(`Cannot pick row ${index[i]} (entry ${i}) of ${sourceRows} rows.`);
    }
  }
  let inverse: ReturnType<RowIndex["inverse"]> | undefined;
  return {
    sourceRows,
    source: index,
    index: tensor(device, index),
    inverse() {
      // It belongs to the scope it was first needed in; past that, it is made again.
      if (!inverse || inverse.list.slice.buffer.released) {
        inverse = invert(device, index, sourceRows);
      }
      return inverse;
    },
  };
}

function invert(
  device: Device,
  index: Uint32Array,
  sourceRows: number,
): ReturnType<RowIndex["inverse"]> {
  const end = new Uint32Array(sourceRows);
  for (const source of index) if (source !== NO_ROW) end[source]++;
  const start = new Uint32Array(sourceRows);
  for (let r = 0, at = 0; r < sourceRows; r++) {
    start[r] = at;
    at += end[r];
    end[r] = start[r];
  }
  const list = new Uint32Array(index.length);
  let inOrder = true;
  for (let i = 0; i < index.length; i++) {
    if (index[i] === NO_ROW) {
      inOrder = false;
      continue;
    }
    const position = end[index[i]]++;
    inOrder &&= position === i;
    list[position] = i;
  }
  return {
    list: tensor(device, list),
    segments: makeSegments(device, start, end, index.length),
    inOrder,
  };
}

/** out[r] = x[index[r]] without recording. */
function pickRows(x: Tensor, index: Tensor): Tensor {
  const { device, cols } = x;
  const out = empty(device, [index.size, cols]);
  const windowRows = Math.max(64, Math.floor(device.maxBindingBytes / 4 / cols / 64) * 64);
  for (let first = 0; first === 0 || first < x.rows; first += windowRows) {
    const sourceRows = Math.min(windowRows, x.rows - first);
    device.runRows(device.kernel("gather_rows", gatherWgsl), {
      rows: index.size,
      rowsPerGroup: 256 / cols,
      byRow: { index: [index.slice, 4], out: [out.slice, cols * 4] },
      whole: { x: rowsOf(x.slice, first, sourceRows, cols * 4) },
      params: { cols, first_source: first, source_rows: sourceRows },
    });
  }
  return out;
}

/** Sum, for each source row, the rows of `gradient` that were picked from it. */
function scatterSum(gradient: Tensor, index: RowIndex): Tensor {
  const { device, cols } = gradient;
  const { list, segments, inOrder } = index.inverse();
  // A list cannot be followed through windows: what is larger than a binding is put in order first.
  const follow = !inOrder && gradient.slice.size <= device.maxBindingBytes;
  let out = inOrder || follow ? gradient : pickRows(gradient, list);
  segments.stages.forEach((stage, k) => {
    const indirect = k === 0 && follow;
    const next = empty(device, [stage.count, cols]);
    const bySegment = { out: next.slice };
    reduceStage(
      device.kernel("segment_sum", sumWgsl, { INDIRECT: indirect }),
      out,
      stage,
      indirect ? { bySegment, list: list.slice } : { bySegment, byRow: { list: out.slice } },
    );
    out = next;
  });
  return out;
}

/** out[r] = x[index[r]], zeros for `NO_ROW`: (sourceRows, cols) → (rows, cols). */
export function gatherRows(x: Tensor, index: RowIndex): Tensor {
  checkInputs("gatherRows", [x]);
  if (x.rows !== index.sourceRows) {
    throw new TypeError(
      `Cannot pick rows of ${formatShape(x.shape)} by an index into ${index.sourceRows} rows.`,
    );
  }
  return record("gatherRows", pickRows(x, index.index), [x], (gradient) => [
    scatterSum(gradient, index),
  ]);
}
