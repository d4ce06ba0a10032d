/**
 * Compiles networks into row programs: passes over the description, then places among parameters
 * and input slots.
 */

import type { Step } from "../../../nn/network.ts";
import type { Network, Networks } from "../../networks.ts";
import {
  hoistShared,
  type Layer,
  type LayerInput,
  layersOf,
  mergeLinear,
  type Product,
  recomputedRows,
} from "./passes.ts";
import {
  blocks,
  inputSlots,
  type MergedLayer,
  type PointInputs,
  type RowLayer,
  type RowProgram,
  type WeightPart,
} from "./row_program.ts";

/** The encoder's programs. */
export interface EncoderPrograms extends Record<keyof Networks, RowProgram> {
  /** What the first layer of `propagated` takes from a parent's feature, a start value a region. */
  readonly regionStart: RowProgram;
}

/** All programs of a model. */
export interface RowPrograms {
  readonly encoder: EncoderPrograms;
  /** The objective's heads by name. */
  readonly heads: Readonly<Record<string, RowProgram>>;
  /** Values of all merged layers. */
  readonly mergedSize: number;
}

/** Where parameters stand in one flat array; see `ParameterSet`. */
export interface FlatLayout {
  /** Values in all, merged values are numbered from here on. */
  readonly flatSize: number;
  /** A parameter's first value. */
  offsetOf(name: string): number;
}

/** Slots that hold an input of rows: a layer's bias is the weights of column `one`, which is 1. */
interface Slot {
  readonly first: number;
  readonly count: number;
  /** Null: no column of these slots is 1. */
  readonly one: number | null;
}

/** Where the inputs of a program's rows lie, by name; "" is the slot of the 1 alone. */
type Slots = Readonly<Record<string, Slot>>;

/** The slots of points, see shaders/model/fused/rows/row_inputs.wgsl. */
function pointSlots(features: number): { slots: Slots; count: number } {
  const at = inputSlots(features);
  const place: Slot = { first: at.coords, count: 1, one: null };
  return {
    slots: {
      place,
      placeInParent: place,
      offset: { first: at.offset, count: 1, one: 3 },
      features: { first: at.features, count: at.featureCount, one: features },
      "": { first: at.one, count: 1, one: 0 },
    },
    count: at.count,
  };
}

/** The slots of a tensor's rows: all of its columns, then the 1. */
function tensorSlots({ name, width }: LayerInput["input"]): { slots: Slots; count: number } {
  const own = blocks(width);
  return {
    slots: {
      [name]: { first: 0, count: own + 1, one: 4 * own },
      "": { first: own, count: 1, one: 0 },
    },
    count: own + 1,
  };
}

/** Compiles networks, one after the other, for parameters that stand in one flat array. */
class Compiler {
  mergedSize = 0;
  readonly #flat: FlatLayout;

  constructor(flat: FlatLayout) {
    this.#flat = flat;
  }

