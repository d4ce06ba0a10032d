/** Which of the encoder's features make a row of a head's table, by name. */

import { UsageError } from "../base/errors.ts";
import type { Branch, SceneVectors } from "../inference/features.ts";

const POOLS = ["root", "max", "mean"] as const;
const BRANCHES = ["g2l", "l2g"] as const;

/** A choice of features. */
export interface FeatureChoice {
  /** As it is written: "root,max,mean of g2l,l2g". */
  readonly text: string;
  /** Scene vectors, for objects. */
  readonly pools: readonly (keyof SceneVectors)[];
  /** Directions, for objects and points. */
  readonly branches: readonly Branch[];
  /** For points: also the features of the regions around each, from level 1 down. */
  readonly regions: boolean;
}

/**
 * The root's feature, the maximum and the mean over points, of both directions; of points their own
 * alone.
 */
export const ALL_FEATURES: FeatureChoice = choice(POOLS, BRANCHES, false);

function choice(
  pools: readonly (keyof SceneVectors)[],
  branches: readonly Branch[],
  regions: boolean,
): FeatureChoice {
  const text = `${pools.join("+")} of ${branches.join("+")}${
    regions ? ", points with regions" : ""
  }`;
  return { text, pools, branches, regions };
}

/**
 * Reads a list out of `root`, `max`, `mean`, `g2l`, `l2g`, or `all`. Pools or directions that are
 * not named at all are all taken: `max` is the maximum of both directions, `g2l` all three vectors
 * of one. `regions` adds to each point the features of the regions around it.
 *
 * @throws {UsageError} Another name.
 */
export function parseFeatures(text: string): FeatureChoice {
  const names = text.split(/[,+]/).map((name) => name.trim()).filter((name) => name !== "");
  const known: readonly string[] = [...POOLS, ...BRANCHES, "regions", "all"];
  const wrong = names.find((name) => !known.includes(name));
  if (wrong !== undefined || names.length === 0) {
    throw new UsageError(
      `--features: expected a list out of ${known.join(", ")}, got ${wrong ?? "nothing"}`,
    );
  }
  const named = <T extends string>(of: readonly T[]): readonly T[] => {
    const own = of.filter((name) => names.includes(name));
    return own.length === 0 || names.includes("all") ? of : own;
  };
  return choice(named(POOLS), named(BRANCHES), names.includes("regions"));
}

/** The chosen vectors of a scene in one row. */
export function sceneRow(scene: SceneVectors, { pools, branches }: FeatureChoice): Float32Array {
  const parts = branches.flatMap((branch) => pools.map((pool) => scene[pool][branch]));
  return joined(parts);
}

function joined(parts: readonly Float32Array[]): Float32Array {
  const out = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
