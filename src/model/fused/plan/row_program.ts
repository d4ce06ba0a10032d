/**
 * The model's per-row networks as lists of row layers, with everything merged that can be: consecutive linear layers are
 * one (`merged_layers.ts` multiplies them once a step), what depends on the region alone enters as a start value, biases are
 * weight columns for an input of 1. Exact in real arithmetic; float32 differs by rounding. Nothing here touches a
 * device: a program says where each weight stands among the parameters, `program_weights.ts` fetches it.
 */

import type { ModelConfig } from "../../model_config.ts";
import { PROJECTION_HIDDEN } from "../../layers.ts";

/** Blocks of four columns. */
export function blocks(width: number): number {
  return Math.ceil(width / 4);
}

/** Slots of four values that layers read besides activations; see shaders/model/fused/rows/row_inputs.wgsl. */
export interface InputSlots {
  readonly coords: 0;
  readonly offset: 1;
  readonly features: 2;
  readonly featureCount: number;
  readonly one: number;
  readonly count: number;
}

/** Where the slots of a point lie for a feature width. */
export function inputSlots(features: number): InputSlots {
  const featureCount = blocks(features + 1);
  return {
    coords: 0,
    offset: 1,
    features: 2,
    featureCount,
    one: 2 + featureCount,
    count: 3 + featureCount,
  };
}

/** Weight columns: element (o, i) stands at `at + o · stride + i` of the values. */
export interface WeightPart {
  readonly at: number;
  readonly stride: number;
  readonly columns: number;
  /** Columns it takes up in the layer: past `columns`, zeros. */
  readonly width: number;
}

/** LayerNorm and activation behind a layer; where γ and β begin among the values. */
export interface RowNorm {
  readonly gamma: number;
  readonly beta: number;
  readonly gelu: boolean;
}

/** One linear layer on rows, and what follows it. */
export interface RowLayer {
  /** Weight columns: for the activations, then for the extra slots. */
  readonly parts: readonly WeightPart[];
  readonly outs: number;
  /** Blocks of the layer's whole input. */
  readonly inBlocks: number;
  /** Blocks of it that are activations of the layer before: 0 for the first layer. */
  readonly mainBlocks: number;
  /** First input slot and number of slots that follow the activations. */
  readonly extraFirst: number;
  readonly extraCount: number;
  /** Leading blocks of the input that a gradient is wanted of. */
  readonly gradientBlocks: number;
  /** Null for the last layer. */
  readonly norm: RowNorm | null;
}

/** What the input slots of a point are made of. */
export interface PointInputs {
  readonly features: number;
  /** Whether places are told from the centre of the region one level up, not in the scene. */
  readonly placed: boolean;
}

/** Every layer from the inputs to a row's result. */
export interface RowProgram {
  readonly name: string;
  readonly layers: readonly RowLayer[];
  /** Input slots of a row, the last of them [1, 0, 0, 0]. */
  readonly slots: number;
  /** Null: rows are not points but those of a tensor. */
  readonly points: PointInputs | null;
  /** Whether the first layer starts from a value of the row's parent region instead of 0. */
  readonly fromRegion: boolean;
  /** Products that the layers read. */
  readonly merged: readonly MergedLayer[];
}

/** Blocks of a program's widest rows: its inputs', or a layer's input or output. */
export function widestBlocks({ layers, slots }: RowProgram): number {
  return Math.max(slots, ...layers.flatMap(({ inBlocks, outs }) => [inBlocks, blocks(outs)]));
}

/** What of a device bounds the rows that are computed at once. */
export interface RowLimits {
  readonly maxBindingBytes: number;
  readonly limits: { readonly maxComputeWorkgroupsPerDimension: number };
}

/**
 * Rows of a program that a chunk may have, whole workgroups of 64: a binding holds the widest, and no kernel is asked for more
 * workgroups than the device runs along an axis, which would be refused, or skipped where the device counts them itself.
 */
export function rowsOfChunk(program: RowProgram, device: RowLimits): number {
  const bound = Math.floor(device.maxBindingBytes / 16 / widestBlocks(program) / 64);
  return 64 * Math.max(1, Math.min(bound, device.limits.maxComputeWorkgroupsPerDimension));
}

