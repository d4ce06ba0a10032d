/** The mapping `spunet` of a configuration: sizes of the sparse U-Net, their defaults and checks. */

import type { SpunetConfig } from "../model/model_config.ts";

/** Something wrong in the mapping. */
interface SpunetProblem {
  /** The key; empty where it is the whole value. */
  readonly path: readonly (string | number)[];
  /** What was expected and what was got. */
  readonly message: string;
}

/** The sizes that nobody set: docs/model.md, "The sparse U-Net". */
export const SPUNET_SIZES: SpunetConfig = {
  voxel_size: 0.02,
  base_channels: 32,
  channels: [32, 64, 128, 256, 256, 128, 96, 96],
  layers: [2, 3, 4, 6, 2, 2, 2, 2],
};

/** The same in small_mode. */
export const SMALL_SPUNET_SIZES: SpunetConfig = {
  voxel_size: 0.05,
  base_channels: 16,
  channels: [16, 32, 48, 64, 64, 48, 32, 64],
  layers: [1, 1, 1, 1, 1, 1, 1, 1],
};

const isCount = (value: unknown): boolean =>
  Number.isInteger(value) && (value as number) >= 1 && (value as number) <= 16_384;
const areCounts = (value: unknown): boolean =>
  Array.isArray(value) && value.length > 0 && value.length <= 20 && value.length % 2 === 0 &&
  value.every(isCount);

const FIELDS: Readonly<
  Record<keyof SpunetConfig, {
    readonly expected: string;
    readonly accepts: (value: unknown) => boolean;
  }>
> = {
  voxel_size: {
    expected: "metres, a number above 0",
    accepts: (value) => typeof value === "number" && value > 0 && Number.isFinite(1 / value),
  },
  base_channels: { expected: "an integer from 1 to 16384", accepts: isCount },
  channels: {
    expected: "a list of integers from 1 to 16384, as many down as up",
    accepts: areCounts,
  },
  layers: {
    expected: "a list of integers of at least 1, as many as channels",
    accepts: areCounts,
  },
};

/** Everything wrong with `value` as sizes of the U-Net, each of which may be left out. */
export function spunetProblems(value: unknown): SpunetProblem[] {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    const found = value === undefined ? "nothing" : JSON.stringify(value) ?? typeof value;
    return [{ path: [], message: `expected a mapping such as {voxel_size: 0.02}; got ${found}` }];
  }
  return Object.entries(value).filter(([, own]) => own !== undefined).flatMap(([key, own]) => {
    if (!Object.hasOwn(FIELDS, key)) {
      const allowed = Object.keys(FIELDS).join(", ");
      return [{ path: [key], message: `unknown key of spunet; allowed: ${allowed}` }];
    }
    const { expected, accepts } = FIELDS[key as keyof SpunetConfig];
    if (accepts(own)) return [];
    return [{ path: [key], message: `expected ${expected}, got ${JSON.stringify(own)}` }];
  });
}
