/** Pooling and softmax over runs of rows. */

import maxBackwardWgsl from "../../../shaders/tensor/reduce/run_max_backward.wgsl" with {
  type: "text",
};
import maxWgsl from "../../../shaders/tensor/reduce/run_max.wgsl" with { type: "text" };
import softmaxWgsl from "../../../shaders/tensor/reduce/run_softmax.wgsl" with { type: "text" };
import sumWgsl from "../../../shaders/tensor/reduce/run_sum.wgsl" with { type: "text" };
import { type Device, rowsOf } from "../../gpu/device.ts";
import type { Runs } from "../runs.ts";
import { reduceStage } from "./reduce_stage.ts";
import { formatShape } from "../shapes.ts";
import { checkInputs } from "../inputs.ts";
import { empty, record, type Tensor, tensor, zeros } from "../tensor.ts";
import { mul } from "./binary.ts";
import { gatherRows, NO_ROW, type RowIndex, rowIndex } from "./gather_rows.ts";

/** How run_softmax.wgsl combines a row with its run's value. */
const WITH_RUN = {
  exp_sub: "exp(u - v)",
  divide: "u / v",
  subtract: "u - v",
} as const;

function checkRows(what: string, x: Tensor, runs: Runs): void {
  checkInputs(what, [x]);
  if (x.rows !== runs.rows) {
    throw new TypeError(`Cannot ${what} ${formatShape(x.shape)} over runs of ${runs.rows} rows.`);
  }
}

/** What is made once for some runs. It belongs to the scope open by then, so it may have to be made again. */
interface Derived {
  readonly runOfRow: RowIndex;
  readonly inverseLength: Tensor;
}
const derivedOf = new WeakMap<Runs, Derived>();

function derived(device: Device, runs: Runs): Derived {
  const known = derivedOf.get(runs);
  if (known && !known.inverseLength.slice.buffer.released) return known;
  const runOfRow = new Uint32Array(runs.rows).fill(NO_ROW);
  for (let r = 0; r < runs.count; r++) runOfRow.fill(r, runs.start[r], runs.end[r]);
  const inverse = Float32Array.from(runs.start, (start, r) => 1 / Math.max(1, runs.end[r] - start));
  const made = {
    runOfRow: rowIndex(device, runOfRow, runs.count),
    inverseLength: tensor(device, inverse, [runs.count, 1]),
  };
  derivedOf.set(runs, made);
  return made;
}

/** Sums over runs, unrecorded. */
export function addRuns(x: Tensor, runs: Runs): Tensor {
  const kernel = x.device.kernel("run_sum", sumWgsl, { INDIRECT: false });
  let out = x;
  for (const stage of runs.stages) {
    const next = empty(x.device, [stage.count, x.cols]);
    // The kernel does not read its list here; any buffer not written serves.
    reduceStage(kernel, out, stage, { byRow: { list: out.slice }, byRun: { out: next.slice } });
    out = next;
  }
  return out;
}

/** The sum of each run's rows: (rows, cols) → (runs, cols). */
export function runSum(x: Tensor, runs: Runs): Tensor {
  checkRows("sum", x, runs);
  return record("runSum", addRuns(x, runs), [x], (gradient) => [
    gatherRows(gradient, derived(x.device, runs).runOfRow),
  ]);
}

/** The mean of each run's rows; 0 for an empty run. */
export function runMean(x: Tensor, runs: Runs): Tensor {
  return mul(runSum(x, runs), derived(x.device, runs).inverseLength);
}

/**
 * Maxima over runs and the rows they came from, unrecorded: both (runs, cols).
 * @param from where x itself holds maxima: what they came from
 */
export function largestOfRuns(
  x: Tensor,
  runs: Runs,
  from: Tensor | null = null,
): { value: Tensor; arg: Tensor | null } {
  const { device, cols } = x;
  let value = x;
  let arg = from;
  for (const stage of runs.stages) {
    const nextValue = empty(device, [stage.count, cols]);
    const nextArg: Tensor = empty(device, [stage.count, cols], "u32");
    const constants = { LATER: arg !== null, VEC4: cols % 4 === 0 };
    const kernel = device.kernel("run_max", maxWgsl, constants);
    reduceStage(kernel, value, stage, {
      columnsAtOnce: constants.VEC4 ? 4 : 1,
      // The first stage has no rows to pass on and does not read them.
      byRow: { piece_arg: (arg ?? value).slice },
      byRun: { value: nextValue.slice, arg: nextArg.slice },
    });
    value = nextValue;
    arg = nextArg;
  }
  return { value, arg };
}

/**
 * The largest value of each channel over each run's rows: (rows, cols) → (runs, cols). The gradient goes to the one
 * row it came from (the first, on a tie).
 */
export function runMax(x: Tensor, runs: Runs): Tensor {
  checkRows("pool", x, runs);
  const { device, cols } = x;
  const { value, arg } = largestOfRuns(x, runs);
  return record("runMax", value, [x], (gradient) => {
    const dx = zeros(device, x.shape);
    const windowRows = Math.max(64, Math.floor(device.maxBindingBytes / 4 / cols / 64) * 64);
    for (let first = 0; first < x.rows; first += windowRows) {
      const outRows = Math.min(windowRows, x.rows - first);
      device.runRows(device.kernel("run_max_backward", maxBackwardWgsl), {
        rows: runs.count,
        rowsPerGroup: 256 / cols,
        byRow: { gradient: [gradient.slice, cols * 4], arg: [arg!.slice, cols * 4] },
        whole: { out: rowsOf(dx.slice, first, outRows, cols * 4) },
        params: { cols, first_out: first, out_rows: outRows },
      });
    }
    return [dx];
  });
}

/** f(x, value of the row's run), 0 in rows of no run. */
function withRun(op: keyof typeof WITH_RUN, x: Tensor, perRun: Tensor, runOfRow: RowIndex): Tensor {
  const { device, rows, cols } = x;
  const out = empty(device, x.shape);
  const combined = `fn combined(u: f32, v: f32) -> f32 { return ${WITH_RUN[op]}; }\n`;
  device.runRows(
    device.kernel(`run_softmax_${op}`, [combined, softmaxWgsl]),
    {
      rows,
      rowsPerGroup: 256 / cols,
      byRow: {
        x: [x.slice, cols * 4],
        run_of_row: [runOfRow.index.slice, 4],
        out: [out.slice, cols * 4],
      },
      whole: { per_run: perRun.slice },
      params: { cols },
    },
  );
  return out;
}

/** Softmax of each column within each run; 0 in rows that lie in no run. */
export function runSoftmax(x: Tensor, runs: Runs): Tensor {
  checkRows("take the softmax of", x, runs);
  const { runOfRow } = derived(x.device, runs);
  const shifted = withRun("exp_sub", x, largestOfRuns(x, runs).value, runOfRow);
  const out = withRun("divide", shifted, addRuns(shifted, runs), runOfRow);
  return record("runSoftmax", out, [x], (gradient) => {
    const along = addRuns(mul(out.detach(), gradient), runs);
    return [
      mul(out.detach(), withRun("subtract", gradient, along, derived(x.device, runs).runOfRow)),
    ];
  });
}
