/**
 * InfoNCE of several small sets of rows at once, their scaling to unit length included: loss and
 * gradients in one dispatch. Sets of a few dozen rows are a few microseconds of work each, a
 * dispatch costs more; for larger ones see info_nce.ts.
 */

import scaleWgsl from "../../../../shaders/model/fused/contrast/small_contrast_scale.wgsl" with {
  type: "text",
};
import contrastWgsl from "../../../../shaders/model/fused/contrast/small_contrast.wgsl" with {
  type: "text",
};
import type { BufferSlice } from "../../../gpu/device.ts";
import { empty, recordAll, Tensor, zeros } from "../../../tensor/mod.ts";
import { fusedKernel } from "../loops/row_kernels.ts";

/** Most rows of a set. */
export const SMALL_SET = 32;
/** Sets of a dispatch: with two more, as many buffers as every device binds. */
const TOGETHER = 6;
/** Values from one loss to the next: 256 bytes, where bindings may begin. */
const SLOT = 64;
/** As `normalize`. */
const FLOOR_NORM = 1e-12;

/** Query rows and as many key rows, at least one. */
export interface ContrastSet {
  /** First query row. */
  readonly query: number;
  /** First key row. */
  readonly key: number;
  /** 1 to `SMALL_SET`. */
  readonly size: number;
}

/**
 * For each set the InfoNCE of its rows of x scaled to unit length, as `fusedInfoNCE` of
 * `normalize`.
 * @param x (rows, 4 · blocks); sets share no rows
 */
export function smallContrasts(
  x: Tensor,
  sets: readonly ContrastSet[],
  temperature: number,
): Tensor[] {
  const wrong = sets.find(({ query, key, size }) =>
    size < 1 || size > SMALL_SET || Math.max(query, key) + size > x.rows
  );
  if (wrong || x.cols % 4 !== 0) {
    throw new TypeError(
      `Cannot contrast ${wrong?.size ?? 0} of ${x.rows} rows of ${x.cols} columns.`,
    );
  }
  const losses: Tensor[] = [];
  for (let first = 0; first < sets.length; first += TOGETHER) {
    losses.push(...contrastTogether(x, sets.slice(first, first + TOGETHER), temperature));
  }
  return losses;
}

function contrastTogether(x: Tensor, sets: readonly ContrastSet[], temperature: number): Tensor[] {
  const { device, rows } = x;
  const most = Math.max(...sets.map(({ size }) => size));
  const GROUP = Math.max(8, 2 ** Math.ceil(Math.log2(most)));
  const constants = { SETS: sets.length, GROUP, BLOCKS: x.cols / 4 };
  const places: Record<string, number> = {};
  sets.forEach(({ query, key, size }, s) => {
    places[`query_${s}`] = query;
    places[`key_${s}`] = key;
    places[`size_${s}`] = size;
  });
  const loss = empty(device, [sets.length * SLOT]);
  const gradient = empty(device, x.shape);
  const unit = empty(device, x.shape);
  const p = empty(device, [sets.length, GROUP, GROUP]);
  device.run(
    fusedKernel(device, "small_contrast", contrastWgsl, constants),
    {
      x: x.slice,
      unit: unit.slice,
      p: p.slice,
      loss: loss.slice,
      gradient: gradient.slice,
    },
    { inverse_temperature: 1 / temperature, floor_norm: FLOOR_NORM, ...places },
    sets.length,
  );
  unit.dispose();
  p.dispose();
  const { buffer, offset } = loss.slice;
  const losses = sets.map((_, s) => {
    const slice = { buffer, offset: offset + 4 * SLOT * s, size: 4 };
    return new Tensor(device, [], "f32", slice);
  });
  recordAll("smallContrasts", losses, [x], (received) => {
    const none = received.includes(null) ? zeros(device, []) : null;
    const out = empty(device, x.shape);
    const bind: Record<string, BufferSlice> = { x: gradient.slice, out: out.slice };
    received.forEach((own, s) => bind[`gradient_${s}`] = (own ?? none!).slice);
    const { SETS, BLOCKS } = constants;
    device.run(
      fusedKernel(device, "small_contrast_scale", scaleWgsl, { SETS, BLOCKS }),
      bind,
      { rows, ...places },
      Math.ceil(rows * BLOCKS / 64),
    );
    return [out];
  });
  return losses;
}
