/**
 * Row programs: a network's layers arranged for kernels. Weight columns stand in blocks of four,
 * biases are weight columns for an input of 1, and what rows read besides the layer before lies in
 * input slots. Nothing here touches a device: a program says where each weight stands among the
 * parameters, `program_weights.ts` fetches it.
 */

/** Blocks of four columns. */
export function blocks(width: number): number {
  return Math.ceil(width / 4);
}

/**
 * Slots of four values that layers read besides activations; see
 * shaders/model/fused/rows/row_inputs.wgsl.
 */
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
  /** How a region's rows become its own; null: they do not. */
  readonly pooling: "max" | "mean" | null;
  /** Which rows the backward pass computes again. */
  readonly recomputed: "with gradient" | "all";
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
 * Rows of a program that a chunk may have, whole workgroups of 64: a binding holds the widest, and
 * no kernel is asked for more workgroups than the device runs along an axis, which would be
 * refused, or skipped where the device counts them itself.
 */
export function rowsOfChunk(program: RowProgram, device: RowLimits): number {
  const bound = Math.floor(device.maxBindingBytes / 16 / widestBlocks(program) / 64);
  return 64 * Math.max(1, Math.min(bound, device.limits.maxComputeWorkgroupsPerDimension));
}

/**
 * outer (inner x + innerBias) + outerBias as one matrix (outs, ins + 1), the bias its last column.
 */
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
