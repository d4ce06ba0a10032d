/**
 * Plans straight-line kernels of a row program: one row a lane, all layers in one dispatch, weights
 * staged phase by phase through workgroup memory and read at literal indices.
 * `straight_line_source.ts` writes their WGSL.
 *
 * Made for the software device (Mesa's lavapipe), where they are several times faster than loops: a
 * load is one load and a broadcast only where its address is a constant and no control flow is
 * open. So there is no `if`, no loop and no early return: lanes past the last row compute the last
 * row again and store it in a place of their own. Where they have none, among all points, stores
 * are conditional, one statement each. The price is compile time, about 0.2 ms a multiply-add in
 * the source; `variants.ts` weighs it.
 */

import { ALIGN, type ProgramLayout, programLayout } from "../plan/program_layout.ts";
import { blocks, type PointInputs, type RowProgram } from "../plan/row_program.ts";

/** What the generated source depends on. */
export interface RowShape {
  readonly layers: readonly RowLayerShape[];
  /** What rows' input slots are made of. */
  readonly points: PointInputs;
  /** Whether the first layer starts from a value of the row's region. */
  readonly fromRegion: boolean;
}

/** One linear layer, and LayerNorm and activation behind it; see `RowLayer`. */
export interface RowLayerShape {
  readonly outs: number;
  readonly mainBlocks: number;
  readonly extraFirst: number;
  readonly extraCount: number;
  /** Leading blocks of the input that a gradient is wanted of. */
  readonly gradientBlocks: number;
  /** Null for the last layer. */
  readonly activation: "relu" | "gelu" | null;
}

/** The shape of a program whose rows are points. */
export function rowShape({ name, layers, points, fromRegion }: RowProgram): RowShape {
  if (!points) throw new TypeError(`The rows of the program ${name} are not points.`);
  return {
    layers: layers.map(({ outs, mainBlocks, extraFirst, extraCount, gradientBlocks, norm }) => ({
      outs,
      mainBlocks,
      extraFirst,
      extraCount,
      gradientBlocks,
      activation: norm && (norm.gelu ? "gelu" : "relu"),
    })),
    points,
    fromRegion,
  };
}

/** What the device allows. */
export interface StraightLineLimits {
  /** Bytes of workgroup memory. */
  readonly workgroupBytes: number;
  readonly invocations: number;
  readonly storageBuffers: number;
}

/**
 * What a kernel does: `forward` makes a row's result; `pool` makes it too, stores it for points
 * whose leaf is encoded alone, and beside it the maxima of each 8 rows; `backward` makes all layers
 * but the last again, takes the gradient of the result back to the first layer's, and stores what
 * the gradients of weights, γ and β are made of; `reduce` does the same, but stores the gradients
 * of γ and β that each 8 rows have. Two kernels, the second of which loads what the first has
 * stored of each LayerNorm, take the same time, more memory and a dispatch more.
 */
export type StraightLineJob = "forward" | "pool" | "backward" | "reduce";

/**
 * Neighbouring rows whose maxima a `pool` kernel and whose sums a `reduce` kernel takes: lanes that
 * hand their values round. Those of a `pool` kernel are of one region.
 */
export const POOLED_ROWS = 8;

/** Whether a kernel takes gradients back. */
export function takesBack(job: StraightLineJob): boolean {
  return job === "backward" || job === "reduce";
}

/**
 * Blocks of γ's and β's gradients of all layers before `end`, as a `reduce` kernel stores them for
 * 8 rows.
 */
export function normBlocks({ layers }: RowShape, end: number = layers.length - 1): number {
  return layers.slice(0, end).reduce((sum, { outs }) => sum + 2 * blocks(outs), 0);
}

/** Some columns of a layer. */
export interface PhasePiece {
  readonly layer: number;
  /** Whether they are columns of its input, to which a gradient is taken back. */
  readonly back: boolean;
  /** Blocks of columns. */
  readonly first: number;
  readonly end: number;
}

