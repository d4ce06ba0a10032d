/**
 * Alignment, feature spread and norm of docs/model.md, "Loss and metrics": what shows collapse. No
 * gradient flows.
 */

import joinWgsl from "../../shaders/model/feature_metrics_join.wgsl" with { type: "text" };
import rowsWgsl from "../../shaders/model/feature_metrics.wgsl" with { type: "text" };
import { rowsOf } from "../gpu/device.ts";
import { checkInputs } from "../tensor/inputs.ts";
import { empty, formatShape, Tensor } from "../tensor/mod.ts";

/** Invocations of a workgroup. */
const GROUP = 64;
/** Parts that one workgroup joins. */
const PARTS = 32 * GROUP;
/** Bytes of a part. */
const PART_BYTES = 32;

/**
 * Join the first `count` parts to one for every `PARTS`, in `out` from part `first` on; null: to
 * the metrics.
 */
function join(parts: Tensor, count: number, out: Tensor, first: number | null): number {
  const { device } = parts;
  const groups = first === null ? 1 : Math.ceil(count / PARTS);
  const constants = { METRICS: first === null };
  device.run(
    device.kernel("feature_metrics_join", joinWgsl, constants),
    { parts: parts.slice, out: out.slice },
    { count, groups, first_out: first ?? 0 },
    [groups, 1, 1],
  );
  return groups;
}

/**
 * [alignment, feat_std, feat_norm] on the device: mean cosine of the two branches' point features,
 * unbiased standard deviation over all entries of G2L's, mean norm of G2L's rows.
 */
export function featureMetrics(g2l: Tensor, l2g: Tensor): Tensor {
  const device = checkInputs("featureMetrics", [g2l, l2g]);
  const { rows, cols } = g2l;
  if (rows === 0 || cols === 0 || l2g.rows !== rows || l2g.cols !== cols) {
    throw new TypeError(
      `Cannot compare features ${formatShape(g2l.shape)} and ${
        formatShape(l2g.shape)
      }: expected the same shape, with rows.`,
    );
  }
  const width = cols % 4 === 0 ? 4 : 1;
  const constants = { VEC4: width === 4, WIDTH: width, COLS: cols / width };
  const kernel = device.kernel("feature_metrics", rowsWgsl, constants);
  const widest = Math.max(4 * cols, PART_BYTES);
  const step = Math.floor(device.maxBindingBytes / widest / GROUP) * GROUP;
  const joined = empty(device, [Math.ceil(rows / PARTS) + Math.ceil(rows / step), 8]);
  let parts = joined;
  let count = 0;
  for (let first = 0; first < rows; first += step) {
    const here = Math.min(step, rows - first);
    const own = empty(device, [Math.ceil(here / GROUP) * GROUP, 8]);
    device.run(
      kernel,
      {
        a: rowsOf(g2l.slice, first, here, 4 * cols),
        b: rowsOf(l2g.slice, first, here, 4 * cols),
        parts: own.slice,
      },
      { rows: here },
      Math.ceil(here / GROUP),
    );
    if (rows <= PARTS && here === rows) {
      parts = own;
      count = rows;
    } else {
      count += join(own, here, joined, count);
      own.dispose();
    }
  }
  const metrics = empty(device, [4]);
  join(parts, count, metrics, null);
  const { buffer, offset } = metrics.slice;
  return new Tensor(device, [3], "f32", { buffer, offset, size: 12 });
}
