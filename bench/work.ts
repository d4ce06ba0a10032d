/**
 * How many multiply-adds a training step has, by its shape.
 *
 * Useful: what the merged mathematics asks for. Forward, every row goes through the merged linear
 * layers once; backward, each row that has gradient needs one product for the gradient of the
 * weights and one for that of the inputs, where one is wanted. InfoNCE needs the similarities and a
 * product with them for either side. Biases, norms, activations, pooling and the merging itself,
 * below a hundredth together, are left out.
 *
 * Executed: what the kernels multiply. The fused path computes rows with gradient again, widths in
 * whole blocks of four, and biases as weights of an input of 1; lanes of a last workgroup that have
 * no row of their own are left out. The plain path computes the layers as they are written,
 * unmerged, on every row, forward and backward.
 */

import type { Batch } from "../src/scenes/batches/batch.ts";
import { rowPrograms } from "../src/model/fused/plan/compile.ts";
import { blocks, type RowProgram } from "../src/model/fused/plan/row_program.ts";
import { networks } from "../src/model/networks.ts";
import { dbbd, PROJECTION_HIDDEN } from "../src/model/objectives/dbbd.ts";
import type { ModelConfig } from "../src/model/model_config.ts";

/** Rows that a step's networks run on. */
export interface StepRows {
  /**
   * Points of each encoding, and whether a parent's feature propagates to them: G2L's levels, then
   * L2G's leaves.
   */
  readonly encodings: readonly { readonly rows: number; readonly propagated: boolean }[];
  /** Regions of each level. */
  readonly regions: readonly number[];
  /** Regions that have children, of all levels. */
  readonly parents: number;
  /** Points of the point loss. */
  readonly samples: number;
}

/** The rows of a batch. */
export function stepRows({ levels, pointCount }: Batch, config: ModelConfig & Sampling): StepRows {
  let leafRows = 0;
  let parents = 0;
  const encodings = levels.map(({ start, end, childStart, childEnd }, l) => {
    let rows = 0;
    for (let r = 0; r < start.length; r++) {
      rows += end[r] - start[r];
      if (childStart[r] === childEnd[r]) leafRows += end[r] - start[r];
      else parents++;
    }
    return { rows, propagated: l > 0 };
  });
  return {
    encodings: [...encodings, { rows: leafRows, propagated: false }],
    regions: levels.map(({ start }) => start.length),
    parents,
    samples: Math.min(pointCount, config.point_num_samples),
  };
}

interface Sampling {
  readonly point_num_samples: number;
}

/** Multiply-adds of a step. */
export interface StepWork {
  /** Both branches' encoders and the aggregator, forward. */
  readonly encoderForward: number;
  /** Everything. */
  readonly step: number;
}

/** Multiply-adds of one row. */
interface RowWork {
  readonly forward: number;
  /**
   * Backward: the products for the weights' gradients, for the inputs', and what is computed again.
   */
  readonly backward: number;
}

/** Linear layers by their widths, each `[outs, ins, ins that no gradient is wanted of]`. */
function layersWork(layers: readonly (readonly [number, number, number?])[]): RowWork {
  let forward = 0;
  let backward = 0;
  for (const [outs, ins, without = 0] of layers) {
    forward += outs * ins;
    backward += outs * (2 * ins - without);
  }
  return { forward, backward };
}

/** Widths one after the other as layers. */
function chain(...widths: readonly number[]): [number, number][] {
  return widths.slice(1).map((outs, i) => [outs, widths[i]]);
}

/** What every network of the model costs on a row, and InfoNCE on a pair. */
interface Costs {
  readonly raw: RowWork;
  readonly propagated: RowWork;
  /** What a region with children hands down. */
  readonly start: RowWork;
  /** What a child hands up. */
  readonly child: RowWork;
  readonly head: RowWork;
  readonly pair: (n: number) => number;
}

function usefulCosts(config: ModelConfig): Costs {
  const {
    input_feat_dim: C,
    hidden_dim: H,
    output_dim: D,
    encoder_hidden_dims: E,
    propagator_hidden_dim: P,
    propagator_num_layers,
    projection_dim,
  } = config;
  const inner = Array<number>(propagator_num_layers - 1).fill(P);
  const [first, ...rest] = [...E, D];
  const backbone = [[first, 3 + H, 3] as const, ...chain(first, ...rest)];
  return {
    raw: layersWork([[H, C, C], ...backbone]),
    propagated: layersWork([[P, 3, 3], ...chain(...inner), [H, P + C, C], ...backbone]),
    start: layersWork([[P, D]]),
    child: layersWork(childLayers(config)),
    head: layersWork(chain(D, PROJECTION_HIDDEN, projection_dim)),
    pair: (n) => n * n * projection_dim,
  };
}

