/**
 * Gradients of the weights of a model's row programs: summed by program in slices while a backward pass runs, then brought to
 * the parameters all at once.
 */

import mergeWgsl from "../../../../shaders/model/fused/weights/merge_layers_backward.wgsl" with {
  type: "text",
};
import mergedWgsl from "../../../../shaders/model/fused/weights/merged_layer.wgsl" with {
  type: "text",
};
import placeWgsl from "../../../../shaders/model/fused/weights/place_gradients.wgsl" with {
  type: "text",
};
import type { Device } from "../../../gpu/device.ts";
import type { Kernel } from "../../../gpu/kernel.ts";
import type { ParameterSet } from "../../../nn/parameters.ts";
import { empty, Tensor } from "../../../tensor/mod.ts";
import { gradientTargets, NOTHING, type ProgramLayout } from "./program_layout.ts";
import type { MergedLayer, RowProgram } from "./row_program.ts";

/** Pieces that sums over rows are cut into at most, and rows that a piece should have. */
const SLICES = { gpu: 256, software: 16 } as const;
/** Few rows are cut finer, see row_gradients.ts. */
export const ROWS_PER_SLICE = 128;

/** Partial sums of a program's gradients, (slices, layout.sums). */
export interface ProgramSums {
  readonly values: Tensor;
  readonly slices: number;
  /** Whether all places hold something already. */
  filled: boolean;
}

/** A range of a list. */
interface Range {
  readonly first: number;
  readonly count: number;
}

/** Puts each of `items` into the first round in which no other item claims any of the same places. */
export function rounds<T>(items: readonly T[], places: (item: T) => readonly number[]): T[][] {
  const taken: Set<number>[] = [];
  const out: T[][] = [];
  for (const item of items) {
    const own = places(item);
    let round = taken.findIndex((places) => !own.some((place) => places.has(place)));
    if (round < 0) {
      round = taken.length;
      taken.push(new Set());
      out.push([]);
    }
    for (const place of own) taken[round].add(place);
    out[round].push(item);
  }
  return out;
}

/** Tables by which gradients find their places, made once for a model. */
export class GradientPlaces implements Disposable {
  readonly #parameters: ParameterSet;
  readonly #to: Tensor;
  readonly #source: Tensor;
  readonly #quads: readonly Range[] = [];
  readonly #merged: readonly { layers: readonly MergedLayer[]; words: Tensor }[];
  readonly #mergedSize: number;
  readonly layouts: readonly ProgramLayout[];

