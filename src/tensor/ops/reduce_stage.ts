/** One stage of a reduction over runs of rows. */

import { type BufferSlice, rowsOf } from "../../gpu/device.ts";
import type { Kernel } from "../../gpu/kernel.ts";
import type { RunStage } from "../runs.ts";
import type { Tensor } from "../tensor.ts";

/** What a reduction binds besides x and the runs. */
export interface StageBindings {
  /** One row of x's width for each run. */
  readonly byRun: Readonly<Record<string, BufferSlice>>;
  /** One row of x's width for each row of x. */
  readonly byRow?: Readonly<Record<string, BufferSlice>>;
  /** A list of x's rows, for kernels that read x through it: then x is bound whole. */
  readonly list?: BufferSlice;
  /** Columns that one invocation handles: 1, or 4 in a kernel on vec4. */
  readonly columnsAtOnce?: 1 | 4;
}

/** Record one stage of a reduction over runs of `x`'s rows, in windows of runs and rows where a binding is too small. */
export function reduceStage(
  kernel: Kernel,
  x: Tensor,
  stage: RunStage,
  { byRun, byRow = {}, list, columnsAtOnce = 1 }: StageBindings,
): void {
  const { device } = x;
  const cols = x.cols / columnsAtOnce;
  const rowBytes = x.cols * 4;
  const windowRows = Math.floor(device.maxBindingBytes / rowBytes);
  const windowRuns = Math.max(64, Math.floor(windowRows / 64) * 64);
  const cutRows = !list && x.slice.size > device.maxBindingBytes;
  for (let firstRun = 0; firstRun < stage.count; firstRun += windowRuns) {
    const lastRun = Math.min(firstRun + windowRuns, stage.count);
    const bind: Record<string, BufferSlice> = {
      run_start: rowsOf(stage.deviceStart.slice, firstRun, lastRun - firstRun, 4),
      run_end: rowsOf(stage.deviceEnd.slice, firstRun, lastRun - firstRun, 4),
      ...(list ? { list } : {}),
    };
    for (const [name, slice] of Object.entries(byRun)) {
      bind[name] = rowsOf(slice, firstRun, lastRun - firstRun, rowBytes);
    }
    for (let first = firstRun; first < lastRun;) {
      let last = lastRun;
      let firstRow = 0;
      let rows = x.rows;
      if (cutRows) {
        firstRow = Math.floor(Math.min(stage.start[first], x.rows - 1) / 64) * 64;
        for (last = first + 1; last < lastRun; last++) {
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
        { runs: last - first, first_run: first - firstRun, cols, first_row: firstRow },
        Math.ceil((last - first) * cols / 256),
      );
      first = last;
    }
  }
}
