/**
 * The settings of a small training: narrow widths, one step in a fraction of a second. Needs no
 * device.
 */

import { TrainingConfig } from "../../src/run/config.ts";
import type { ConfigValues } from "../../src/run/config.ts";

/** What differs from the defaults in a small training. */
export const TINY: Partial<ConfigValues> = {
  dataset: "synthetic",
  hidden_dim: 12,
  output_dim: 16,
  encoder_hidden_dims: [9, 20],
  propagator_hidden_dim: 10,
  projection_dim: 8,
  point_num_samples: 61,
  batch_size: 2,
  num_workers: 0,
  num_epochs: 2,
  T_max: 5,
  seed: 7,
};

/** What the sparse U-Net needs besides: widths that fill no block of four, two stages. */
export const TINY_SPUNET = {
  hidden_dim: 16,
  spunet: { voxel_size: 0.5, base_channels: 5, channels: [6, 9, 8, 7], layers: [1, 1, 1, 2] },
};

/** A small configuration; `values` win. */
export function tinyConfig(values: Partial<ConfigValues> = {}): TrainingConfig {
  return TrainingConfig.fromObject({ ...TINY, ...values });
}