/** Of a child: layers before pooling; with attention its key, its value and where it lies. */
function childLayers(config: ModelConfig): [number, number, number?][] {
  const { output_dim: D, aggregator_mode, aggregator_use_spatial } = config;
  if (aggregator_mode !== "attention") return chain(D, D, D);
  const spatial: [number, number, number?][] = aggregator_use_spatial ? [[D, 3, 3], [D, D]] : [];
  return [...chain(D, D, D), ...spatial, [D, D], [D, D]];
}

/**
 * What the fused kernels do on a row of a program: widths in blocks of four, `again` where backward
 * recomputes.
 */
function programWork({ layers }: RowProgram, again: boolean): RowWork {
  let forward = 0;
  let backward = 0;
  layers.forEach(({ outs, inBlocks, gradientBlocks }, l) => {
    const own = 16 * blocks(outs) * inBlocks;
    forward += own;
    backward += own + 16 * blocks(outs) * gradientBlocks;
    if (again && l + 1 < layers.length) backward += own;
  });
  return { forward, backward };
}

function fusedCosts(config: ModelConfig): Costs {
  const flat = { flatSize: 0, offsetOf: () => 0 };
  const { encoder, heads } = rowPrograms(networks(config), dbbd.heads!(config), flat);
  const { raw, propagated, regionStart, children } = encoder;
  return {
    raw: programWork(raw, true),
    propagated: programWork(propagated, true),
    start: programWork(regionStart, false),
    child: config.aggregator_mode === "attention"
      ? layersWork(childLayers(config))
      : programWork(children, false),
    head: programWork(heads.regionHead, false),
    pair: (n) => n * 8 * Math.ceil(n / 8) * 4 * blocks(config.projection_dim),
  };
}

function plainCosts(config: ModelConfig): Costs {
  const {
    input_feat_dim: C,
    hidden_dim: H,
    output_dim: D,
    encoder_hidden_dims: E,
    propagator_hidden_dim: P,
    propagator_num_layers,
  } = config;
  const inner = Array<number>(propagator_num_layers - 1).fill(P);
  const backbone = chain(3 + H, ...E, D);
  return {
    ...usefulCosts(config),
    raw: layersWork([[H, C, C], [H, H], ...backbone]),
    propagated: layersWork([...chain(D + 3, ...inner, D), ...chain(C + D, H, H), ...backbone]),
    start: layersWork([]),
  };
}

function work(
  config: ModelConfig,
  costs: Costs,
  rows: StepRows,
  gradientRows: readonly number[],
): StepWork {
  const { encodings, regions, parents, samples } = rows;
  const all = regions.reduce((sum, count) => sum + count, 0);
  const dense: [RowWork, number][] = [[costs.start, parents], [costs.child, all - regions[0]]];
  if (config.aggregator_mode === "attention") {
    dense.push([layersWork([[config.output_dim, config.output_dim]]), parents]);
  }
  let encoderForward = 0;
  let rest = 0;
  encodings.forEach((encoding, e) => {
    const cost = encoding.propagated ? costs.propagated : costs.raw;
    encoderForward += cost.forward * encoding.rows;
    rest += cost.backward * gradientRows[e];
  });
  for (const [cost, count] of dense) {
    encoderForward += cost.forward * count;
    rest += cost.backward * count;
  }
  rest += (costs.head.forward + costs.head.backward) * 2 * (all + samples);
  rest += 3 * [...regions, samples].reduce((sum, n) => sum + costs.pair(n), 0);
  return { encoderForward, step: encoderForward + rest };
}

/**
 * Multiply-adds that the merged mathematics of a step asks for.
 * @param gradientRows of each encoding, the rows that have gradient
 */
export function usefulWork(
  config: ModelConfig,
  rows: StepRows,
  gradientRows: readonly number[],
): StepWork {
  return work(config, usefulCosts(config), rows, gradientRows);
}

/** Multiply-adds that a step's kernels execute, on the fused path or the plain one. */
export function executedWork(
  config: ModelConfig,
  rows: StepRows,
  gradientRows: readonly number[],
  fused: boolean,
): StepWork {
  return fused
    ? work(config, fusedCosts(config), rows, gradientRows)
    : work(config, plainCosts(config), rows, rows.encodings.map((encoding) => encoding.rows));
}