  /** For all programs of a model, in the order in which `StepGradients` counts them. */
  constructor(
    parameters: ParameterSet,
    programs: readonly { readonly program: RowProgram; readonly layout: ProgramLayout }[],
    mergedSize: number,
  ) {
    const { device, flatSize } = parameters;
    this.#parameters = parameters;
    this.#mergedSize = mergedSize;
    this.layouts = programs.map(({ layout }) => layout);
    const entries = programs.flatMap(({ program, layout }, p) => {
      const targets = gradientTargets(program, layout);
      return Array.from({ length: targets.length / 4 }, (_, quad) => ({
        source: [p, quad],
        to: [...targets.subarray(4 * quad, 4 * quad + 4)],
      })).filter(({ to }) => to.some((place) => place !== NOTHING));
    });
    const inRounds = rounds(entries, ({ to }) => to.filter((place) => place !== NOTHING));
    let first = 0;
    this.#quads = inRounds.map(({ length: count }) => {
      const range = { first, count };
      first += count;
      return range;
    });
    const ordered = inRounds.flat();
    this.#to = lasting(device, ordered.flatMap(({ to }) => to), "gradient places");
    this.#source = lasting(device, ordered.flatMap(({ source }) => source), "gradient sources");
    const layers = programs.flatMap(({ program }) => program.merged);
    // A parameter is written from its first value on, so that says which it is.
    this.#merged = rounds(layers, (own) => [own.outer, own.inner, own.innerBias, own.outerBias])
      .map((layers) => ({ layers, words: mergedWords(device, layers, flatSize) }));
  }

  /** Add the gradients to the parameters'. */
  place(sums: Tensor, programs: readonly { first: number; slices: number }[]): void {
    const { device, values, gradients, flatSize } = this.#parameters;
    const mergedGradient = empty(device, [this.#mergedSize]);
    const params: Record<string, number> = { parameters: flatSize };
    programs.forEach(({ first, slices }, p) => {
      params[`first_${p}`] = first / 4;
      params[`slices_${p}`] = slices;
      params[`stride_${p}`] = this.layouts[p].sums / 4;
    });
    const constants = { PROGRAMS: programs.length };
    const kernel = device.kernel("place_gradients", placeWgsl, constants);
    for (const { first, count } of this.#quads) {
      device.run(
        kernel,
        {
          sums: sums.slice,
          to: this.#to.slice,
          source: this.#source.slice,
          gradients: gradients.slice,
          merged_gradient: mergedGradient.slice,
        },
        { ...params, first, count },
        Math.ceil(count / 64),
      );
    }
    for (const { layers, words } of this.#merged) {
      device.run(
        mergedKernel(device, "merge_layers_backward", mergeWgsl),
        {
          parameters: values.slice,
          layers: words.slice,
          merged_gradient: mergedGradient.slice,
          gradients: gradients.slice,
        },
        {},
        [
          mergedGroups(
            layers,
            ({ outs, middle, ins }) => Math.max(tiles(outs, middle), tiles(middle, ins + 1)),
          ),
          1,
          2 * layers.length,
        ],
      );
    }
  }

  /** Free the tables. */
  [Symbol.dispose](): void {
    this.#to.dispose();
    this.#source.dispose();
    for (const { words } of this.#merged) words.dispose();
  }
}

/** Where the gradients of a step gather, all programs' in one buffer. */
export class StepGradients {
  readonly #device: Device;
  readonly #places: GradientPlaces;
  /** Most rows that one use of each program has. */
  readonly #rows: number[];
  #made: { all: Tensor; parts: { first: number; sums: ProgramSums }[] } | null = null;

  constructor(device: Device, places: GradientPlaces) {
    this.#device = device;
    this.#places = places;
    this.#rows = places.layouts.map(() => 0);
  }

  /** Say before a backward pass how many rows one use has: the largest decides in how many pieces sums are made. */
  expect(program: number, rows: number): void {
    this.#rows[program] = Math.max(this.#rows[program], rows);
  }

  /** Where a program's gradients gather; all are made when one is first asked for, in the scope open then. */
  sums(program: number): ProgramSums {
    this.#made ??= this.#make();
    return this.#made.parts[program].sums;
  }

  #make(): { all: Tensor; parts: { first: number; sums: ProgramSums }[] } {
    const { layouts } = this.#places;
    const device = this.#device;
    const used = layouts.reduce((sum, { sums }, p) => sum + (this.#rows[p] > 0 ? sums : 0), 0);
    const most = Math.min(
      SLICES[device.kind],
      Math.max(1, Math.floor(device.maxBindingBytes / 4 / used)),
    );
    const slices = this.#rows.map((rows) => Math.min(most, Math.ceil(4 * rows / ROWS_PER_SLICE)));
    const sizes = layouts.map(({ sums }, p) => slices[p] * sums);
    const all = empty(device, [sizes.reduce((sum, size) => sum + size, 0)]);
    let at = 0;
    const parts = layouts.map((layout, p) => {
      const first = at;
      at += sizes[p];
      const { buffer, offset } = all.slice;
      const place = { buffer, offset: offset + 4 * first, size: 4 * sizes[p] };
      const values = new Tensor(device, [slices[p], layout.sums], "f32", place);
      return { first, sums: { values, slices: slices[p], filled: false } };
    });
    return { all, parts };
  }

  /** Add what has gathered to the parameters' gradients. */
  place(): void {
    if (!this.#made) return;
    const { all, parts } = this.#made;
    this.#made = null;
    this.#places.place(
      all,
      parts.map(({ first, sums }) => ({ first, slices: sums.filled ? sums.slices : 0 })),
    );
  }
}

/** A kernel over merged layers, an invocation a tile. */
export function mergedKernel(device: Device, name: string, source: string): Kernel {
  return device.kernel(name, [mergedWgsl, source], { TWO: 2, FOUR: 4 });
}

/** Tiles of 8 × 8 values of a matrix. */
export function tiles(rows: number, columns: number): number {
  return Math.ceil(rows / 8) * Math.ceil(columns / 8);
}

/** Workgroups for the most tiles that a layer has. */
export function mergedGroups(
  layers: readonly MergedLayer[],
  tilesOf: (layer: MergedLayer) => number,
): number {
  return Math.ceil(Math.max(...layers.map(tilesOf)) / 16);
}

/** Layers as the shaders' `Merged` lists them. */
export function mergedWords(
  device: Device,
  layers: readonly MergedLayer[],
  flatSize: number,
): Tensor {
  const words = layers.flatMap((layer) => [
    layer.outs,
    layer.middle,
    layer.ins,
    layer.outer,
    layer.outerStride,
    layer.inner,
    layer.innerBias,
    layer.outerBias,
    layer.at - flatSize,
  ]);
  return lasting(device, words, "merged layers");
}

/** A tensor that no scope frees. */
export function lasting(device: Device, values: ArrayLike<number>, label: string): Tensor {
  const data = Uint32Array.from(values);
  const size = Math.max(4, data.byteLength);
  const buffer = device.allocate(size, label, false);
  const slice = { buffer, offset: 0, size: data.byteLength };
  const out = new Tensor(device, [data.length], "u32", slice);
  device.write(out.slice, data);
  return out;
}
