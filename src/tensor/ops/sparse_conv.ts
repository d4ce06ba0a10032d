/** Convolution over rows that lie in a sparse grid. */

import packWgsl from "../../../shaders/tensor/sparse/pack_kernel.wgsl" with { type: "text" };
import convWgsl from "../../../shaders/tensor/sparse/sparse_conv.wgsl" with { type: "text" };
import weightsWgsl from "../../../shaders/tensor/sparse/sparse_conv_weights.wgsl" with {
  type: "text",
};
import { type Device, rowsOf } from "../../gpu/device.ts";
import type { KernelMap, RowTable } from "../kernel_map.ts";
import { checkInputs } from "../inputs.ts";
import { elements, formatShape } from "../shapes.ts";
import { empty, record, reshape, type Tensor, zeros } from "../tensor.ts";
import { columns, concat } from "./columns.ts";
import { sumRows } from "./sum.ts";

/** Rows and blocks of columns of one invocation. */
const TILE = { gpu: { ROWS: 2, COLS: 4 }, software: { ROWS: 4, COLS: 4 } } as const;
/** Blocks of inputs of one invocation of sparse_conv_weights. */
const WEIGHT_COLS = { gpu: 2, software: 4 } as const;
/** Pieces that the sums over rows are cut into, at most, and rows that a piece should have. */
const SLICES = { gpu: 64, software: 8 } as const;
const ROWS_PER_SLICE = 256;
/** Bytes of partial sums, at most. */
const PART_BYTES = 64 << 20;

const blocks = (width: number): number => Math.ceil(width / 4);

/** Windows of rows that a binding holds. */
function windows(device: Device, rows: number, cols: number): { first: number; rows: number }[] {
  const most = Math.max(64, Math.floor(device.maxBindingBytes / 4 / cols / 64) * 64);
  const all: { first: number; rows: number }[] = [];
  for (let first = 0; first < rows; first += most) {
    all.push({ first, rows: Math.min(most, rows - first) });
  }
  return all;
}

/** Widths of a weight, (outs, kernel, ins). */
interface Widths {
  readonly kernel: number;
  readonly outs: number;
  readonly ins: number;
}

/** Weights in blocks, see pack_kernel.wgsl. */
function packed(weight: Tensor, { kernel, outs, ins }: Widths, TRANSPOSED: boolean): Tensor {
  const { device } = weight;
  const count = kernel * blocks(outs) * blocks(ins);
  const out = empty(device, [count, 16]);
  device.run(
    device.kernel("pack_kernel", packWgsl, { TRANSPOSED }),
    { weight: weight.slice, packed: out.slice },
    { kernel, outs, ins, out_blocks: blocks(outs), in_blocks: blocks(ins) },
    Math.ceil(count / 64),
  );
  return out;
}

/** Σ_k W_k x[table[k, v]] for each row v: x (inRows, 4 · blocks) → (outRows, 4 · blocks). */
function convolve(x: Tensor, weight: Tensor, table: RowTable, kernel: number, out: Tensor): void {
  const { device } = x;
  if (x.rows === 0) device.clear(out.slice);
  const { ROWS, COLS } = TILE[device.kind];
  const [ins, outs] = [x.cols / 4, out.cols / 4];
  const pipeline = device.kernel("sparse_conv", convWgsl, {
    ROWS,
    COLS,
    MIRRORED: table.mirrored,
  });
  for (const target of windows(device, out.rows, out.cols)) {
    let add = 0;
    for (const { first: firstK, offsets, rows } of table.parts) {
      for (const source of windows(device, x.rows, x.cols)) {
        device.run(
          pipeline,
          {
            x: rowsOf(x.slice, source.first, source.rows, x.cols * 4),
            table: rows.slice,
            weight: weight.slice,
            out: rowsOf(out.slice, target.first, target.rows, out.cols * 4),
          },
          {
            rows: target.rows,
            first_row: target.first,
            in_blocks: ins,
            out_blocks: outs,
            kernel,
            first_k: firstK,
            offsets,
            stride: out.rows,
            first_source: source.first,
            source_rows: source.rows,
            add,
          },
          [Math.ceil(target.rows / (64 * ROWS)), Math.ceil(outs / COLS), 1],
        );
        add = 1;
      }
    }
  }
}

