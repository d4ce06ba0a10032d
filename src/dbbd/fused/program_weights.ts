/**
 * The weights of a model's row programs: fetched once a step from the parameters into one sheet that kernels read, their
 * gradients summed by program and brought back to the parameters once a step, however often a program was run.
 */

import mergeInnerWgsl from "../../../shaders/fused/merge_layers_inner.wgsl" with { type: "text" };
import mergeOuterWgsl from "../../../shaders/fused/merge_layers_outer.wgsl" with { type: "text" };
import mergedWgsl from "../../../shaders/fused/merged_layer.wgsl" with { type: "text" };
import mergeWgsl from "../../../shaders/fused/merge_layers.wgsl" with { type: "text" };
import placeWgsl from "../../../shaders/fused/place_gradients.wgsl" with { type: "text" };
import sheetWgsl from "../../../shaders/fused/program_sheet.wgsl" with { type: "text" };
import type { BufferSlice, Device } from "../../gpu/device.ts";
import type { ParameterSet } from "../../nn/parameters.ts";
import { ADDED, empty, record, Tensor } from "../../tensor/mod.ts";
import type { ModelConfig } from "../model_config.ts";
import { type LinearTile, type LinearTiles, shapeKey } from "./linear_tiles.ts";
import {
  BLOCK,
  gradientPairs,
  type ProgramLayout,
  programLayout,
  sheetSources,
} from "./program_layout.ts";
import {
  blocks,
  type MergedLayer,
  type RowNorm,
  type RowProgram,
  type RowPrograms,
  rowPrograms,
} from "./row_program.ts";

/** Names of the programs. */
export type ProgramName = Exclude<keyof RowPrograms, "mergedSize">;
const NAMES: readonly ProgramName[] = [
  "raw",
  "propagated",
  "regionStart",
  "children",
  "regionHead",
  "pointHead",
];

/** Kernels that stage weights read past a program's end; so many blocks are there. */
export const SHEET_MARGIN = 512;
/** Pieces that sums over rows are cut into at most, and rows that a piece should have. */
const SLICES = { gpu: 256, software: 16 } as const;
/** Few rows are cut finer, see row_kernels.ts. */
export const ROWS_PER_SLICE = 128;

/** Weights in blocks, ready for `rowLinear`. */
export interface PackedWeights {
  readonly values: BufferSlice;
  readonly outBlocks: number;
  readonly inBlocks: number;
  /** How the layer is computed; default the device's. */
  readonly tile?: LinearTile;
}

/** Partial sums of a program's gradients, (slices, layout.sums). */
export interface ProgramSums {
  readonly values: Tensor;
  readonly slices: number;
  /** Whether all places hold something already. */
  filled: boolean;
}

interface StoredProgram {
  readonly program: RowProgram;
  readonly layout: ProgramLayout;
  /** First block in the sheet. */
  readonly first: number;
  /** (pairs, 2) */
  readonly pairs: Tensor;
  /** Its merged layers, as words. */
  readonly merged: Tensor;
  /** Every parameter it reads. */
  readonly parameters: readonly Tensor[];
}

/** A program in a step: its weights, and where their gradients gather. */
export class ProgramRun {
  readonly program: RowProgram;
  readonly layout: ProgramLayout;
  /** Goes among the tape inputs of what uses the program: its backward pass comes after all of theirs. */
  readonly token: Tensor;
  /** The program's part of the sheet, and what may be read past it. */
  readonly sheet: BufferSlice;
  readonly #parameters: ParameterSet;
  readonly #stored: StoredProgram;
  readonly #tiles: LinearTiles;
  #rows = 0;
  #sums: ProgramSums | null = null;

  constructor(
    stored: StoredProgram,
    parameters: ParameterSet,
    sheet: Tensor,
    mergedGradient: () => Tensor,
    tiles: LinearTiles,
  ) {
    this.program = stored.program;
    this.layout = stored.layout;
    this.#stored = stored;
    this.#parameters = parameters;
    this.#tiles = tiles;
    const { buffer, offset } = sheet.slice;
    this.sheet = {
      buffer,
      offset: offset + stored.first * BLOCK * 4,
      size: (stored.layout.blocks + SHEET_MARGIN) * BLOCK * 4,
    };
    const token = new Tensor(sheet.device, [1], "f32", { ...sheet.slice, size: 4 });
    this.token = record("programWeights", token, stored.parameters, () => {
      this.#place(mergedGradient());
      return stored.parameters.map(() => ADDED);
    });
  }