/**
 * What is computed from weights that lie in workgroup memory together: columns of one layer or
 * several, γ and β with a layer's last ones.
 */
export interface Phase {
  readonly pieces: readonly PhasePiece[];
  /** First 4 × 4 block among the packed weights, and how many. */
  readonly at: number;
  readonly count: number;
}

/** What is computed when, and where its weights lie. */
export interface StraightLinePlan {
  readonly job: StraightLineJob;
  readonly shape: RowShape;
  readonly layout: ProgramLayout;
  /** Rows of a workgroup. */
  readonly workgroup: number;
  /** 4 × 4 blocks of workgroup memory. */
  readonly stage: number;
  readonly phases: readonly Phase[];
  readonly multiplyAdds: number;
}

/**
 * Invocations of a workgroup: the more, the more rows share the staging of the weights. At most
 * `PACKED_MARGIN`; those that `RowChunk` has dispatch arguments for.
 */
const WORKGROUPS = [512, 256, 128, 64] as const;
/**
 * Values that are alive at once in a workgroup larger than the smallest: they lie in memory across
 * barriers, and past so many leave a processor's inner caches. Measured at 64 to 128 channels,
 * forward and back.
 */
const MOST_VALUES = 96 << 10;
/**
 * Workgroups that there should be at least: few rows would leave cores, and most lanes of a
 * workgroup, without work.
 */
const ENOUGH_WORKGROUPS = 8;
const BLOCK_BYTES = 64;
/**
 * Past these a program is not offered: a minute of compiling, 4 MiB of private memory a workgroup.
 */
const LARGEST = { multiplyAdds: 300_000, values: 2048 } as const;

/** Blocks of a layer's whole input. */
export function inBlocks({ mainBlocks, extraCount }: RowLayerShape): number {
  return mainBlocks + extraCount;
}

/**
 * A matrix that a kernel multiplies rows with: `columns` × `ins` blocks from `at` on, γ and β from
 * `norm` on.
 */
interface Product {
  readonly layer: number;
  readonly back: boolean;
  readonly at: number;
  readonly columns: number;
  readonly ins: number;
  readonly norm: { readonly at: number; readonly count: number } | null;
}

function products(job: StraightLineJob, { layers }: RowShape, layout: ProgramLayout): Product[] {
  const onward = layers.map((layer, i): Product => ({
    layer: i,
    back: false,
    at: layout.weightsAt[i],
    columns: blocks(layer.outs),
    ins: inBlocks(layer),
    norm: layer.activation ? { at: layout.normAt[i], count: blocks(layer.outs) } : null,
  }));
  if (!takesBack(job)) return onward;
  const back = layers.map((layer, i): Product => ({
    layer: i,
    back: true,
    at: layout.transposedAt[i],
    columns: layer.gradientBlocks,
    ins: blocks(layer.outs),
    norm: i > 0 ? { at: layout.normBeforeAt[i], count: blocks(layers[i - 1].outs) } : null,
  }));
  return [...onward.slice(0, -1), ...back.slice(1).reverse()];
}

/** Storage buffers that a kernel binds. */
function buffers(job: StraightLineJob, { layers, points, fromRegion }: RowShape): number {
  const hidden = layers.length - 1;
  const read = 7 + (points.placed ? 1 : 0) + (fromRegion ? 2 : 0);
  return read + { forward: 1, pool: 4, backward: 2 + 4 * hidden, reduce: 3 + 2 * hidden }[job];
}

/**
 * Values of a row that are alive at once, at most: a product's, and LayerNorm's of all layers if
 * they are gone back through.
 */
function valuesAtOnce(job: StraightLineJob, { layers }: RowShape, all: readonly Product[]): number {
  const hidden = layers.slice(0, -1).reduce((sum, { outs }) => sum + blocks(outs), 0);
  const largest = Math.max(0, ...all.map(({ columns, ins }) => columns + ins));
  return 4 * (largest + (takesBack(job) ? hidden : 0));
}

/**
 * Plan a program's kernel, or say why there is none.
 * @param rows that it will be run on, about; default many
 */
