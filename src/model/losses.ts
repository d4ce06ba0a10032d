/** The losses of SPEC §3. */

import type { ParameterSet } from "../nn/parameters.ts";
import {
  add,
  diagonal,
  formatShape,
  logSumExp,
  matmul,
  mean,
  normalize,
  type RowIndex,
  scale,
  sub,
  type Tensor,
} from "../tensor/mod.ts";
import { checkInputs } from "../tensor/inputs.ts";
import type { EncoderOutput } from "./encoder_output.ts";
import { type LayerName, modelLayers } from "./layers.ts";
import type { ModelConfig } from "./model_config.ts";

/** Scalars on the device. */
export interface Losses {
  /** alpha · region + beta · point. */
  readonly total: Tensor;
  /** The mean over the levels. */
  readonly region: Tensor;
  /** InfoNCE of the sampled points. */
  readonly point: Tensor;
  /** For each level. */
  readonly regionLevels: readonly Tensor[];
}

/**
 * Throws unless query and key are rows that pair, at least one, and the temperature is above 0.
 *
 * @throws {TypeError} They are not.
 */
export function checkContrast(query: Tensor, key: Tensor, temperature: number): void {
  checkInputs("infoNCE", [query, key]);
  if (key.rows !== query.rows || key.cols !== query.cols || query.rows === 0) {
    throw new TypeError(
      `Cannot contrast ${formatShape(query.shape)} with ${formatShape(key.shape)}.`,
    );
  }
  if (!(temperature > 0 && Number.isFinite(1 / temperature))) {
    throw new TypeError(
      `Cannot contrast at temperature ${temperature}: expected a number above 0.`,
    );
  }
}

/**
 * InfoNCE (van den Oord et al. 2018) of unit rows: the mean over i of −log(exp(q_i·k_i/τ) / Σ_j exp(q_i·k_j/τ)).
 * query and key (n, d).
 */
export function infoNCE(query: Tensor, key: Tensor, temperature: number): Tensor {
  checkContrast(query, key, temperature);
  const similarity = scale(matmul(query, key, { transposeB: true }), 1 / temperature);
  return mean(sub(logSumExp(similarity), diagonal(similarity)));
}

/**
 * Region, point and total loss.
 * @param sample rows of the batch drawn for the point loss; null for all
 */
export function losses(
  config: ModelConfig,
  parameters: ParameterSet,
  output: EncoderOutput,
  sample: RowIndex | null,
): Losses {
  const layers = modelLayers(config);
  const project = (name: LayerName, x: Tensor) =>
    normalize(layers[name].forward(x, parameters, name));
  const contrast = (name: LayerName, g2l: Tensor, l2g: Tensor) =>
    infoNCE(project(name, g2l), project(name, l2g), config.temperature);
  const regionLevels = output.g2l.regions.map((g2l, l) =>
    contrast("loss.region_projection.layers", g2l, output.l2g.regions[l])
  );
  const region = scale(regionLevels.reduce(add), 1 / regionLevels.length);
  const point = contrast(
    "loss.point_projection.layers",
    output.g2l.sample(sample),
    output.l2g.sample(sample),
  );
  const total = add(scale(region, config.alpha), scale(point, config.beta));
  return { total, region, point, regionLevels };
}
