/** Alignment, feature spread and norm of SPEC §3: what shows collapse. No gradient flows. */

import finalWgsl from "../../shaders/feature_metrics_final.wgsl" with { type: "text" };
import partWgsl from "../../shaders/feature_metrics.wgsl" with { type: "text" };
import type { BufferSlice, Device } from "../gpu/device.ts";
import type { Kernel } from "../gpu/kernel.ts";
import { expandTemplate } from "../gpu/template.ts";
import { empty, type Tensor } from "../tensor/mod.ts";

/** Rows or parts that one invocation adds up. */
const ROWS_PER_PART = 32;

function window(x: Tensor, first: number, rows: number): BufferSlice {
  const rowBytes = x.cols * 4;
  return {
    buffer: x.slice.buffer,
    offset: x.slice.offset + first * rowBytes,
    size: rows * rowBytes,
  };
}

/**
 * [alignment, feat_std, feat_norm] on the device: mean cosine of the two branches' point features, unbiased standard
 * deviation over all entries of G2L's, mean norm of G2L's rows.
 */
export function featureMetrics(g2l: Tensor, l2g: Tensor): Tensor {
  const { device, rows, cols } = g2l;
  const windowRows = Math.floor(device.maxBindingBytes / 4 / cols / 64) * 64;
  let parts: Tensor | null = null;
  for (let first = 0; first < rows; first += windowRows) {
    const count = Math.min(windowRows, rows - first);
    const part = merge(
      device,
      reduce(device, window(g2l, first, count), window(l2g, first, count), count, cols),
    );
    parts = parts ? merge(device, join(device, parts, part)) : part;
  }
  const metrics = empty(device, [3]);
  device.run(
    device.kernel("feature_metrics_final", finalWgsl),
    { parts: parts!.slice, metrics: metrics.slice },
    {},
    1,
  );
  return metrics;
}

function partKernel(device: Device, merge: boolean, width: number): Kernel {
  const constants = { MERGE: merge, VEC4: width === 4, WIDTH: width };
  return device.kernel("feature_metrics", () => expandTemplate(partWgsl, constants), constants);
}

function reduce(
  device: Device,
  a: BufferSlice,
  b: BufferSlice,
  rows: number,
  cols: number,
): Tensor {
  const chunks = Math.ceil(rows / ROWS_PER_PART);
  const width = cols % 4 === 0 ? 4 : 1;
  const out = empty(device, [chunks, 8]);
  device.run(
    partKernel(device, false, width),
    { a, b, parts: a, out: out.slice },
    { rows, cols: cols / width, chunks },
    Math.ceil(chunks / 64),
  );
  return out;
}

function merge(device: Device, parts: Tensor): Tensor {
  while (parts.rows > 1) {
    const chunks = Math.ceil(parts.rows / ROWS_PER_PART);
    const out = empty(device, [chunks, 8]);
    device.run(
      partKernel(device, true, 1),
      { a: parts.slice, b: parts.slice, parts: parts.slice, out: out.slice },
      { rows: parts.rows, cols: 0, chunks },
      Math.ceil(chunks / 64),
    );
    parts = out;
  }
  return parts;
}

function join(device: Device, a: Tensor, b: Tensor): Tensor {
  const both = empty(device, [2, 8]);
  device.copy(a.slice, { ...both.slice, size: 32 });
  device.copy(b.slice, { ...both.slice, offset: 32, size: 32 });
  return both;
}
