/**
 * Every key of a configuration: type, default, what small_mode makes of it, range, what a resumed
 * run may change, help. docs/model.md, Configuration.
 *
 * This one table types `TrainingConfig`, says what files and flags may hold, and prints the help.
 */

import type { AugmentationConfig } from "../scenes/views/augmentations/types.ts";
import { DATA_KEYS } from "./keys/data.ts";
import { LOSS_KEYS } from "./keys/loss.ts";
import { MODEL_KEYS } from "./keys/model.ts";
import { OPTIMISATION_KEYS } from "./keys/optimisation.ts";
import { RUN_KEYS } from "./keys/run.ts";
import type { SpunetConfig } from "../model/model_config.ts";
import type { ProbeConfig } from "./probe_config.ts";

export type { ConfigGroup, ConfigKey, ResumeRule } from "./keys/key.ts";
export { DATA_KEYS, LOSS_KEYS, MODEL_KEYS, OPTIMISATION_KEYS, RUN_KEYS };

/** The table, in the order in which help and written files list the keys. */
export const CONFIG_KEYS:
  & typeof RUN_KEYS
  & typeof DATA_KEYS
  & typeof MODEL_KEYS
  & typeof LOSS_KEYS
  & typeof OPTIMISATION_KEYS = {
    ...RUN_KEYS,
    ...DATA_KEYS,
    ...MODEL_KEYS,
    ...LOSS_KEYS,
    ...OPTIMISATION_KEYS,
  };

/** The name of a key. */
export type ConfigKeyName = keyof typeof CONFIG_KEYS;

/** The TypeScript type of a key's value, null aside. */
export type ConfigValueOf<K> = K extends { type: "boolean" } ? boolean
  : K extends { type: "integer" | "number" } ? number
  : K extends { type: "choice"; values: readonly (infer V)[] } ? V
  : K extends { type: "text" } ? string
  : K extends { type: "names" } ? readonly string[]
  : K extends { type: "augmentation" } ? AugmentationConfig
  : K extends { type: "spunet" } ? SpunetConfig
  : K extends { type: "probe" } ? ProbeConfig
  : readonly number[];

/** What each key holds once the configuration is resolved: defaults filled in, aliases replaced. */
export type ConfigValues = {
  readonly [K in ConfigKeyName]:
    | ConfigValueOf<(typeof CONFIG_KEYS)[K]>
    | ((typeof CONFIG_KEYS)[K] extends { nullable: true } ? null : never);
};

/** All key names, in the table's order. */
export const CONFIG_KEY_NAMES: readonly ConfigKeyName[] = Object.keys(
  CONFIG_KEYS,
) as ConfigKeyName[];