/** The gradient of the weights, (outs, kernel, ins). */
function weightGradient(x: Tensor, gradient: Tensor, map: KernelMap, widths: Widths): Tensor {
  const { device } = x;
  const { kernel, outs, ins } = widths;
  if (x.rows === 0 || gradient.rows === 0) return zeros(device, [outs * kernel, ins]);
  const COLS = WEIGHT_COLS[device.kind];
  const [inBlocks, outBlocks] = [x.cols / 4, gradient.cols / 4];
  const size = 16 * outBlocks * kernel * inBlocks;
  const room = Math.floor(Math.min(PART_BYTES, device.maxBindingBytes) / 4 / size);
  const wanted = Math.min(SLICES[device.kind], Math.ceil(gradient.rows / ROWS_PER_SLICE));
  const slices = Math.max(1, Math.min(wanted, room));
  const part = empty(device, [slices, size]);
  const pipeline = device.kernel("sparse_conv_weights", weightsWgsl, { COLS });
  for (const { first: firstK, offsets, rows } of map.forward.parts) {
    let add = 0;
    for (const target of windows(device, gradient.rows, gradient.cols)) {
      for (const source of windows(device, x.rows, x.cols)) {
        const tasks = Math.ceil(inBlocks / COLS) * outBlocks * offsets * slices;
        device.run(
          pipeline,
          {
            x: rowsOf(x.slice, source.first, source.rows, x.cols * 4),
            table: rows.slice,
            gradient: rowsOf(gradient.slice, target.first, target.rows, gradient.cols * 4),
            part: part.slice,
          },
          {
            rows: target.rows,
            first_row: target.first,
            in_blocks: inBlocks,
            out_blocks: outBlocks,
            kernel,
            first_k: firstK,
            offsets,
            stride: gradient.rows,
            first_source: source.first,
            source_rows: source.rows,
            slices,
            add,
          },
          Math.ceil(tasks / 64),
        );
        add = 1;
      }
    }
  }
  const whole = reshape(sumRows(part), [4 * outBlocks * kernel, 4 * inBlocks]);
  const narrow = x.cols === ins ? whole : columns(whole, 0, ins);
  const { buffer, offset } = narrow.slice;
  const bytes = 4 * outs * kernel * ins;
  const out = empty(device, [outs * kernel, ins]);
  device.copy({ buffer, offset, size: bytes }, out.slice);
  return out;
}

/** Columns filled up to whole blocks of four. */
function filled(x: Tensor): Tensor {
  const missing = -x.cols & 3;
  return missing === 0 ? x : concat([x, zeros(x.device, [x.rows, missing])]);
}

function checkConvolution(x: Tensor, weight: Tensor, map: KernelMap): Widths {
  const outs = weight.shape[0] ?? 0, ins = weight.cols;
  const kernel = elements(weight.shape.slice(1, -1));
  const fits = weight.shape.length >= 2 && x.cols === ins && x.rows === map.inRows &&
    kernel === map.kernel && outs > 0 && ins > 0;
  if (fits) return { kernel, outs, ins };
  throw new TypeError(
    `Cannot convolve ${formatShape(x.shape)} with ${formatShape(weight.shape)} at ${map.kernel} ` +
      `offsets: expected ${map.inRows} rows, and a weight of (outputs, ${map.kernel} offsets, ` +
      `${x.cols}).`,
  );
}

/**
 * A sparse convolution, without bias: y[v] = Σ_k W_k x[row at offset k of v], over the offsets at
 * which there is a row (Graham et al. 2018; cross-correlation, as PyTorch's). Sums are taken in one
 * order: the same inputs give the same bits.
 *
 * @param x (map.inRows, in)
 * @param weight (out, …, in), offsets between them: (out, 3, 3, 3, in) for 27
 * @param map which rows are read; see `submanifoldMap`, `stridedMap`, `inverseMap`
 * @returns (map.outRows, out)
 * @throws {TypeError} Shapes do not fit.
 */
export function sparseConv(x: Tensor, weight: Tensor, map: KernelMap): Tensor {
  const device = checkInputs("sparseConv", [x, weight]);
  const widths = checkConvolution(x, weight, map);
  const { kernel, outs, ins } = widths;
  const from = filled(x);
  const wide = empty(device, [map.outRows, 4 * blocks(outs)]);
  convolve(from, packed(weight, widths, false), map.forward, kernel, wide);
  record("sparseConv", wide, [from, weight], (gradient) => {
    let toX: Tensor | null = null;
    if (from.tracked) {
      toX = empty(device, [map.inRows, 4 * blocks(ins)]);
      convolve(gradient, packed(weight, widths, true), map.backward, kernel, toX);
    }
    if (!weight.tracked) return [toX, null];
    const toWeight = weightGradient(from, gradient, map, widths);
    return [toX, reshape(toWeight, weight.shape)];
  });
  return wide.cols === outs ? wide : columns(wide, 0, outs);
}
