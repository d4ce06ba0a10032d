/**
 * How clouds become scenes: remembered in each scene file and in checkpoints, so that later clouds
 * are made alike.
 */

import type { ReadOptions } from "../../cloud/formats/reader.ts";
import { PREPARE_DEFAULTS, type PrepareOptions } from "../../cloud/prepare.ts";
import type { TreeOptions } from "../tree_builder.ts";

/** How every scene of a run is made. */
export interface SceneSettings {
  /** What is said of files that do not say it themselves. */
  readonly read: ReadOptions;
  /** Cleaning, thinning, placing, normals. */
  readonly prepare: PrepareOptions;
  /** The region tree. */
  readonly tree: Required<TreeOptions>;
  /** Whether scenes that come with a region tree (`.pkl`, prepared ones) are taken as they are. */
  readonly keepTrees: boolean;
}

/** What holds where nothing else is said. */
export const DEFAULT_SETTINGS: SceneSettings = {
  read: {},
  prepare: PREPARE_DEFAULTS,
  tree: { branching: 8, maxDepth: 4, minPoints: 32 },
  keepTrees: true,
};

/**
 * Settings from JSON that may be another version's: what is missing has its default, and what is
 * unknown is left out. Null where they are no settings.
 */
export function parseSettings(value: unknown): SceneSettings | null {
  if (!isRecord(value) || !isRecord(value.prepare) || !isRecord(value.tree)) return null;
  return {
    read: isRecord(value.read) ? value.read as ReadOptions : {},
    prepare: withDefaults(value.prepare, PREPARE_DEFAULTS),
    tree: withDefaults(value.tree, DEFAULT_SETTINGS.tree),
    keepTrees: value.keepTrees !== false,
  };
}

function withDefaults<T extends object>(given: Readonly<Record<string, unknown>>, defaults: T): T {
  const entries = Object.entries(defaults).map(([key, value]) => [
    key,
    typeof given[key] === typeof value ? given[key] : value,
  ]);
  return Object.fromEntries(entries) as T;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
