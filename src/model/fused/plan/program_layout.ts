/**
 * Where a program's weights stand among the packed weights that kernels read, and its gradients
 * among the partial sums.
 */

import { blocks, type RowProgram } from "./row_program.ts";

/** Values of a 4 × 4 block. */
export const BLOCK = 16;
/** Weights begin at multiples of so many blocks, 256 bytes, for they are bound as offsets. */
export const ALIGN = 4;
/** In a source table: zero. */
export const NOTHING = 0xffffffff;

/** Positions in blocks, from the program's own beginning. */
export interface ProgramLayout {
  /** Each layer's weights: block (j, k) holds outputs 4j … and inputs 4k …, a column an input. */
  readonly weightsAt: readonly number[];
  /** Each layer's γ and β: columns 0 and 1 of a block for every four channels. */
  readonly normAt: readonly number[];
  /**
   * Each layer's weights transposed, for the gradient to its input; of `gradientBlocks` block rows.
   */
  readonly transposedAt: readonly number[];
  /** Behind each of them γ and β of the layer before, which the gradient goes on to. */
  readonly normBeforeAt: readonly number[];
  /** In all. */
  readonly blocks: number;
  /**
   * Each layer's weight gradient among a slice of partial sums, (4 · outBlocks, 4 · inBlocks), in
   * values.
   */
  readonly weightSums: readonly number[];
  /** Each layer's [γ, β] gradient: behind all weights', one after the other. */
  readonly normSums: readonly number[];
  /** Values of a slice. */
  readonly sums: number;
}

/** What a layout depends on. */
export interface LayerSize {
  readonly outs: number;
  readonly inBlocks: number;
  readonly gradientBlocks: number;
  readonly norm: unknown;
}

/** The layout of a program. */
export function programLayout(layers: readonly LayerSize[]): ProgramLayout {
  const weightsAt: number[] = [];
  const normAt: number[] = [];
  const transposedAt: number[] = [];
  const normBeforeAt: number[] = [];
  const weightSums: number[] = [];
  const normSums: number[] = [];
  let at = 0;
  let sums = 0;
  const take = (count: number): number => {
    const first = at;
    at = Math.ceil((at + count) / ALIGN) * ALIGN;
    return first;
  };
  for (const { outs, inBlocks, norm } of layers) {
    weightsAt.push(take(blocks(outs) * inBlocks));
    normAt.push(norm ? take(blocks(outs)) : at);
    weightSums.push(sums);
    sums += BLOCK * blocks(outs) * inBlocks;
  }
  for (const { outs, norm } of layers) {
    normSums.push(sums);
    if (norm) sums += 8 * blocks(outs);
  }
  for (const [l, { outs, gradientBlocks }] of layers.entries()) {
    transposedAt.push(take(blocks(outs) * gradientBlocks));
    normBeforeAt.push(l > 0 ? take(blocks(layers[l - 1].outs)) : at);
  }
  return {
    weightsAt,
    normAt,
    transposedAt,
    normBeforeAt,
    blocks: at,
    weightSums,
    normSums,
    // Slices are bound and read as vec4.
    sums: Math.ceil(sums / 64) * 64,
  };
}

/** For each value of a layer's weight, (outs, 4 · inBlocks), the number of the value it is. */
function weightSources({ parts, outs, inBlocks }: RowProgram["layers"][number]): Uint32Array {
  const cols = 4 * inBlocks;
  const sources = new Uint32Array(outs * cols).fill(NOTHING);
  for (let o = 0; o < outs; o++) {
    let column = o * cols;
    for (const { at, stride, columns, width } of parts) {
      for (let i = 0; i < columns; i++) sources[column + i] = at + o * stride + i;
      column += width;
    }
  }
  return sources;
}

/**
 * For each value of the program's part of the packed weights the number of the value it is, or
 * `NOTHING`.
 */
export function packedSources(program: RowProgram, layout: ProgramLayout): Uint32Array {
  const table = new Uint32Array(layout.blocks * BLOCK).fill(NOTHING);
  program.layers.forEach((layer, l) => {
    const { outs, inBlocks, norm, gradientBlocks } = layer;
    const cols = 4 * inBlocks;
    const outBlocks = blocks(outs);
    const sources = weightSources(layer);
    for (let o = 0; o < outs; o++) {
      for (let i = 0; i < cols; i++) {
        const source = sources[o * cols + i];
        const forward = layout.weightsAt[l] + (o >> 2) * inBlocks + (i >> 2);
        table[forward * BLOCK + 4 * (i & 3) + (o & 3)] = source;
        if (i >= 4 * gradientBlocks) continue;
        const transposed = layout.transposedAt[l] + (i >> 2) * outBlocks + (o >> 2);
        table[transposed * BLOCK + 4 * (o & 3) + (i & 3)] = source;
      }
      if (!norm) continue;
      for (const at of [layout.normAt[l], layout.normBeforeAt[l + 1]]) {
        const own = (at + (o >> 2)) * BLOCK + (o & 3);
        table[own] = norm.gamma + o;
        table[own + 4] = norm.beta + o;
      }
    }
  });
  return table;
}

/**
 * For each position in a slice of partial sums the number of the value whose gradient it is, or
 * `NOTHING`.
 */
export function gradientTargets(
  { layers }: Pick<RowProgram, "layers">,
  layout: ProgramLayout,
): Uint32Array {
  const targets = new Uint32Array(layout.sums).fill(NOTHING);
  layers.forEach((layer, l) => {
    targets.set(weightSources(layer), layout.weightSums[l]);
    const { norm, outs } = layer;
    if (!norm) return;
    const width = 4 * blocks(outs);
    for (let o = 0; o < outs; o++) {
      targets[layout.normSums[l] + o] = norm.gamma + o;
      targets[layout.normSums[l] + width + o] = norm.beta + o;
    }
  });
  return targets;
}
