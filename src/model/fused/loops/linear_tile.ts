/** Which part of a linear layer on rows one invocation computes. */

import type { DeviceKind } from "../../../gpu/adapter.ts";

/**
 * What one invocation of row_linear computes. All tiles sum in the same order and give the same
 * bits.
 */
export interface LinearTile {
  /** Neighbouring rows. */
  readonly rows: 1 | 2 | 4 | 8;
  /** Blocks of columns. */
  readonly columns: number;
}

/**
 * The tile of each kind of device: 8 × 8 vec4 are more registers than GPUs have. Measuring tiles on
 * the user's device gained nothing on lavapipe, where this one is the fastest or within 2 % of it
 * for every layer tried.
 */
export const LINEAR_TILE: Readonly<Record<DeviceKind, LinearTile>> = {
  gpu: { rows: 4, columns: 4 },
  software: { rows: 8, columns: 4 },
};
