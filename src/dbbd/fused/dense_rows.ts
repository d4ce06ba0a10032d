/** A row program on whole tensors: projection heads, the aggregator's layers, start values of regions. */

import { empty, record, Tensor, VISIT, zeros } from "../../tensor/mod.ts";
import type { FamilyPolicy } from "./families.ts";
import type { ProgramRun } from "./program_weights.ts";
import { appendOnes, roomOf, RowChunk } from "./row_kernels.ts";
import { backwardRows, hiddenRows, inputGradient, lastRows } from "./row_layers.ts";
import { blocks, rowsOfBinding } from "./row_program.ts";

/** Rows of a tensor, as a view: nothing is recorded. `first` is a multiple of 64. */
function view(x: Tensor, first: number, rows: number): Tensor {
  const { buffer, offset } = x.slice;
  const rowBytes = x.cols * 4;
  return new Tensor(x.device, [rows, x.cols], "f32", {
    buffer,
    offset: offset + first * rowBytes,
    size: rows * rowBytes,
  });
}

/** A part's place among the rows of all parts. */
interface Place {
  readonly first: number;
  readonly rows: number;
}

/** Rows [first, first + rows) of all parts, one after the other, with the input of 1 behind each. */
function inputsOf(
  run: ProgramRun,
  parts: readonly Tensor[],
  places: readonly Place[],
  first: number,
  rows: number,
): Tensor {
  const inputs = empty(run.token.device, [rows, 4 * run.program.slots]);
  parts.forEach((x, p) => {
    const from = Math.max(places[p].first, first);
    const to = Math.min(places[p].first + x.rows, first + rows);
    if (from < to) appendOnes(view(x, from - places[p].first, to - from), inputs, from - first);
  });
  return inputs;
}

/**
 * The program of `run` on the rows of all `parts`, each (rows, 4 · blocks), in one go.
 * @param families decide how weight gradients are summed
 * @param after applied to all results before they are parted again
 * @returns for each part (rows, 4 · blocks)
 */
export function denseRows(
  run: ProgramRun,
  parts: readonly Tensor[],
  families: FamilyPolicy,
  after: (x: Tensor) => Tensor = (x) => x,
): Tensor[] {
  const { device } = run.token;
  const { layers } = run.program;
  let total = 0;
  // Each part begins at a multiple of 64 rows, so that it can be bound by itself.
  const places = parts.map(({ rows }): Place => {
    const place = { first: total, rows };
    total += roomOf(rows);
    return place;
  });
  run.expect(total);
  const gradients = families.gradients(total);
  // One chunk, unless a binding is too small for it.
  const step = rowsOfBinding(run.program, device.maxBindingBytes);
  const values = empty(device, [total, 4 * blocks(layers.at(-1)!.outs)]);
  const chunks = Array.from({ length: Math.ceil(total / step) }, (_, c) => {
    const first = c * step;
    const rows = Math.min(step, total - first);
    const inputs = inputsOf(run, parts, places, first, rows);
    const chunk = new RowChunk(device, null, 0, rows);
    const kept = hiddenRows(run, chunk, inputs, null);
    lastRows(run, chunk, inputs, kept, null, view(values, first, rows).slice);
    return { first, rows, inputs, chunk, kept };
  });
  record("denseRows", values, [run.token, ...parts], (gradient) => {
    const toInputs = empty(device, [total, 4 * layers[0].gradientBlocks]);
    for (const { first, rows, inputs, chunk, kept } of chunks) {
      // backwardRows uses up what it is given, which may be someone else's.
      const own = empty(device, [rows, gradient.cols]);
      device.copy(view(gradient, first, rows).slice, own.slice);
      const toFirst = backwardRows(run, chunk, inputs, kept, own, gradients);
      inputGradient(run, chunk, 0, toFirst, view(toInputs, first, rows).slice);
      // What was kept for this is not needed again; the encodings' backward passes, yet to come, can have the memory.
      for (const x of [toFirst, inputs, ...kept.zs, ...kept.stats, ...kept.activations]) {
        x.dispose();
      }
    }
    return [VISIT, ...places.map(({ first, rows }) => view(toInputs, first, rows))];
  });
  return parted(after(values), places);
}

/** Views of pieces of a tensor's rows; their gradients are put together in one tensor. */
function parted(x: Tensor, places: readonly Place[]): Tensor[] {
  if (places.length === 1 && places[0].rows === x.rows) return [x];
  const { device } = x;
  let whole: Tensor | null = null;
  return places.map(({ first, rows }) =>
    record("rows", view(x, first, rows), [x], (gradient) => {
      const known = whole;
      whole ??= zeros(device, x.shape);
      device.copy(gradient.slice, view(whole, first, rows).slice);
      return [known ? VISIT : whole];
    })
  );
}
