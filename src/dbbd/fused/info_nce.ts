/**
 * InfoNCE in chunks of queries: similarities exist for one chunk at a time, forward keeps each row's log-sum-exp, backward
 * makes the similarities again (Inf-CL, arXiv 2410.17243). Nothing of size n × n is stored.
 */

import gradientWgsl from "../../../shaders/fused/nce_gradient.wgsl" with { type: "text" };
import packWgsl from "../../../shaders/fused/pack_weights.wgsl" with { type: "text" };
import rowsWgsl from "../../../shaders/fused/nce_rows.wgsl" with { type: "text" };
import {
  concat,
  empty,
  formatShape,
  record,
  reshape,
  scale,
  Tensor,
  tensor,
  zeros,
} from "../../tensor/mod.ts";
import { sumRows } from "../../tensor/ops/sum.ts";
import {
  addWeightGradient,
  fusedKernel,
  GROUP,
  type PackedWeights,
  RowChunk,
  rowLinear,
} from "./row_kernels.ts";
import { blocks } from "./row_program.ts";

/** Bytes of similarities that exist at once. */
const CHUNK_BYTES = 32 << 20;

/** Rows as weights for `rowLinear`: x · rowsᵀ, or with `transposed` x · rows. */
function packRows(rows: Tensor, transposed: boolean): PackedWeights {
  const { device } = rows;
  const [outs, ins] = transposed ? [rows.cols, rows.rows] : [rows.rows, rows.cols];
  const [outBlocks, inBlocks] = [blocks(outs), blocks(ins)];
  const values = empty(device, [outBlocks * inBlocks, 16]);
  device.run(
    fusedKernel(device, "pack_weights", packWgsl, { TRANSPOSED: transposed }),
    { weight: rows.slice, packed: values.slice },
    { outs, ins, out_blocks: outBlocks, in_blocks: inBlocks },
    Math.ceil(outBlocks * inBlocks / GROUP),
  );
  return { values, outBlocks, inBlocks };
}

/** Columns filled up with zeros to whole blocks. */
function wholeBlocks(x: Tensor): Tensor {
  const missing = 4 * blocks(x.cols) - x.cols;
  return missing === 0 ? x : concat([x, zeros(x.device, [x.rows, missing])]);
}

interface Chunk {
  readonly first: number;
  readonly rows: number;
}

function chunks(n: number): Chunk[] {
  const rows = Math.max(64, Math.floor(CHUNK_BYTES / (16 * blocks(n)) / 64) * 64);
  const all: Chunk[] = [];
  for (let first = 0; first < n; first += rows) {
    all.push({ first, rows: Math.min(rows, n - first) });
  }
  return all;
}

/**
 * InfoNCE (van den Oord et al. 2018) of unit rows, query and key (n, d): the mean over i of
 * −log(exp(q_i·k_i/τ) / Σ_j exp(q_i·k_j/τ)).
 */
export function fusedInfoNCE(query: Tensor, key: Tensor, temperature: number): Tensor {
  const n = query.rows;
  if (key.rows !== n || key.cols !== query.cols || n === 0) {
    throw new TypeError(
      `Cannot contrast ${formatShape(query.shape)} with ${formatShape(key.shape)}.`,
    );
  }
  return contrast(wholeBlocks(query), wholeBlocks(key), temperature);
}

function contrast(query: Tensor, key: Tensor, temperature: number): Tensor {
  const { device, rows: n, cols } = query;
  const depth = cols / 4;
  const keyBlocks = blocks(n);
  const keys = packRows(key, false);
  const total = tensor(device, Uint32Array.of(n));
  const shape = (chunk: Chunk) => ({
    rows: chunk.rows,
    first_row: chunk.first,
    keys: n,
    blocks: keyBlocks,
    inverse_temperature: 1 / temperature,
  });
  const rowsOf = (chunk: Chunk) => new RowChunk(total, chunk.first, chunk.rows, false);
  const queries = (chunk: Chunk) => ({ values: query, first: chunk.first * depth, stride: depth });
  const similarities = (chunk: Chunk) => rowLinear(rowsOf(chunk), queries(chunk), keys)!;

  const lse = empty(device, [n]);
  const loss = empty(device, [n]);
  for (const chunk of chunks(n)) {
    const s = similarities(chunk);
    device.run(
      fusedKernel(device, "nce_rows", rowsWgsl),
      { s: s.slice, lse: lse.slice, loss: loss.slice },
      shape(chunk),
      chunk.rows,
    );
    s.dispose();
  }
  return record("infoNCE", meanOf(loss), [query, key], (gradient) => {
    const toQuery = empty(device, [n, cols]);
    const toKey = { values: empty(device, [1, 4 * keyBlocks * cols]), slices: 1, filled: false };
    const keysAcross = packRows(key, true);
    for (const chunk of chunks(n)) {
      const s = similarities(chunk);
      device.run(
        fusedKernel(device, "nce_gradient", gradientWgsl),
        { s: s.slice, lse: lse.slice, gradient: gradient.slice },
        { ...shape(chunk), factor: 1 / (n * temperature) },
        Math.ceil(chunk.rows * keyBlocks / GROUP),
      );
      const rows = rowsOf(chunk);
      const part = rowLinear(rows, { values: s, first: 0, stride: keyBlocks }, keysAcross)!;
      const { buffer, offset } = toQuery.slice;
      device.copy({ ...part.slice, size: chunk.rows * cols * 4 }, {
        buffer,
        offset: offset + chunk.first * cols * 4,
        size: chunk.rows * cols * 4,
      });
      addWeightGradient(rows, toKey, queries(chunk), depth, s);
      part.dispose();
      s.dispose();
    }
    return [toQuery, firstRows(toKey.values, n, cols)];
  });
}

/** The mean of n values, unrecorded. */
function meanOf(values: Tensor): Tensor {
  return scale(reshape(sumRows(reshape(values, [values.size, 1])), []), 1 / values.size).detach();
}

/** The first rows of a flat tensor, as a view. */
function firstRows(flat: Tensor, rows: number, cols: number): Tensor {
  return new Tensor(flat.device, [rows, cols], "f32", { ...flat.slice, size: rows * cols * 4 });
}