  #weight(name: string): number {
    return this.#flat.offsetOf(`${name}.weight`);
  }

  #bias(name: string): number {
    return this.#flat.offsetOf(`${name}.bias`);
  }

  #merge({ outer, inner, outs, middle, ins }: Product): MergedLayer {
    const at = this.#flat.flatSize + this.mergedSize;
    this.mergedSize += outs * (ins + 1);
    return {
      outs,
      middle,
      ins,
      outer: this.#weight(outer.of) + outer.first,
      outerStride: outer.stride,
      inner: this.#weight(inner),
      innerBias: this.#bias(inner),
      outerBias: this.#bias(outer.of),
      at,
    };
  }

  /**
   * A layer's weight columns in the order of its blocks: of the layer before, of its slots, and
   * there its bias.
   */
  #parts(layer: Layer, slot: Slot, product: MergedLayer | null): WeightPart[] {
    const { inputs, bias } = layer;
    const part = ({ input, weight }: LayerInput, width: number): WeightPart => {
      const { width: columns } = input;
      if ("outer" in weight) return { at: product!.at, stride: product!.ins + 1, columns, width };
      return { at: this.#weight(weight.of) + weight.first, stride: weight.stride, columns, width };
    };
    const read = inputs.find(({ input }) => input.name === "before");
    const other = inputs.find((each) => each !== read);
    const parts = read ? [part(read, 4 * blocks(read.input.width))] : [];
    const { count, one } = slot;
    if (other) parts.push(part(other, one ?? 4 * count));
    if (bias === null) return parts;
    if (one === null) throw new TypeError(`There is no 1 beside ${other?.input.name}.`);
    const from = typeof bias === "string"
      ? { at: this.#bias(bias), stride: 1 }
      : { at: product!.at + product!.ins, stride: product!.ins + 1 };
    return [...parts, { ...from, columns: 1, width: 4 * count - one }];
  }

  /**
   * A program of a network's layers.
   * @param points what points' slots are made of; null: rows are those of a tensor, whose gradient
   * is wanted
   */
  program(
    name: string,
    layers: readonly Layer[],
    points: PointInputs | null,
    options: Pick<RowProgram, "fromRegion" | "pooling" | "recomputed">,
  ): RowProgram {
    const { slots, count } = points
      ? pointSlots(points.features)
      : tensorSlots(layers[0].inputs[0].input);
    const merged: MergedLayer[] = [];
    const arranged = layers.map((layer): RowLayer => {
      const { inputs, bias, outs, norm, activation } = layer;
      const read = inputs.find(({ input }) => input.name === "before");
      const others = inputs.filter((each) => each !== read).map(({ input }) => input.name);
      const slot = slots[others[0] ?? ""];
      if (!slot || others.length > 1) {
        throw new TypeError(
          `${name}: a layer on kernels reads the layer before and one of ${
            Object.keys(slots).filter((each) => each !== "").join(", ")
          }; found ${others.join(", ")}.`,
        );
      }
      const product = bias !== null && typeof bias !== "string" ? this.#merge(bias) : null;
      if (product) merged.push(product);
      const mainBlocks = read ? blocks(read.input.width) : 0;
      return {
        parts: this.#parts(layer, slot, product),
        outs,
        inBlocks: mainBlocks + slot.count,
        mainBlocks,
        extraFirst: slot.first,
        extraCount: slot.count,
        gradientBlocks: points || read ? mainBlocks : slot.count - 1,
        norm: norm === null ? null : {
          gamma: this.#weight(norm),
          beta: this.#bias(norm),
          gelu: activation === "gelu",
        },
      };
    });
    return { name, layers: arranged, slots: count, points, merged, ...options };
  }
}

/** The programs of a model's networks, and of heads on rows. */
export function rowPrograms(
  networks: Networks,
  heads: Readonly<Record<string, readonly Step[]>>,
  flat: FlatLayout,
): RowPrograms {
  const compiler = new Compiler(flat);
  const compile = (name: string, network: Network): { own: RowProgram; start: Layer | null } => {
    const { start, layers } = hoistShared(layersOf(network.steps));
    const names = layers.flatMap(({ inputs }) => inputs.map(({ input }) => input.name));
    const features = network.steps.flatMap((each) => each.step === "linear" ? each.reads : [])
      .find(({ name }) => name === "features");
    const points = features
      ? { features: features.width, placed: names.includes("placeInParent") }
      : null;
    const own = compiler.program(name, mergeLinear(layers), points, {
      fromRegion: start !== null,
      pooling: network.pooling,
      recomputed: recomputedRows(network),
    });
    return { own, start };
  };
  const raw = compile("raw", networks.raw).own;
  const { own: propagated, start } = compile("propagated", networks.propagated);
  if (!start) throw new TypeError("What is propagated reads nothing of its parent.");
  const regionStart = compiler.program("region start", [start], null, {
    fromRegion: false,
    pooling: null,
    recomputed: "all",
  });
  const children = compile("children", networks.children).own;
  const headPrograms = Object.entries(heads).map(([name, steps]): [string, RowProgram] => [
    name,
    compile(name, { steps, pooling: null }).own,
  ]);
  return {
    encoder: { raw, propagated, regionStart, children },
    heads: Object.fromEntries(headPrograms),
    mergedSize: compiler.mergedSize,
  };
}
