/** Pooling and softmax over runs of rows. */

import maxBackwardWgsl from "../../../shaders/run_max_backward.wgsl" with { type: "text" };
import maxWgsl from "../../../shaders/run_max.wgsl" with { type: "text" };
import softmaxBackwardWgsl from "../../../shaders/run_softmax_backward.wgsl" with { type: "text" };
import softmaxWgsl from "../../../shaders/run_softmax.wgsl" with { type: "text" };
import sumWgsl from "../../../shaders/run_sum.wgsl" with { type: "text" };
import type { BufferSlice, Device } from "../../gpu/device.ts";
import type { Kernel } from "../../gpu/kernel.ts";
import type { Runs, RunStage } from "../runs.ts";
import { empty, formatShape, record, type Tensor, tensor, zeros } from "../tensor.ts";
import { mul } from "./binary.ts";
import { gatherRows, type RowIndex, rowIndex } from "./gather_rows.ts";

/**
 * Record one stage of a reduction over runs of `x`'s rows, in windows of runs where x is larger than a binding.
 */
export function reduceStage(
  kernel: Kernel,
  x: Tensor,
  stage: RunStage,
  bind: Readonly<Record<string, BufferSlice>>,
  windowed = true,
): void {
  const { device, cols } = x;
  const whole = {
    ...bind,
    run_start: stage.deviceStart.slice,
    run_end: stage.deviceEnd.slice,
  };
  const run = (firstRun: number, runs: number, firstRow: number, slice: BufferSlice) =>
    device.run(
      kernel,
      { ...whole, x: slice },
      { runs, first_run: firstRun, cols, first_row: firstRow },
      Math.ceil(runs * cols / 256),
    );
  if (!windowed || x.slice.size <= device.maxBindingBytes) {
    run(0, stage.count, 0, x.slice);
    return;
  }
  const windowRows = Math.floor(device.maxBindingBytes / 4 / cols);
  for (let first = 0; first < stage.count;) {
    const firstRow = Math.floor(stage.start[first] / 64) * 64;
    let last = first + 1;
    while (last < stage.count && stage.end[last] - firstRow <= windowRows) last++;
    const rows = stage.end[last - 1] - firstRow;
    run(first, last - first, firstRow, {
      buffer: x.slice.buffer,
      offset: x.slice.offset + firstRow * cols * 4,
      size: rows * cols * 4,
    });
    first = last;
  }
}

function checkRows(what: string, x: Tensor, runs: Runs): void {
  if (x.rows !== runs.rows) {
    throw new TypeError(`Cannot ${what} ${formatShape(x.shape)} over runs of ${runs.rows} rows.`);
  }
}

const regionOfRow = new WeakMap<Runs, RowIndex>();

/** For each row the run it lies in; none for rows in no run. Made once per runs. */
function rowToRun(device: Device, runs: Runs): RowIndex {
  let index = regionOfRow.get(runs);
  if (!index) {
    const rows = new Uint32Array(runs.rows).fill(0xffffffff);
    for (let r = 0; r < runs.count; r++) rows.fill(r, runs.start[r], runs.end[r]);
    index = rowIndex(device, rows, runs.count);
    regionOfRow.set(runs, index);
  }
  return index;
}

/** The sum of each run's rows: (rows, cols) → (runs, cols). */
export function runSum(x: Tensor, runs: Runs): Tensor {
  checkRows("sum", x, runs);
  const { device } = x;
  const kernel = device.kernel("run_sum", sumWgsl, { INDIRECT: false });
  let out = x;
  for (const stage of runs.stages) {
    const next = empty(device, [stage.count, x.cols]);
    // The kernel ignores its list here; any buffer not written serves.
    reduceStage(kernel, out, stage, { list: stage.deviceStart.slice, out: next.slice });
    out = next;
  }
  return record("runSum", out, [x], (gradient) => [
    gatherRows(gradient, rowToRun(device, runs)),
  ]);
}

/** The mean of each run's rows; 0 for an empty run. */
export function runMean(x: Tensor, runs: Runs): Tensor {
  const inverse = Float32Array.from(runs.start, (start, r) => 1 / Math.max(1, runs.end[r] - start));
  return mul(runSum(x, runs), tensor(x.device, inverse, [runs.count, 1]));
}

/**
 * The largest value of each channel over each run's rows: (rows, cols) → (runs, cols). The gradient goes to the one
 * row it came from (the first, on a tie).
 */
export function runMax(x: Tensor, runs: Runs): Tensor {
  checkRows("pool", x, runs);
  const { device, cols } = x;
  let value = x;
  let arg: Tensor | null = null;
  for (const stage of runs.stages) {
    const nextValue = empty(device, [stage.count, cols]);
    const nextArg: Tensor = empty(device, [stage.count, cols], "u32");
    reduceStage(device.kernel("run_max", maxWgsl, { LATER: arg !== null }), value, stage, {
      piece_arg: (arg ?? stage.deviceStart).slice,
      value: nextValue.slice,
      arg: nextArg.slice,
    });
    value = nextValue;
    arg = nextArg;
  }
  return record("runMax", value, [x], (gradient) => {
    const dx = zeros(device, x.shape);
    const windowRows = Math.floor(device.maxBindingBytes / 4 / cols / 64) * 64;
    for (let first = 0; first < x.rows; first += windowRows) {
      const rows = Math.min(windowRows, x.rows - first);
      device.run(
        device.kernel("run_max_backward", maxBackwardWgsl),
        {
          gradient: gradient.slice,
          arg: arg!.slice,
          out: { buffer: dx.slice.buffer, offset: first * cols * 4, size: rows * cols * 4 },
        },
        { rows: runs.count, cols, first_out: first, out_rows: rows },
        Math.ceil(runs.count * cols / 256),
      );
    }
    return [dx];
  });
}

/** Softmax of each column within each run. Every row must lie in a run. */
export function runSoftmax(x: Tensor, runs: Runs): Tensor {
  checkRows("take the softmax of", x, runs);
  const { device, cols } = x;
  const out = empty(device, x.shape);
  const groups = Math.ceil(runs.count * cols / 256);
  const bounds = { run_start: runs.deviceStart.slice, run_end: runs.deviceEnd.slice };
  const params = { rows: runs.count, cols };
  device.run(
    device.kernel("run_softmax", softmaxWgsl),
    { x: x.slice, out: out.slice, ...bounds },
    params,
    groups,
  );
  return record("runSoftmax", out, [x], (gradient) => {
    const dx = empty(device, x.shape);
    device.run(
      device.kernel("run_softmax_backward", softmaxBackwardWgsl),
      { y: out.slice, gradient: gradient.slice, out: dx.slice, ...bounds },
      params,
      groups,
    );
    return [dx];
  });
}
