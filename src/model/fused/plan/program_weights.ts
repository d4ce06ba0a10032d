/**
 * The weights of a model's row programs: fetched once a step from the parameters into one sheet that kernels read, their
 * gradients summed by program and brought back to the parameters once a step, however often a program was run.
 */

import mergeWgsl from "../../../../shaders/model/fused/weights/merge_layers.wgsl" with {
  type: "text",
};
import sheetWgsl from "../../../../shaders/model/fused/weights/program_sheet.wgsl" with {
  type: "text",
};
import type { BufferSlice } from "../../../gpu/device.ts";
import type { ParameterSet } from "../../../nn/parameters.ts";
import { ADDED, empty, record, Tensor, VISIT } from "../../../tensor/mod.ts";
import type { ModelConfig } from "../../model_config.ts";
import type { LinearTile } from "../loops/linear_tile.ts";
import {
  GradientPlaces,
  lasting,
  mergedGroups,
  mergedKernel,
  mergedWords,
  type ProgramSums,
  StepGradients,
  tiles,
} from "./program_gradients.ts";
import {
  BLOCK,
  gradientTargets,
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
/** Weights in blocks, ready for `rowLinear`. */
export interface PackedWeights {
  readonly values: BufferSlice;
  readonly outBlocks: number;
  readonly inBlocks: number;
  /** What an invocation computes; default the device's. */
  readonly tile?: LinearTile;
}

interface StoredProgram {
  readonly program: RowProgram;
  readonly layout: ProgramLayout;
  /** First block in the sheet. */
  readonly first: number;
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
  readonly #number: number;
  readonly #gradients: StepGradients;
  #reached = false;

  /**
   * @param number the program's among the model's
   * @param whole the sheet, with the parameters behind it on the tape
   */
  constructor(
    stored: StoredProgram,
    number: number,
    parameters: ParameterSet,
    whole: Tensor,
    gradients: StepGradients,
  ) {
    this.program = stored.program;
    this.layout = stored.layout;
    this.#number = number;
    this.#gradients = gradients;
    this.#parameters = parameters;
    const { buffer, offset } = whole.slice;
    this.sheet = {
      buffer,
      offset: offset + stored.first * BLOCK * 4,
      size: (stored.layout.blocks + SHEET_MARGIN) * BLOCK * 4,
    };
    // No elements: all that goes through it is that it was reached.
    const token = new Tensor(whole.device, [0], "f32", { buffer, offset, size: 0 });
    this.token = record("programWeights", token, [whole], () => {
      this.#reached = true;
      return [VISIT];
    });
  }

  #blocks(at: number, outBlocks: number, inBlocks: number): PackedWeights {
    const { buffer, offset } = this.sheet;
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
    const { buffer, offset } = this.#parameters.values.slice;
    const place = (at: number) => ({ buffer, offset: offset + 4 * at, size: 16 * blocks(width) });
    return { gamma: place(gamma), beta: place(beta) };
  }

  /** Say before a backward pass how many rows one use has: the largest decides in how many pieces sums are made. */
  expect(rows: number): void {
    this.#gradients.expect(this.#number, rows);
  }

  /** Whether a backward pass came by since it was last asked. */
  takeReached(): boolean {
    const reached = this.#reached;
    this.#reached = false;
    return reached;
  }

  /** Where gradients gather; made when first asked for, in the scope open then. */
  sums(): ProgramSums {
    return this.#gradients.sums(this.#number);
  }
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
  readonly #places: GradientPlaces;

  constructor(config: ModelConfig, parameters: ParameterSet) {
    const { device, specs } = parameters;
    const made = rowPrograms(config, parameters);
    this.#parameters = parameters;
    this.#mergedSize = made.mergedSize;
    this.#merged = NAMES.flatMap((name) => made[name].merged);
    this.#mergedWords = mergedWords(device, this.#merged, parameters.flatSize);
    const starts = specs.map(({ name }) => ({ name, at: parameters.offsetOf(name) }));
    const tables: Uint32Array[] = [];
    let first = 0;
    const stored = NAMES.map((name): [ProgramName, StoredProgram] => {
      const program = made[name];
      const layout = programLayout(program.layers);
      tables.push(sheetSources(program, layout));
      const read = new Uint8Array(parameters.flatSize);
      for (const at of gradientTargets(program, layout)) if (at < read.length) read[at] = 1;
      for (const { outer, inner, innerBias, outerBias } of program.merged) {
        for (const at of [outer, inner, innerBias, outerBias]) read[at] = 1;
      }
      const uses = starts.filter(({ at, name }) =>
        read.subarray(at, at + parameters.get(name).size).includes(1)
      );
      const own: StoredProgram = {
        program,
        layout,
        first,
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
    this.#sources = lasting(device, sources, "weight sources");
    this.#places = new GradientPlaces(
      parameters,
      NAMES.map((name) => this.#programs[name]),
      this.#mergedSize,
    );
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
      mergedKernel(device, "merge_layers", mergeWgsl),
      { parameters: values.slice, layers: this.#mergedWords.slice, merged: merged.slice },
      {},
      [
        mergedGroups(this.#merged, ({ outs, ins }) => tiles(outs, ins + 1)),
        1,
        this.#merged.length,
      ],
    );
    device.run(
      device.kernel("program_sheet", sheetWgsl),
      {
        parameters: values.slice,
        merged: merged.slice,
        source: this.#sources.slice,
        sheet: sheet.slice,
      },
      { quads: this.#sources.size / 4, parameters: flatSize },
      Math.ceil(this.#sources.size / 4 / 64),
    );
    const gradients = new StepGradients(device, this.#places);
    const all = [...new Set(NAMES.flatMap((name) => this.#programs[name].parameters))];
    const runs: ProgramRun[] = [];
    const whole = record(
      "programSheet",
      new Tensor(device, [0], "f32", { ...sheet.slice, size: 0 }),
      all,
      () => {
        gradients.place();
        const reached = new Set(
          NAMES.flatMap((name, n) => runs[n].takeReached() ? this.#programs[name].parameters : []),
        );
        return all.map((parameter) => reached.has(parameter) ? ADDED : null);
      },
    );
    NAMES.forEach((name, n) =>
      runs.push(
        new ProgramRun(this.#programs[name], n, this.#parameters, whole, gradients),
      )
    );
    return Object.fromEntries(NAMES.map((name, n) => [name, runs[n]])) as StepPrograms;
  }

  /** Free the tables. */
  [Symbol.dispose](): void {
    this.#sources.dispose();
    this.#mergedWords.dispose();
    this.#places[Symbol.dispose]();
  }
}
