/**
 * A step of the fused path: every program's weights, and the gradients that a backward pass
 * gathers.
 */

import type { BufferSlice } from "../../../gpu/device.ts";
import type { ParameterSet } from "../../../nn/parameters.ts";
import { type BackwardPass, recordAll, type Tensor } from "../../../tensor/mod.ts";
import type { LinearTile } from "../loops/linear_tile.ts";
import type { EncoderPrograms } from "../plan/compile.ts";
import { BLOCK } from "../plan/program_layout.ts";
import { blocks, type RowNorm } from "../plan/row_program.ts";
import type { GradientPlaces, PlacedProgram } from "./gradient_places.ts";
import { type ProgramSums, StepGradients } from "./step_gradients.ts";

/** Kernels that stage weights read past a program's end; so many blocks are there. */
export const PACKED_MARGIN = 512;

/** Weights in blocks, ready for `rowLinear`. */
export interface PackedWeights {
  readonly values: BufferSlice;
  readonly outBlocks: number;
  readonly inBlocks: number;
  /** What an invocation computes; default the device's. */
  readonly tile?: LinearTile;
}

/** A program, where it lies among the packed weights, and what it reads. */
export interface StoredProgram extends PlacedProgram {
  /** First block among the packed weights. */
  readonly first: number;
  /** Every parameter it reads. */
  readonly parameters: readonly Tensor[];
}

/** All programs of a model, numbered in the order of this table. */
export interface StoredPrograms {
  readonly encoder: Readonly<Record<keyof EncoderPrograms, StoredProgram>>;
  readonly heads: Readonly<Record<string, StoredProgram>>;
}

/** A program in a step: its weights, and where their gradients gather. */
export class ProgramRun {
  readonly program: StoredProgram["program"];
  readonly layout: StoredProgram["layout"];
  readonly step: FusedStep;
  /** The program's part of the packed weights, and what may be read past it. */
  readonly packed: BufferSlice;
  readonly #number: number;

  /** @param number the program's among the model's */
  constructor(step: FusedStep, { program, layout, first }: StoredProgram, number: number) {
    this.step = step;
    this.program = program;
    this.layout = layout;
    this.#number = number;
    const { buffer, offset } = step.packed.slice;
    this.packed = {
      buffer,
      offset: offset + first * BLOCK * 4,
      size: (layout.blocks + PACKED_MARGIN) * BLOCK * 4,
    };
  }

  #blocks(at: number, outBlocks: number, inBlocks: number): PackedWeights {
    const { buffer, offset } = this.packed;
    const size = outBlocks * inBlocks * BLOCK * 4;
    return {
      values: { buffer, offset: offset + at * BLOCK * 4, size },
      outBlocks,
      inBlocks,
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
    const { buffer, offset } = this.step.parameters.values.slice;
    const place = (at: number) => ({ buffer, offset: offset + 4 * at, size: 16 * blocks(width) });
    return { gamma: place(gamma), beta: place(beta) };
  }

  /**
   * Say before a backward pass how many rows one use has: the largest decides in how many pieces
   * sums are made.
   */
  expect(rows: number): void {
    this.step.expect(this.#number, rows);
  }

  /** Where the gradients of its weights gather in a backward pass. */
  sums(pass: BackwardPass): ProgramSums {
    return this.step.gradients(pass).sums(this.#number);
  }
}

/** What all operations of a step share. */
export class FusedStep {
  readonly parameters: ParameterSet;
  /**
   * All weights, made of the parameters. Operations name it among what they read, so that on the
   * tape it comes after all of them; its gradient is what they gather in `gradients`.
   */
  readonly packed: Tensor;
  readonly encoder: Readonly<Record<keyof EncoderPrograms, ProgramRun>>;
  readonly heads: Readonly<Record<string, ProgramRun>>;
  readonly #places: GradientPlaces;
  readonly #rows: number[];

  constructor(
    parameters: ParameterSet,
    packed: Tensor,
    programs: StoredPrograms,
    places: GradientPlaces,
  ) {
    this.parameters = parameters;
    this.packed = packed;
    this.#places = places;
    this.#rows = places.programs.map(() => 0);
    let number = 0;
    const runs = <Name extends string>(of: Readonly<Record<Name, StoredProgram>>) =>
      Object.fromEntries(
        Object.entries<StoredProgram>(of).map(([name, own]) => [
          name,
          new ProgramRun(this, own, number++),
        ]),
      ) as Record<Name, ProgramRun>;
    this.encoder = runs(programs.encoder);
    this.heads = runs(programs.heads);
    this.#record(allPrograms(programs));
  }

  #record(programs: readonly StoredProgram[]): void {
    const all = [...new Set(programs.flatMap(({ parameters }) => parameters))];
    recordAll("weights", [this.packed], all, (_, pass) => {
      const reached = this.gradients(pass).place();
      const own = new Set(reached.flatMap((p) => programs[p].parameters));
      // What is gathered was added to them in place.
      for (const parameter of own) pass.gradientOf(parameter);
      return all.map(() => null);
    });
  }

  /** See `ProgramRun.expect`. */
  expect(program: number, rows: number): void {
    this.#rows[program] = Math.max(this.#rows[program], rows);
  }

  /**
   * What a backward pass gathers; whoever asks, adds to it, and it goes to the parameters when all
   * have.
   */
  gradients(pass: BackwardPass): StepGradients {
    pass.visit(this.packed);
    const { device } = this.packed;
    return pass.state(this, () => new StepGradients(device, this.#places, this.#rows));
  }
}

/** All programs in their order. */
export function allPrograms({ encoder, heads }: StoredPrograms): readonly StoredProgram[] {
  return [...Object.values(encoder), ...Object.values(heads)];
}
