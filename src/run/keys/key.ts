/** What a key of a configuration is. */

import type { AugmentationConfig } from "../../scenes/views/augmentations/types.ts";
import type { SpunetConfig } from "../../model/model_config.ts";
import type { ProbeConfig } from "../probe_config.ts";

/** The headings under which keys are listed. */
export type ConfigGroup = "run" | "data" | "model" | "loss" | "optimisation";

/**
 * Whether a run that goes on may have another value than the checkpoint's: `fixed`, never, for it
 * shapes the model; `told`, yes, and it is said, for the run will not be the one that was begun;
 * `free`, without a word, for it does not change what is computed.
 */
export type ResumeRule = "fixed" | "told" | "free";

/** One key: what it may hold and what it is when nobody says. */
export type ConfigKey =
  & {
    readonly group: ConfigGroup;
    /** What a run that goes on from a checkpoint may change of it. */
    readonly resume: ResumeRule;
    readonly help: string;
  }
  & (
    | { readonly type: "boolean"; readonly default: boolean; readonly small?: boolean }
    | {
      readonly type: "integer";
      readonly default: number | null;
      readonly small?: number;
      readonly min: number;
      readonly max: number;
      readonly nullable?: true;
    }
    | {
      readonly type: "number";
      readonly default: number;
      /** The least allowed value, or the value that must be exceeded. */
      readonly min?: number;
      readonly above?: number;
    }
    | {
      readonly type: "choice";
      readonly default: string;
      readonly small?: string;
      readonly values: readonly string[];
      /** Other spellings, with what they are read as. */
      readonly aliases?: Readonly<Record<string, string>>;
    }
    | { readonly type: "text"; readonly default: string | null; readonly nullable?: true }
    | {
      readonly type: "integers";
      readonly default: readonly number[];
      readonly small?: readonly number[];
      readonly min: number;
      readonly max: number;
    }
    | { readonly type: "names"; readonly default: readonly string[] }
    | { readonly type: "augmentation"; readonly default: AugmentationConfig }
    | {
      readonly type: "spunet";
      readonly default: SpunetConfig;
      readonly small: SpunetConfig;
    }
    | { readonly type: "probe"; readonly default: ProbeConfig | null; readonly nullable: true }
  );

/** A limit that only stands against nonsense; messages don't mention it. */
export const MANY = 1_000_000_000;
/** The widest layer. */
export const WIDEST = 16_384;
