/** BatchNorm with running statistics: by the batch's own in training, by the running ones else. */

import wgsl from "../../shaders/nn/running_statistics.wgsl" with { type: "text" };
import { batchNorm, columnStatistics, type Statistics, type Tensor } from "../tensor/mod.ts";
import { constant } from "./initialisers.ts";
import type { ParameterRegistry, ParameterSet } from "./parameters.ts";

/** Whether statistics are the batch's own and move the running ones. */
export type Mode = "training" | "evaluation";

/** What BatchNorms of a network share. */
export interface BatchNormSettings {
  /** Added to the variance. */
  readonly eps: number;
  /** How far the running statistics move towards a batch's. */
  readonly momentum: number;
}

/**
 * Declares `name`.weight and `name`.bias [width], at first 1 and 0, and the buffers
 * `name`.running_mean, `name`.running_var [width] and `name`.num_batches_tracked [].
 */
export function declareBatchNorm(registry: ParameterRegistry, name: string, width: number): void {
  registry.declare(`${name}.weight`, [width], constant(1));
  registry.declare(`${name}.bias`, [width], constant(0));
  registry.declareBuffer(`${name}.running_mean`, [width], constant(0));
  registry.declareBuffer(`${name}.running_var`, [width], constant(1));
  registry.declareBuffer(`${name}.num_batches_tracked`, [], constant(0));
}

/** Moves running statistics towards those of `rows` rows; the variance's by the unbiased one. */
function moveStatistics(
  parameters: ParameterSet,
  name: string,
  { mean, variance }: Statistics,
  rows: number,
  momentum: number,
): void {
  const { device } = mean;
  device.run(
    device.kernel("running_statistics", wgsl),
    {
      mean: mean.slice,
      variance: variance.slice,
      running_mean: parameters.get(`${name}.running_mean`).slice,
      running_variance: parameters.get(`${name}.running_var`).slice,
      count: parameters.get(`${name}.num_batches_tracked`).slice,
    },
    { cols: mean.size, momentum, unbias: rows / (rows - 1) },
    Math.ceil(mean.size / 64),
  );
}

/**
 * BatchNorm of rows by the parameters and buffers under `name`.
 *
 * @param x (rows, width)
 * @throws {TypeError} In training there are fewer than two rows: they have no variance.
 */
export function applyBatchNorm(
  x: Tensor,
  name: string,
  parameters: ParameterSet,
  { eps, momentum }: BatchNormSettings,
  mode: Mode,
): Tensor {
  const [weight, bias] = ["weight", "bias"].map((own) => parameters.get(`${name}.${own}`));
  if (mode === "evaluation") {
    const mean = parameters.get(`${name}.running_mean`);
    const variance = parameters.get(`${name}.running_var`);
    return batchNorm(x, weight, bias, { mean, variance }, { eps, own: false });
  }
  if (x.rows < 2) {
    throw new TypeError(`${name} has ${x.rows} rows in training: expected two or more.`);
  }
  const statistics = columnStatistics(x);
  moveStatistics(parameters, name, statistics, x.rows, momentum);
  return batchNorm(x, weight, bias, statistics, { eps });
}