  #blocks(at: number, outBlocks: number, inBlocks: number): PackedWeights {
    const { buffer, offset } = this.sheet;
    const size = outBlocks * inBlocks * BLOCK * 4;
    return {
      values: { buffer, offset: offset + at * BLOCK * 4, size },
      outBlocks,
      inBlocks,
      tile: this.#tiles.get(shapeKey(inBlocks, outBlocks)),
    };
  }

  /** A layer's weights. */
  weights(layer: number): PackedWeights {
    const { outs, inBlocks } = this.program.layers[layer];
    return this.#blocks(this.layout.weightsAt[layer], blocks(outs), inBlocks);
  }

  /** The same transposed: from the gradient of a layer's output to that of its input. */
  transposed(layer: number): PackedWeights {
    const { outs, gradientBlocks } = this.program.layers[layer];
    return this.#blocks(this.layout.transposedAt[layer], gradientBlocks, blocks(outs));
  }

  /** γ and β in whole blocks: a parameter's place is filled up with zeros (`PARAMETER_BLOCK`). */
  affine({ gamma, beta }: RowNorm, width: number): { gamma: BufferSlice; beta: BufferSlice } {
    const { buffer, offset } = this.#parameters.values.slice;
    const place = (at: number) => ({ buffer, offset: offset + 4 * at, size: 16 * blocks(width) });
    return { gamma: place(gamma), beta: place(beta) };
  }

  /** Say before a backward pass how many rows one use has: the largest decides in how many pieces sums are made. */
  expect(rows: number): void {
    this.#rows = Math.max(this.#rows, rows);
  }

  /** Where gradients gather; made when first asked for, in the scope open then. */
  sums(): ProgramSums {
    if (!this.#sums) {
      const { device } = this.token;
      const slices = Math.max(
        1,
        Math.min(
          SLICES[device.kind],
          Math.ceil(4 * this.#rows / ROWS_PER_SLICE),
          Math.floor(device.maxBindingBytes / 4 / this.layout.sums),
        ),
      );
      this.#sums = { values: empty(device, [slices, this.layout.sums]), slices, filled: false };
    }
    return this.#sums;
  }

  #place(mergedGradient: Tensor): void {
    const sums = this.#sums;
    if (!sums?.filled) return;
    const { device } = this.token;
    const { values, gradients, flatSize } = this.#parameters;
    const { pairs, program } = this.#stored;
    device.run(
      device.kernel("place_gradients", placeWgsl),
      {
        sums: sums.values.slice,
        pair: pairs.slice,
        gradients: gradients.slice,
        merged_gradient: mergedGradient.slice,
      },
      {
        pairs: pairs.rows,
        parameters: flatSize,
        slices: sums.slices,
        size: this.layout.sums,
      },
      Math.ceil(pairs.rows / 256),
    );
    const { merged } = program;
    if (merged.length > 0) {
      const bind = {
        parameters: values.slice,
        layers: this.#stored.merged.slice,
        merged_gradient: mergedGradient.slice,
        gradients: gradients.slice,
      };
      const grid = (wide: (layer: MergedLayer) => number, high: (layer: MergedLayer) => number) =>
        tiles(merged, wide, high);
      device.run(
        device.kernel("merge_layers_outer", () => mergedWgsl + mergeOuterWgsl),
        bind,
        {},
        grid(({ middle }) => middle, ({ outs }) => outs),
      );
      device.run(
        device.kernel("merge_layers_inner", () => mergedWgsl + mergeInnerWgsl),
        bind,
        {},
        grid(({ ins }) => ins + 1, ({ middle }) => middle),
      );
    }
    this.#sums = null;
  }
}

/** Workgroups for the largest of `layers`, each tile 4 × 4 values, each workgroup 8 × 8 tiles. */
function tiles(
  layers: readonly MergedLayer[],
  wide: (layer: MergedLayer) => number,
  high: (layer: MergedLayer) => number,
): [number, number, number] {
  const most = (of: (layer: MergedLayer) => number) => Math.ceil(Math.max(...layers.map(of)) / 32);
  return [most(wide), most(high), layers.length];
}

/** As the shaders' `Merged` lists it. */
function mergedWords(layers: readonly MergedLayer[], flatSize: number): Uint32Array {
  return Uint32Array.from(layers.flatMap((layer) => [
    layer.outs,
    layer.middle,
    layer.ins,
    layer.outer,
    layer.outerStride,
    layer.inner,
    layer.innerBias,
    layer.outerBias,
    layer.at - flatSize,
  ]));
}

/** Every program's weights in a step. */
export type StepPrograms = Readonly<Record<ProgramName, ProgramRun>>;