export function planStraightLine(
  shape: RowShape,
  limits: StraightLineLimits,
  job: StraightLineJob = "forward",
  rows = Infinity,
): StraightLinePlan | string {
  const { layers } = shape;
  const layout = programLayout(layers.map((layer) => ({
    outs: layer.outs,
    inBlocks: inBlocks(layer),
    gradientBlocks: layer.gradientBlocks,
    norm: layer.activation,
  })));
  const all = products(job, shape, layout);
  const multiplyAdds = all.reduce((sum, { columns, ins }) => sum + 16 * columns * ins, 0);
  if (multiplyAdds > LARGEST.multiplyAdds) {
    return `${multiplyAdds} multiply-adds a row are too many to compile`;
  }
  const values = valuesAtOnce(job, shape, all);
  if (values > LARGEST.values) return `${values} values of a row at once are too many`;
  if (buffers(job, shape) > limits.storageBuffers) {
    return `${buffers(job, shape)} storage buffers are too many`;
  }
  if (all.length === 0) return "there are no hidden layers";
  const memory = Math.floor(limits.workgroupBytes / BLOCK_BYTES);
  const most = Math.min(limits.invocations, memory, Math.max(64, rows / ENOUGH_WORKGROUPS));
  const workgroup = WORKGROUPS.find((lanes) =>
    lanes <= most && (lanes === WORKGROUPS.at(-1) || lanes * values <= MOST_VALUES)
  );
  if (!workgroup) return "the device's workgroups are too small";
  const room = Math.floor(memory / workgroup) * workgroup;
  const phases: Phase[] = [];
  for (const { layer, back, at, columns, ins, norm } of all) {
    const end = norm ? norm.at + norm.count : at + columns * ins;
    for (let first = 0; first < columns;) {
      const start = at + first * ins;
      // γ and β are needed when the last columns are there: they are staged with them.
      const rest = end - start <= room ? columns : columns - 1;
      const last = Math.min(rest, first + Math.floor(room / ins));
      if (last <= first) return `${4 * ins} inputs of a layer do not fit into workgroup memory`;
      phases.push({
        pieces: [{ layer, back, first, end: last }],
        at: start,
        count: (last === columns ? end : at + last * ins) - start,
      });
      first = last;
    }
  }
  const joined = joinPhases(phases, room);
  const loaded = (count: number) => Math.ceil(count / workgroup) * workgroup;
  return {
    job,
    shape,
    layout,
    workgroup,
    stage: Math.max(...joined.map(({ count }) => loaded(count))),
    phases: joined,
    multiplyAdds,
  };
}

/**
 * Phases whose weights lie next to each other when packed and fit into `room` blocks together
 * become one: barriers cost.
 */
function joinPhases(phases: readonly Phase[], room: number): Phase[] {
  const joined: Phase[] = [];
  for (const phase of phases) {
    const before = joined.at(-1);
    const at = Math.min(phase.at, before?.at ?? Infinity);
    const count = Math.max(phase.at + phase.count, before ? before.at + before.count : 0) - at;
    // Layers begin at multiples of a few blocks.
    if (before && count <= Math.min(room, before.count + phase.count + ALIGN)) {
      joined[joined.length - 1] = { pieces: [...before.pieces, ...phase.pieces], at, count };
    } else {
      joined.push(phase);
    }
  }
  return joined;
}

/** A name for a plan's kernel: plans of the same name have the same source. */
export function straightLineName({ job, shape, workgroup, stage }: StraightLinePlan): string {
  const { features, placed } = shape.points;
  const layers = shape.layers.map((l) =>
    `${l.mainBlocks}+${l.extraFirst}:${l.extraCount}>${l.outs}${
      l.activation ?? ""
    }/${l.gradientBlocks}`
  );
  const kind = `${shape.fromRegion ? "region " : ""}${placed ? "placed " : ""}`;
  return `straight_line ${job} ${kind}${features} ${layers.join(" ")} @${workgroup}/${stage}`;
}
