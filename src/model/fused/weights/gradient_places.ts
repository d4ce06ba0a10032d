/**
 * Brings the gradients of a model's row programs from their partial sums to the parameters, all at
 * once.
 */

import mergeWgsl from "../../../../shaders/model/fused/weights/merge_layers_backward.wgsl" with {
  type: "text",
};
import placeWgsl from "../../../../shaders/model/fused/weights/place_gradients.wgsl" with {
  type: "text",
};
import type { ParameterSet } from "../../../nn/parameters.ts";
import { empty, type Tensor } from "../../../tensor/mod.ts";
import { gradientTargets, NOTHING, type ProgramLayout } from "../plan/program_layout.ts";
import type { MergedLayer, RowProgram } from "../plan/row_program.ts";
import { lasting, mergedGroups, mergedKernel, mergedWords, tiles } from "./merged_layers.ts";

/** A range of a list. */
interface Range {
  readonly first: number;
  readonly count: number;
}

/**
 * Puts each of `items` into the first round in which no other item claims any of the same places.
 */
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

/** A program, and where its weights and their sums lie. */
export interface PlacedProgram {
  readonly program: RowProgram;
  readonly layout: ProgramLayout;
}

/** Tables by which gradients find their places, made once for a model. */
export class GradientPlaces implements Disposable {
  readonly #parameters: ParameterSet;
  readonly #to: Tensor;
  readonly #source: Tensor;
  readonly #quads: readonly Range[] = [];
  readonly #merged: readonly { layers: readonly MergedLayer[]; words: Tensor }[];
  readonly #mergedSize: number;
  /** In the order in which `StepGradients` counts them. */
  readonly programs: readonly PlacedProgram[];

  constructor(
    parameters: ParameterSet,
    programs: readonly PlacedProgram[],
    mergedSize: number,
  ) {
    const { device, flatSize } = parameters;
    this.#parameters = parameters;
    this.#mergedSize = mergedSize;
    this.programs = programs;
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
      params[`stride_${p}`] = this.programs[p].layout.sums / 4;
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
