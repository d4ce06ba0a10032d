/**
 * A row program on whole tensors: projection heads, the aggregator's layers, start values of
 * regions.
 */

import joinWgsl from "../../../../shaders/model/fused/rows/row_join.wgsl" with { type: "text" };
import type { BufferSlice } from "../../../gpu/device.ts";
import { empty, record, recordAll, Tensor, zeros } from "../../../tensor/mod.ts";
import type { VariantPolicy } from "../plan/variants.ts";
import type { ProgramRun } from "../weights/fused_step.ts";
import { fusedKernel, GROUP, roomOf, RowChunk } from "./row_kernels.ts";
import { backwardRows, hiddenRows, inputGradient, type KeptRows, lastRows } from "./row_layers.ts";
import { blocks, rowsOfChunk } from "../plan/row_program.ts";

/** Rows of a tensor, as a view: nothing is recorded. `first` is where a binding may begin. */
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
export interface Place {
  readonly first: number;
  readonly rows: number;
}

/** Parts put together by one dispatch: with the result, as many buffers as every device binds. */
const TOGETHER = 7;

/**
 * Rows from which on views of a tensor of `cols` columns may begin: bindings begin at multiples of
 * 256 bytes.
 */
function alignment(cols: number): number {
  let rows = 1;
  while (rows * cols % 64 !== 0) rows *= 2;
  return rows;
}

/**
 * Rows [first, first + rows) of all parts, one after the other, with the input of 1 behind each.
 */
function inputsOf(
  run: ProgramRun,
  parts: readonly Tensor[],
  places: readonly Place[],
  first: number,
  rows: number,
): Tensor {
  const { device } = run.step.packed;
  const inputs = empty(device, [rows, 4 * run.program.slots]);
  const within = places.flatMap((place, p) => {
    const begin = Math.max(place.first, first);
    const end = Math.min(place.first + place.rows, first + rows);
    if (begin >= end) return [];
    return [{ x: parts[p], begin: begin - first, rows: end - begin, from: begin - place.first }];
  });
  for (let k = 0, row = 0; row < rows; k += TOGETHER) {
    const some = within.slice(k, k + TOGETHER);
    const next = within[k + TOGETHER]?.begin ?? rows;
    const bind: Record<string, BufferSlice> = { out: inputs.slice };
    const params: Record<string, number> = {};
    some.forEach(({ x, begin, rows, from }, n) => {
      bind[`x_${n}`] = x.slice;
      params[`first_${n}`] = begin;
      params[`rows_${n}`] = rows;
      params[`from_${n}`] = from;
    });
    device.run(
      fusedKernel(device, "row_join", joinWgsl, { COUNT: some.length }),
      bind,
      { ...params, first: row, rows: next - row, blocks: run.program.slots - 1 },
      Math.ceil((next - row) * run.program.slots / GROUP),
    );
    row = next;
  }
  return inputs;
}

/** The rows of all parts after a program. */
export interface DenseRows {
  /** (rows, 4 · blocks); what lies between the parts means nothing. */
  readonly values: Tensor;
  /** Where each part lies, at a row where a binding may begin. */
  readonly places: readonly Place[];
}

/** Some of the rows, and what a backward pass needs of them. */
interface DenseChunk {
  readonly first: number;
  readonly rows: number;
  readonly inputs: Tensor;
  readonly chunk: RowChunk;
  readonly kept: KeptRows;
}

/** Places of parts one after the other, each at a multiple of `align` rows. */
function placesOf(parts: readonly Tensor[], cols: number, align: number): Place[] {
  let end = 0;
  return parts.map(({ rows, cols: own }): Place => {
    if (own !== cols) throw new TypeError(`Rows of ${own} columns, ${cols} expected.`);
    const place = { first: end, rows };
    end = Math.ceil((end + rows) / align) * align;
    return place;
  });
}

/**
 * The program of `run` on the rows of all `parts`, each (rows, 4 · blocks), in one go.
 * @param variants decide how weight gradients are summed
 */
export function denseRows(
  run: ProgramRun,
  parts: readonly Tensor[],
  variants: VariantPolicy,
): DenseRows {
  const { device } = run.step.packed;
  const { layers, slots } = run.program;
  const cols = 4 * blocks(layers.at(-1)!.outs);
  const align = Math.max(alignment(cols), alignment(4 * layers[0].gradientBlocks));
  const places = placesOf(parts, 4 * (slots - 1), align);
  const last = places.at(-1)!;
  const total = roomOf(Math.ceil((last.first + last.rows) / align) * align);
  run.expect(total);
  const gradients = variants.gradients(total);
  // One chunk, unless a binding is too small for it.
  const step = rowsOfChunk(run.program, device);
  const values = empty(device, [total, cols]);
  const compute = (first: number): DenseChunk => {
    const rows = Math.min(step, total - first);
    const inputs = inputsOf(run, parts, places, first, rows);
    const chunk = new RowChunk(device, null, 0, rows);
    return { first, rows, inputs, chunk, kept: hiddenRows(run, chunk, inputs, null) };
  };
  const chunks = Array.from({ length: Math.ceil(total / step) }, (_, c) => {
    const made = compute(c * step);
    const { first, rows, inputs, chunk, kept } = made;
    lastRows(run, chunk, inputs, kept, null, view(values, first, rows).slice);
    return made;
  });
  // A part alone is all there is to differentiate: what fills up the last workgroup gets no
  // gradient.
  const out = parts.length === 1 ? view(values, 0, parts[0].rows) : values;
  record("denseRows", out, [run.step.packed, ...parts], (gradient, pass) => {
    const sums = run.sums(pass);
    const toInputs = empty(device, [total, 4 * layers[0].gradientBlocks]);
    for (const before of chunks) {
      // An earlier backward pass has used up what was kept.
      const used = before.inputs.slice.buffer.released;
      const { first, rows, inputs, chunk, kept } = used ? compute(before.first) : before;
      // backwardRows uses up what it is given, which may be someone else's.
      const own = empty(device, [rows, gradient.cols]);
      const known = Math.max(0, Math.min(rows, gradient.rows - first));
      if (known < rows) device.clear(own.slice);
      device.copy(view(gradient, first, known).slice, own.slice);
      const toFirst = backwardRows(run, sums, chunk, inputs, kept, own, gradients);
      inputGradient(run, chunk, 0, toFirst, view(toInputs, first, rows).slice);
      // What was kept for this is not needed again; the encodings' backward passes, yet to come,
      // can have the memory.
      for (const x of [toFirst, inputs, ...kept.zs, ...kept.stats, ...kept.activations]) {
        x.dispose();
      }
    }
    return [null, ...places.map(({ first, rows }) => view(toInputs, first, rows))];
  });
  return { values: out, places };
}

/** Views of pieces of a tensor's rows; their gradients are put together in one tensor. */
export function parted({ values: x, places }: DenseRows): readonly Tensor[] {
  if (places.length === 1 && places[0].rows === x.rows) return [x];
  const { device } = x;
  const parts = places.map(({ first, rows }) => view(x, first, rows));
  return recordAll("parted", parts, [x], (gradients) => {
    const whole = zeros(device, x.shape);
    gradients.forEach((gradient, p) => {
      const { first, rows } = places[p];
      if (gradient) device.copy(gradient.slice, view(whole, first, rows).slice);
    });
    return [whole];
  });
}
