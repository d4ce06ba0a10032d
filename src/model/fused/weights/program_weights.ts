/**
 * The weights of a model's row programs: fetched once a step from the parameters, packed as kernels
 * read them.
 */

import mergeWgsl from "../../../../shaders/model/fused/weights/merge_layers.wgsl" with {
  type: "text",
};
import packWgsl from "../../../../shaders/model/fused/weights/pack_weights.wgsl" with {
  type: "text",
};
import type { Step } from "../../../nn/network.ts";
import type { ParameterSet } from "../../../nn/parameters.ts";
import { empty, type Tensor } from "../../../tensor/mod.ts";
import type { Networks } from "../../networks.ts";
import { type EncoderPrograms, rowPrograms } from "../plan/compile.ts";
import { BLOCK, gradientTargets, packedSources, programLayout } from "../plan/program_layout.ts";
import type { MergedLayer, RowProgram } from "../plan/row_program.ts";
import {
  allPrograms,
  FusedStep,
  PACKED_MARGIN,
  type StoredProgram,
  type StoredPrograms,
} from "./fused_step.ts";
import { GradientPlaces } from "./gradient_places.ts";
import { lasting, mergedGroups, mergedKernel, mergedWords, tiles } from "./merged_layers.ts";

/** What a model keeps of its programs on the device. */
export class ProgramWeights {
  readonly #parameters: ParameterSet;
  readonly #programs: StoredPrograms;
  readonly #merged: readonly MergedLayer[];
  readonly #mergedWords: Tensor;
  readonly #mergedSize: number;
  /** For each packed value, which value it is. */
  readonly #sources: Tensor;
  readonly #places: GradientPlaces;

  /** @param heads the objective's, by name */
  constructor(
    networks: Networks,
    heads: Readonly<Record<string, readonly Step[]>>,
    parameters: ParameterSet,
  ) {
    const { device } = parameters;
    const made = rowPrograms(networks, heads, parameters);
    let first = 0;
    const store = <Name extends string>(of: Readonly<Record<Name, RowProgram>>) =>
      Object.fromEntries(
        Object.entries<RowProgram>(of).map(([name, program]) => {
          const own = storedProgram(program, first, parameters);
          first += own.layout.blocks;
          return [name, own];
        }),
      ) as Record<Name, StoredProgram>;
    this.#programs = { encoder: store(made.encoder), heads: store(made.heads) };
    const all = allPrograms(this.#programs);
    this.#parameters = parameters;
    this.#mergedSize = made.mergedSize;
    this.#merged = all.flatMap(({ program }) => program.merged);
    this.#mergedWords = mergedWords(device, this.#merged, parameters.flatSize);
    const sources = new Uint32Array(first * BLOCK);
    for (const { program, layout, first } of all) {
      sources.set(packedSources(program, layout), first * BLOCK);
    }
    this.#sources = lasting(device, sources, "weight sources");
    this.#places = new GradientPlaces(parameters, all, this.#mergedSize);
  }

  /** The shape of one of the encoder's programs. */
  program(name: keyof EncoderPrograms): RowProgram {
    return this.#programs.encoder[name].program;
  }

  /** Fetch all weights, for one step. */
  fetch(): FusedStep {
    const { values, flatSize, device } = this.#parameters;
    const packed = empty(device, [this.#sources.size + PACKED_MARGIN * BLOCK]);
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
      device.kernel("pack_weights", packWgsl),
      {
        parameters: values.slice,
        merged: merged.slice,
        source: this.#sources.slice,
        sheet: packed.slice,
      },
      { quads: this.#sources.size / 4, parameters: flatSize },
      Math.ceil(this.#sources.size / 4 / 64),
    );
    return new FusedStep(this.#parameters, packed, this.#programs, this.#places);
  }

  /** Free the tables. */
  [Symbol.dispose](): void {
    this.#sources.dispose();
    this.#mergedWords.dispose();
    this.#places[Symbol.dispose]();
  }
}

/** A program with its layout, and every parameter of which it reads a value. */
function storedProgram(
  program: RowProgram,
  first: number,
  parameters: ParameterSet,
): StoredProgram {
  const layout = programLayout(program.layers);
  const read = new Uint8Array(parameters.flatSize);
  for (const at of gradientTargets(program, layout)) if (at < read.length) read[at] = 1;
  for (const { outer, inner, innerBias, outerBias } of program.merged) {
    for (const at of [outer, inner, innerBias, outerBias]) read[at] = 1;
  }
  const uses = parameters.names.filter((name) => {
    const at = parameters.offsetOf(name);
    return read.subarray(at, at + parameters.get(name).size).includes(1);
  });
  return { program, layout, first, parameters: uses.map((name) => parameters.get(name)) };
}
