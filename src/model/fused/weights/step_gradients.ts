/**
 * What a backward pass gathers of gradients in a step: of the programs' weights, and of the points
 * that were drawn.
 */

import type { Device } from "../../../gpu/device.ts";
import { empty, Tensor } from "../../../tensor/mod.ts";
import type { ProgramLayout } from "../plan/program_layout.ts";
import type { RowLayer } from "../plan/row_program.ts";
import { SampleGradients } from "../sample_gradients.ts";
import type { GradientPlaces } from "./gradient_places.ts";

/** Pieces that sums over rows are cut into at most, and rows that a piece should have. */
const SLICES = { gpu: 256, software: 16 } as const;
/** Few rows are cut finer, see row_gradients.ts. */
export const ROWS_PER_SLICE = 128;

/** Partial sums of a program's weight gradients in a backward pass. */
export interface ProgramSums {
  readonly program: { readonly layers: readonly Pick<RowLayer, "inBlocks">[] };
  readonly layout: Pick<ProgramLayout, "weightSums" | "normSums" | "sums">;
  /** (slices, layout.sums) */
  readonly values: Tensor;
  readonly slices: number;
  /** Whether all places hold something already. */
  filled: boolean;
}

/** The gradients of one step in one backward pass. */
export class StepGradients {
  readonly #device: Device;
  readonly #places: GradientPlaces;
  /**
   * Most rows that one use of each program has; the largest decides in how many pieces its sums are
   * made.
   */
  readonly #rows: readonly number[];
  readonly #samples = new Map<object, SampleGradients>();
  #made: { all: Tensor; parts: { first: number; sums: ProgramSums }[] } | null = null;

  constructor(device: Device, places: GradientPlaces, rows: readonly number[]) {
    this.#device = device;
    this.#places = places;
    this.#rows = rows;
  }

  /** Gradients of the points drawn from a branch. */
  samplesOf(branch: object): SampleGradients {
    let samples = this.#samples.get(branch);
    if (!samples) this.#samples.set(branch, samples = new SampleGradients());
    return samples;
  }

  /**
   * Sums of a program's weights; those of all are made when one is first asked for, in the scope
   * open then.
   */
  sums(program: number): ProgramSums {
    this.#made ??= this.#make();
    return this.#made.parts[program].sums;
  }

  #make(): { all: Tensor; parts: { first: number; sums: ProgramSums }[] } {
    const { programs } = this.#places;
    const device = this.#device;
    const used = programs.reduce(
      (sum, { layout }, p) => sum + (this.#rows[p] > 0 ? layout.sums : 0),
      0,
    );
    const most = Math.min(
      SLICES[device.kind],
      Math.max(1, Math.floor(device.maxBindingBytes / 4 / used)),
    );
    const slices = this.#rows.map((rows) => Math.min(most, Math.ceil(4 * rows / ROWS_PER_SLICE)));
    const sizes = programs.map(({ layout }, p) => slices[p] * layout.sums);
    const all = empty(device, [sizes.reduce((sum, size) => sum + size, 0)]);
    let at = 0;
    const parts = programs.map(({ program, layout }, p) => {
      const first = at;
      at += sizes[p];
      const { buffer, offset } = all.slice;
      const place = { buffer, offset: offset + 4 * first, size: 4 * sizes[p] };
      const values = new Tensor(device, [slices[p], layout.sums], "f32", place);
      return { first, sums: { program, layout, values, slices: slices[p], filled: false } };
    });
    return { all, parts };
  }

  /**
   * Adds what has gathered to the parameters' gradients; gives the numbers of the programs that had
   * any.
   */
  place(): number[] {
    if (!this.#made) return [];
    const { all, parts } = this.#made;
    this.#made = null;
    this.#places.place(
      all,
      parts.map(({ first, sums }) => ({ first, slices: sums.filled ? sums.slices : 0 })),
    );
    return [...parts.keys()].filter((p) => parts[p].sums.filled);
  }
}