/** What a model keeps of its programs on the device. */
export class ProgramWeights {
  readonly #parameters: ParameterSet;
  readonly #programs: Readonly<Record<ProgramName, StoredProgram>>;
  readonly #merged: readonly MergedLayer[];
  readonly #mergedWords: Tensor;
  readonly #mergedSize: number;
  /** For each value of the sheet, which value it is. */
  readonly #sources: Tensor;
  readonly #tiles: LinearTiles;

  constructor(config: ModelConfig, parameters: ParameterSet, tiles: LinearTiles = new Map()) {
    const { device, specs } = parameters;
    const made = rowPrograms(config, parameters);
    this.#parameters = parameters;
    this.#tiles = tiles;
    this.#mergedSize = made.mergedSize;
    this.#merged = NAMES.flatMap((name) => made[name].merged);
    const words = (layers: readonly MergedLayer[]) => {
      const values = mergedWords(layers, parameters.flatSize);
      return lasting(device, values, [values.length], "merged layers");
    };
    this.#mergedWords = words(this.#merged);
    const starts = specs.map(({ name }) => ({ name, at: parameters.offsetOf(name) }));
    const tables: Uint32Array[] = [];
    let first = 0;
    const stored = NAMES.map((name): [ProgramName, StoredProgram] => {
      const program = made[name];
      const layout = programLayout(program.layers);
      tables.push(sheetSources(program, layout));
      const pairs = gradientPairs(program, layout);
      const read = new Set<number>();
      for (let p = 0; p < pairs.length; p += 2) {
        if (pairs[p] < parameters.flatSize) read.add(pairs[p]);
      }
      for (const { outer, inner, innerBias, outerBias } of program.merged) {
        for (const at of [outer, inner, innerBias, outerBias]) read.add(at);
      }
      const uses = starts.filter(({ at, name }) => {
        const { size } = parameters.get(name);
        for (let v = at; v < at + size; v++) if (read.has(v)) return true;
        return false;
      });
      const own: StoredProgram = {
        program,
        layout,
        first,
        pairs: lasting(device, pairs, [pairs.length / 2, 2], "gradient places"),
        merged: words(program.merged),
        parameters: uses.map(({ name }) => parameters.get(name)),
      };
      first += layout.blocks;
      return [name, own];
    });
    this.#programs = Object.fromEntries(stored) as Record<ProgramName, StoredProgram>;
    const sources = new Uint32Array(first * BLOCK);
    tables.reduce((at, table) => {
      sources.set(table, at);
      return at + table.length;
    }, 0);
    this.#sources = lasting(device, sources, [sources.length], "weight sources");
  }

  /** A program's shape. */
  program(name: ProgramName): RowProgram {
    return this.#programs[name].program;
  }

  /** Fetch all weights, for one step. */
  fetch(): StepPrograms {
    const { values, flatSize, device } = this.#parameters;
    const sheet = empty(device, [this.#sources.size + SHEET_MARGIN * BLOCK]);
    const merged = empty(device, [this.#mergedSize]);
    device.run(
      device.kernel("merge_layers", () => mergedWgsl + mergeWgsl),
      { parameters: values.slice, layers: this.#mergedWords.slice, merged: merged.slice },
      {},
      tiles(this.#merged, ({ ins }) => ins + 1, ({ outs }) => outs),
    );
    device.run(
      device.kernel("program_sheet", sheetWgsl),
      {
        parameters: values.slice,
        merged: merged.slice,
        source: this.#sources.slice,
        sheet: sheet.slice,
      },
      { size: this.#sources.size, parameters: flatSize },
      Math.ceil(this.#sources.size / 256),
    );
    let gradient: Tensor | null = null;
    const mergedGradient = () => gradient ??= empty(device, [this.#mergedSize]);
    return Object.fromEntries(
      NAMES.map((name) => [
        name,
        new ProgramRun(this.#programs[name], this.#parameters, sheet, mergedGradient, this.#tiles),
      ]),
    ) as StepPrograms;
  }

  /** Free the tables. */
  [Symbol.dispose](): void {
    this.#sources.dispose();
    this.#mergedWords.dispose();
    for (const name of NAMES) {
      this.#programs[name].pairs.dispose();
      this.#programs[name].merged.dispose();
    }
  }
}

/** A tensor that no scope frees. */
function lasting(
  device: Device,
  data: Uint32Array,
  shape: readonly number[],
  label: string,
): Tensor {
  const size = Math.max(4, data.byteLength);
  const buffer = device.allocate(size, label, false);
  const out = new Tensor(device, shape, "u32", { buffer, offset: 0, size: data.byteLength });
  device.write(out.slice, data);
  return out;
}