/** outer (inner x + innerBias) + outerBias as one matrix (outs, ins + 1), the bias its last column. */
export interface MergedLayer {
  readonly outs: number;
  readonly middle: number;
  readonly ins: number;
  /** Element (o, m) of the outer weight at `outer + o · outerStride + m`. */
  readonly outer: number;
  readonly outerStride: number;
  /** Element (m, i) of the inner weight at `inner + m · ins + i`. */
  readonly inner: number;
  readonly innerBias: number;
  readonly outerBias: number;
  /** Where the product stands among the merged values. */
  readonly at: number;
}

/** All programs of a model. */
export interface RowPrograms {
  /** Root regions (G2L) and leaves (L2G), from raw features. */
  readonly raw: RowProgram;
  /** Every region below the root (G2L), from a parent's start value and raw features. */
  readonly propagated: RowProgram;
  /** What the first propagator layer takes from a parent's feature. */
  readonly regionStart: RowProgram;
  /** The aggregator's layers before pooling, on children. */
  readonly children: RowProgram;
  readonly regionHead: RowProgram;
  readonly pointHead: RowProgram;
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

/** The programs of a configuration. */
export function rowPrograms(config: ModelConfig, flat: FlatLayout): RowPrograms {
  const {
    input_feat_dim: C,
    hidden_dim: H,
    output_dim: D,
    encoder_hidden_dims: hidden,
    propagator_hidden_dim: P,
    propagator_num_layers,
    projection_dim,
  } = config;
  const slots = inputSlots(C);
  const backbone = "encoder.encoder.backbone.mlp";
  const propagator = "encoder.propagator.mlp";
  let mergedSize = 0;

  const weight = (name: string) => flat.offsetOf(`${name}.weight`);
  const bias = (name: string) => flat.offsetOf(`${name}.bias`);
  const norm = (name: string, gelu = false): RowNorm => ({
    gamma: weight(name),
    beta: bias(name),
    gelu,
  });
  const part = (at: number, stride: number, columns: number, width = columns): WeightPart => ({
    at,
    stride,
    columns,
    width,
  });
  const column = (at: number, width = 1): WeightPart => part(at, 1, 1, width);
  const merge = (layer: Omit<MergedLayer, "at">): MergedLayer => {
    const at = flat.flatSize + mergedSize;
    mergedSize += layer.outs * (layer.ins + 1);
    return { ...layer, at };
  };
  /** Weight and bias of a merged layer. */
  const mergedParts = ({ at, ins }: MergedLayer) => ({
    main: part(at, ins + 1, ins, 4 * blocks(ins)),
    bias: { at: at + ins, stride: ins + 1 },
  });
  /** A layer fed by the activations of the one before and one slot that holds the 1. */
  const hiddenLayer = (
    outs: number,
    parts: readonly WeightPart[],
    mainBlocks: number,
    extraFirst: number,
    extraCount: number,
    after: RowNorm | null,
  ): RowLayer => ({
    parts,
    outs,
    inBlocks: mainBlocks + extraCount,
    mainBlocks,
    extraFirst,
    extraCount,
    gradientBlocks: mainBlocks,
    norm: after,
  });
  const plainLayer = (
    name: string,
    outs: number,
    ins: number,
    one: number,
    after: RowNorm | null,
  ): RowLayer =>
    hiddenLayer(
      outs,
      [part(weight(name), ins, ins, 4 * blocks(ins)), column(bias(name), 4)],
      blocks(ins),
      one,
      1,
      after,
    );
  /** Linear, LayerNorm, activation, Linear on whole rows of a tensor, as the heads are. */
  const dense = (
    name: string,
    from: string,
    widths: readonly number[],
    gelu: boolean,
  ): RowProgram => {
    const count = blocks(widths[0]) + 1;
    const layers = widths.slice(1).map((outs, i): RowLayer => {
      const own = `${from}.${3 * i}`;
      const after = i + 2 < widths.length ? norm(`${from}.${3 * i + 1}`, gelu) : null;
      const layer = plainLayer(own, outs, widths[i], count - 1, after);
      if (i > 0) return layer;
      return { ...layer, mainBlocks: 0, extraFirst: 0, extraCount: count };
    });
    return { name, layers, slots: count, points: null, fromRegion: false, merged: [] };
  };

  /** Second layer of a projection merged into the backbone's first, and the rest of the backbone. */
  const backboneLayers = (projection: string): { layers: RowLayer[]; merged: MergedLayer } => {
    const first = weight(`${backbone}.0`);
    const widths = [...hidden, D];
    const merged = merge({
      outs: widths[0],
      middle: H,
      ins: H,
      outer: first + 3,
      outerStride: 3 + H,
      inner: weight(projection),
      innerBias: bias(projection),
      outerBias: bias(`${backbone}.0`),
    });
    const { main, bias: b } = mergedParts(merged);
    const normOf = (i: number) => i < hidden.length ? norm(`${backbone}.${3 * i + 1}`) : null;
    const layers = [
      hiddenLayer(
        widths[0],
        // The offset's slot is [x − c, 1].
        [main, part(first, 3 + H, 3), part(b.at, b.stride, 1)],
        blocks(H),
        slots.offset,
        1,
        normOf(0),
      ),
    ];
    for (let i = 1; i < widths.length; i++) {
      layers.push(
        plainLayer(`${backbone}.${3 * i}`, widths[i], widths[i - 1], slots.one, normOf(i)),
      );
    }
    return { layers, merged };
  };

  const raw = (): RowProgram => {
    const projection = "encoder.raw_projection.mlp";
    const first: RowLayer = {
      parts: [
        part(weight(`${projection}.0`), C, C),
        column(bias(`${projection}.0`), 4 * slots.featureCount - C),
      ],
      outs: H,
      inBlocks: slots.featureCount,
      mainBlocks: 0,
      extraFirst: slots.features,
      extraCount: slots.featureCount,
      gradientBlocks: 0,
      norm: norm(`${projection}.1`),
    };
    const { layers, merged } = backboneLayers(`${projection}.3`);
    return {
      name: "raw",
      layers: [first, ...layers],
      slots: slots.count,
      points: { features: C, placed: false },
      fromRegion: false,
      merged: [merged],
    };
  };

  const propagated = (): RowProgram => {
    const combine = "encoder.combine_projection.projection.mlp";
    const layers: RowLayer[] = [{
      parts: [part(weight(`${propagator}.0`) + D, D + 3, 3, 4)],
      outs: P,
      inBlocks: 1,
      mainBlocks: 0,
      extraFirst: slots.coords,
      extraCount: 1,
      gradientBlocks: 0,
      norm: norm(`${propagator}.1`, true),
    }];
    for (let i = 1; i < propagator_num_layers - 1; i++) {
      const after = norm(`${propagator}.${3 * i + 1}`, true);
      layers.push(plainLayer(`${propagator}.${3 * i}`, P, P, slots.one, after));
    }
    const last = `${propagator}.${3 * (propagator_num_layers - 1)}`;
    const combineFirst = weight(`${combine}.0`);
    const merged = merge({
      outs: H,
      middle: D,
      ins: P,
      outer: combineFirst + C,
      outerStride: C + D,
      inner: weight(last),
      innerBias: bias(last),
      outerBias: bias(`${combine}.0`),
    });
    const { main, bias: b } = mergedParts(merged);
    layers.push(hiddenLayer(
      H,
      [
        main,
        part(combineFirst, C + D, C),
        part(b.at, b.stride, 1, 4 * slots.featureCount - C),
      ],
      blocks(P),
      slots.features,
      slots.featureCount,
      norm(`${combine}.1`),
    ));
    const rest = backboneLayers(`${combine}.3`);
    return {
      name: "propagated",
      layers: [...layers, ...rest.layers],
      slots: slots.count,
      points: { features: C, placed: config.propagator_coords === "parent" },
      fromRegion: true,
      merged: [merged, rest.merged],
    };
  };

  const regionStart = (): RowProgram => {
    const count = blocks(D) + 1;
    const name = `${propagator}.0`;
    return {
      name: "region start",
      layers: [{
        parts: [part(weight(name), D + 3, D, 4 * blocks(D)), column(bias(name), 4)],
        outs: P,
        inBlocks: count,
        mainBlocks: 0,
        extraFirst: 0,
        extraCount: count,
        gradientBlocks: blocks(D),
        norm: null,
      }],
      slots: count,
      points: null,
      fromRegion: false,
      merged: [],
    };
  };

  const head = (name: string, prefix: string) =>
    dense(name, prefix, [D, PROJECTION_HIDDEN, projection_dim], false);
  const programs = {
    raw: raw(),
    propagated: propagated(),
    regionStart: regionStart(),
    children: dense("children", "encoder.aggregator.pre_mlp", [D, D, D], true),
    regionHead: head("region head", "loss.region_projection.layers"),
    pointHead: head("point head", "loss.point_projection.layers"),
  };
  return { ...programs, mergedSize };
}
