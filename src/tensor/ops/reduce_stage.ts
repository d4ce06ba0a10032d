/** One stage of a reduction over segments of rows. */

import { type BufferSlice, rowsOf } from "../../gpu/device.ts";
import type { Kernel } from "../../gpu/kernel.ts";
import type { SegmentStage } from "../segments.ts";
import type { Tensor } from "../tensor.ts";

/** What a reduction binds besides x and the segments. */
export interface StageBindings {
  /** One row of x's width for each segment. */
  readonly bySegment: Readonly<Record<string, BufferSlice>>;
  /** One row of x's width for each row of x. */
  readonly byRow?: Readonly<Record<string, BufferSlice>>;
  /** A list of x's rows, for kernels that read x through it: then x is bound whole. */
  readonly list?: BufferSlice;
  /** Columns that one invocation handles: 1, or 4 in a kernel on vec4. */
  readonly columnsAtOnce?: 1 | 4;
}

/**
 * Record one stage of a reduction over segments of `x`'s rows, in windows of segments and rows
 * where a binding is too small.
 */
export function reduceStage(
  kernel: Kernel,
  x: Tensor,
  stage: SegmentStage,
  { bySegment, byRow = {}, list, columnsAtOnce = 1 }: StageBindings,
): void {
  const { device } = x;
  const cols = x.cols / columnsAtOnce;
  const rowBytes = x.cols * 4;
  const windowRows = Math.floor(device.maxBindingBytes / rowBytes);
  const windowSegments = Math.max(64, Math.floor(windowRows / 64) * 64);
  const cutRows = !list && x.slice.size > device.maxBindingBytes;
  for (let firstSegment = 0; firstSegment < stage.count; firstSegment += windowSegments) {
    const lastSegment = Math.min(firstSegment + windowSegments, stage.count);
    const bind: Record<string, BufferSlice> = {
      run_start: rowsOf(stage.deviceStart.slice, firstSegment, lastSegment - firstSegment, 4),
      run_end: rowsOf(stage.deviceEnd.slice, firstSegment, lastSegment - firstSegment, 4),
      ...(list ? { list } : {}),
    };
    for (const [name, slice] of Object.entries(bySegment)) {
      bind[name] = rowsOf(slice, firstSegment, lastSegment - firstSegment, rowBytes);
    }
    for (let first = firstSegment; first < lastSegment;) {
      let last = lastSegment;
      let firstRow = 0;
      let rows = x.rows;
      if (cutRows) {
        firstRow = Math.floor(Math.min(stage.start[first], x.rows - 1) / 64) * 64;
        for (last = first + 1; last < lastSegment; last++) {
          if (stage.end[last] - firstRow > windowRows) break;
        }
        rows = Math.max(1, stage.end[last - 1] - firstRow);
      }
      for (const [name, slice] of Object.entries({ x: x.slice, ...byRow })) {
        bind[name] = rowsOf(slice, firstRow, rows, rowBytes);
      }
      device.run(
        kernel,
        bind,
        { runs: last - first, first_run: first - firstSegment, cols, first_row: firstRow },
        Math.ceil((last - first) * cols / 256),
      );
      first = last;
    }
  }
}
