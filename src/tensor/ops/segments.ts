/** Pooling and softmax over segments of rows. */

import maxBackwardWgsl from "../../../shaders/tensor/reduce/segment_max_backward.wgsl" with {
  type: "text",
};
import maxWgsl from "../../../shaders/tensor/reduce/segment_max.wgsl" with { type: "text" };
import softmaxWgsl from "../../../shaders/tensor/reduce/segment_softmax.wgsl" with { type: "text" };
import sumWgsl from "../../../shaders/tensor/reduce/segment_sum.wgsl" with { type: "text" };
import { type Device, rowsOf } from "../../gpu/device.ts";
import type { Segments } from "../segments.ts";
import { reduceStage } from "./reduce_stage.ts";
import { formatShape } from "../shapes.ts";
import { checkInputs } from "../inputs.ts";
import { empty, record, type Tensor, zeros } from "../tensor.ts";
import { tensor } from "../create.ts";
import { mul } from "./binary.ts";
import { gatherRows, NO_ROW, type RowIndex, rowIndex } from "./gather_rows.ts";

/** How segment_softmax.wgsl combines a row with its segment's value. */
const WITH_RUN = {
  exp_sub: "exp(u - v)",
  divide: "u / v",
  subtract: "u - v",
} as const;

function checkRows(what: string, x: Tensor, segments: Segments): void {
  checkInputs(what, [x]);
  if (x.rows !== segments.rows) {
    throw new TypeError(
      `Cannot ${what} ${formatShape(x.shape)} over segments of ${segments.rows} rows.`,
    );
  }
}

/**
 * What is made once for some segments. It belongs to the scope open by then, so it may have to be
 * made again.
 */
interface Derived {
  readonly segmentOfRow: RowIndex;
  readonly inverseLength: Tensor;
}
const derivedOf = new WeakMap<Segments, Derived>();

function derived(device: Device, segments: Segments): Derived {
  const known = derivedOf.get(segments);
  if (known && !known.inverseLength.slice.buffer.released) return known;
  const segmentOfRow = new Uint32Array(segments.rows).fill(NO_ROW);
  for (let r = 0; r < segments.count; r++) segmentOfRow.fill(r, segments.start[r], segments.end[r]);
  const inverse = Float32Array.from(
    segments.start,
    (start, r) => 1 / Math.max(1, segments.end[r] - start),
  );
  const made = {
    segmentOfRow: rowIndex(device, segmentOfRow, segments.count),
    inverseLength: tensor(device, inverse, [segments.count, 1]),
  };
  derivedOf.set(segments, made);
  return made;
}

/** Sums over segments, unrecorded. */
export function addSegments(x: Tensor, segments: Segments): Tensor {
  const kernel = x.device.kernel("segment_sum", sumWgsl, { INDIRECT: false });
  let out = x;
  for (const stage of segments.stages) {
    const next = empty(x.device, [stage.count, x.cols]);
    // The kernel does not read its list here; any buffer not written serves.
    reduceStage(kernel, out, stage, { byRow: { list: out.slice }, bySegment: { out: next.slice } });
    out = next;
  }
  return out;
}

/** The sum of each segment's rows: (rows, cols) → (segments, cols). */
export function segmentSum(x: Tensor, segments: Segments): Tensor {
  checkRows("sum", x, segments);
  return record("segmentSum", addSegments(x, segments), [x], (gradient) => [
    gatherRows(gradient, derived(x.device, segments).segmentOfRow),
  ]);
}

/** The mean of each segment's rows; 0 for an empty segment. */
export function segmentMean(x: Tensor, segments: Segments): Tensor {
  return mul(segmentSum(x, segments), derived(x.device, segments).inverseLength);
}

/**
 * Maxima over segments and the rows they came from, unrecorded: both (segments, cols).
 * @param from where x itself holds maxima: what they came from
 */
export function largestOfSegments(
  x: Tensor,
  segments: Segments,
  from: Tensor | null = null,
): { value: Tensor; arg: Tensor | null } {
  const { device, cols } = x;
  let value = x;
  let arg = from;
  for (const stage of segments.stages) {
    const nextValue = empty(device, [stage.count, cols]);
    const nextArg: Tensor = empty(device, [stage.count, cols], "u32");
    const constants = { LATER: arg !== null, VEC4: cols % 4 === 0 };
    const kernel = device.kernel("segment_max", maxWgsl, constants);
    reduceStage(kernel, value, stage, {
      columnsAtOnce: constants.VEC4 ? 4 : 1,
      // The first stage has no rows to pass on and does not read them.
      byRow: { piece_arg: (arg ?? value).slice },
      bySegment: { value: nextValue.slice, arg: nextArg.slice },
    });
    value = nextValue;
    arg = nextArg;
  }
  return { value, arg };
}

/**
 * The largest value of each channel over each segment's rows: (rows, cols) → (segments, cols). The
 * gradient goes to the one row it came from (the first, on a tie).
 */
export function segmentMax(x: Tensor, segments: Segments): Tensor {
  checkRows("pool", x, segments);
  const { device, cols } = x;
  const { value, arg } = largestOfSegments(x, segments);
  return record("segmentMax", value, [x], (gradient) => {
    const dx = zeros(device, x.shape);
    const windowRows = Math.max(64, Math.floor(device.maxBindingBytes / 4 / cols / 64) * 64);
    for (let first = 0; first < x.rows; first += windowRows) {
      const outRows = Math.min(windowRows, x.rows - first);
      device.runRows(device.kernel("segment_max_backward", maxBackwardWgsl), {
        rows: segments.count,
        rowsPerGroup: 256 / cols,
        byRow: { gradient: [gradient.slice, cols * 4], arg: [arg!.slice, cols * 4] },
        whole: { out: rowsOf(dx.slice, first, outRows, cols * 4) },
        params: { cols, first_out: first, out_rows: outRows },
      });
    }
    return [dx];
  });
}

/** f(x, value of the row's segment), 0 in rows of no segment. */
function withSegment(
  op: keyof typeof WITH_RUN,
  x: Tensor,
  perSegment: Tensor,
  segmentOfRow: RowIndex,
): Tensor {
  const { device, rows, cols } = x;
  const out = empty(device, x.shape);
  const combined = `fn combined(u: f32, v: f32) -> f32 { return ${WITH_RUN[op]}; }\n`;
  device.runRows(
    device.kernel(`segment_softmax_${op}`, [combined, softmaxWgsl]),
    {
      rows,
      rowsPerGroup: 256 / cols,
      byRow: {
        x: [x.slice, cols * 4],
        run_of_row: [segmentOfRow.index.slice, 4],
        out: [out.slice, cols * 4],
      },
      whole: { per_run: perSegment.slice },
      params: { cols },
    },
  );
  return out;
}

/** Softmax of each column within each segment; 0 in rows that lie in no segment. */
export function segmentSoftmax(x: Tensor, segments: Segments): Tensor {
  checkRows("take the softmax of", x, segments);
  const { segmentOfRow } = derived(x.device, segments);
  const shifted = withSegment("exp_sub", x, largestOfSegments(x, segments).value, segmentOfRow);
  const out = withSegment("divide", shifted, addSegments(shifted, segments), segmentOfRow);
  return record("segmentSoftmax", out, [x], (gradient) => {
    const along = addSegments(mul(out.detach(), gradient), segments);
    return [
      mul(
        out.detach(),
        withSegment("subtract", gradient, along, derived(x.device, segments).segmentOfRow),
      ),
    ];
  });
}
