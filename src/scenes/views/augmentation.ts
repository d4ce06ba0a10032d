/** Which augmentations a view goes through: plain data that a YAML file can hold, its defaults and its checks. */

import { UsageError } from "../../base/errors.ts";

/** A coordinate axis; z points up. */
export type Axis = "x" | "y" | "z";

/**
 * One augmentation. `p` is the probability that it is applied to a view, drawn anew for each view; coordinates
 * turn, grow and flip about the origin. A field left out takes the default named here.
 *
 * - `rotate` about `axis` (z; any: a random direction) by an angle uniform in ±`degrees` (180); p 0.95.
 * - `scale` by a factor uniform in [`min`, `max`] (0.9, 1.1), one for all axes or, when `anisotropic` (false), one
 *   for each; p 0.95.
 * - `translate` by an offset uniform in ±`range` metres (0.2), one number for all axes or three; p 0.95.
 * - `jitter` each coordinate of each point by normal noise of deviation `sigma` metres (0.005), cut off at ±`clip`
 *   (0.02); p 0.95.
 * - `flip`: mirrors each of `axes` (x and y) with probability p (0.5), independently.
 * - `color_jitter`: adds normal noise of deviation `sigma` (0.05) to each colour value and keeps it in [0, 1]; p 0.95.
 * - `auto_contrast`: stretches each colour channel to [0, 1] and blends that with the original by `blend`
 *   (0: original, 1: stretched; null, the default: uniform at random); p 0.2.
 *
 * Two views share one tree, so every point exists in both and no augmentation changes indices. A point that a view
 * shall not see is therefore covered up: it takes the coordinates and features of a random point that the view does
 * see, out of the smallest region around it that holds one. A draw that would leave no point to see changes nothing.
 *
 * - `drop`: covers each point up with chance `ratio` (0.5), so that two views sample a surface differently; p 0.95.
 * - `drop_regions`: covers whole regions of `level` (2) up, each with chance `ratio` (0.2); p 0.95.
 * - `crop`: covers up what lies beyond a plane of random direction that leaves a share of the points uniform in
 *   [`min`, `max`] (0.6, 1); p 0.95.
 * - `jitter_normals`: adds normal noise of deviation `sigma` (0.1) to each coordinate of vector features, which keep
 *   their length; p 0.95.
 * - `zero_features`: sets the feature columns `names` (null: all) to zero, so that shape must do without; p 0.2.
 */
export type Augmentation =
  | {
    readonly type: "rotate";
    readonly axis?: Axis | "any";
    readonly degrees?: number;
    readonly p?: number;
  }
  | {
    readonly type: "scale";
    readonly min?: number;
    readonly max?: number;
    readonly anisotropic?: boolean;
    readonly p?: number;
  }
  | { readonly type: "translate"; readonly range?: number | readonly number[]; readonly p?: number }
  | {
    readonly type: "jitter";
    readonly sigma?: number;
    readonly clip?: number;
    readonly p?: number;
  }
  | { readonly type: "flip"; readonly axes?: readonly Axis[]; readonly p?: number }
  | { readonly type: "color_jitter"; readonly sigma?: number; readonly p?: number }
  | { readonly type: "auto_contrast"; readonly blend?: number | null; readonly p?: number }
  | { readonly type: "drop"; readonly ratio?: number; readonly p?: number }
  | {
    readonly type: "drop_regions";
    readonly level?: number;
    readonly ratio?: number;
    readonly p?: number;
  }
  | { readonly type: "crop"; readonly min?: number; readonly max?: number; readonly p?: number }
  | { readonly type: "jitter_normals"; readonly sigma?: number; readonly p?: number }
  | {
    readonly type: "zero_features";
    readonly names?: readonly string[] | null;
    readonly p?: number;
  };

/** Augmentations in the order in which they are applied. */
export type AugmentationConfig = readonly Augmentation[];

/** An augmentation with every field given. */
export type CompleteAugmentation = {
  [T in Augmentation["type"]]: Required<Extract<Augmentation, { type: T }>>;
}[Augmentation["type"]];

type Complete<T extends Augmentation["type"]> = Extract<CompleteAugmentation, { type: T }>;

/** What training does unless told otherwise (SPEC §5). */
export const TRAINING_AUGMENTATION: AugmentationConfig = [
  { type: "rotate", axis: "z", degrees: 180, p: 0.95 },
  { type: "scale", min: 0.9, max: 1.1, p: 0.95 },
];

interface Field {
  readonly fallback: unknown;
  readonly expected: string;
  readonly accepts: (value: unknown) => boolean;
}

function number(fallback: number, least: number, most: number): Field {
  const expected = most === Infinity
    ? `a number of at least ${least}`
    : `a number from ${least} to ${most}`;
  return { fallback, expected, accepts: isNumber(least, most) };
}

function isNumber(least: number, most: number): (value: unknown) => boolean {
  return (value) =>
    typeof value === "number" && Number.isFinite(value) && value >= least && value <= most;
}

const isAxis = (value: unknown): boolean => value === "x" || value === "y" || value === "z";
const isLength = isNumber(0, Infinity);
const SMALLEST_SCALE = 1e-3;

const FIELDS: {
  readonly [T in Augmentation["type"]]: {
    readonly [K in Exclude<keyof Complete<T>, "type">]: Field;
  };
} = {
  rotate: {
    axis: {
      fallback: "z",
      expected: "x, y, z or any",
      accepts: (value) => value === "any" || isAxis(value),
    },
    degrees: number(180, 0, 180),
    p: number(0.95, 0, 1),
  },
  scale: {
    min: number(0.9, SMALLEST_SCALE, 1000),
    max: number(1.1, SMALLEST_SCALE, 1000),
    anisotropic: {
      fallback: false,
      expected: "true or false",
      accepts: (value) => typeof value === "boolean",
    },
    p: number(0.95, 0, 1),
  },
  translate: {
    range: {
      fallback: 0.2,
      expected: "one number of metres or three, each at least 0",
      accepts: (value) =>
        isLength(value) || (Array.isArray(value) && value.length === 3 && value.every(isLength)),
    },
    p: number(0.95, 0, 1),
  },
  jitter: {
    sigma: number(0.005, 0, Infinity),
    clip: number(0.02, 0, Infinity),
    p: number(0.95, 0, 1),
  },
  flip: {
    axes: {
      fallback: ["x", "y"],
      expected: "a list of different axes out of x, y and z",
      accepts: (value) =>
        Array.isArray(value) && value.length > 0 && value.every(isAxis) &&
        new Set(value).size === value.length,
    },
    p: number(0.5, 0, 1),
  },
  color_jitter: { sigma: number(0.05, 0, 1), p: number(0.95, 0, 1) },
  auto_contrast: {
    blend: {
      fallback: null,
      expected: "a number from 0 to 1, or null for a random one",
      accepts: (value) => value === null || isNumber(0, 1)(value),
    },
    p: number(0.2, 0, 1),
  },
  drop: { ratio: number(0.5, 0, 1), p: number(0.95, 0, 1) },
  drop_regions: {
    level: {
      fallback: 2,
      expected: "a whole number of at least 1",
      accepts: (value) => Number.isInteger(value) && isNumber(1, Infinity)(value),
    },
    ratio: number(0.2, 0, 1),
    p: number(0.95, 0, 1),
  },
  crop: { min: number(0.6, 0, 1), max: number(1, 0, 1), p: number(0.95, 0, 1) },
  jitter_normals: { sigma: number(0.1, 0, Infinity), p: number(0.95, 0, 1) },
  zero_features: {
    names: {
      fallback: null,
      expected: "a list of feature names, or null for all",
      accepts: (value) =>
        value === null ||
        (Array.isArray(value) && value.length > 0 &&
          value.every((name) => typeof name === "string")),
    },
    p: number(0.2, 0, 1),
  },
};

/** Something wrong in a list of augmentations. */
export interface AugmentationProblem {
  /** Where: the index in the list, then the key; as far as the problem is that specific. */
  readonly path: readonly (string | number)[];
  /** What was expected and what was got. */
  readonly message: string;
}

/** Everything wrong with `value` as an AugmentationConfig; empty when it is one. */
export function augmentationProblems(value: unknown): AugmentationProblem[] {
  if (!Array.isArray(value)) {
    return [{ path: [], message: `expected a list of augmentations, got ${show(value)}` }];
  }
  return value.flatMap((entry, index) => entryProblems(entry, index));
}

function entryProblems(entry: unknown, index: number): AugmentationProblem[] {
  const types = Object.keys(FIELDS).join(", ");
  if (typeof entry !== "object" || entry === null || Array.isArray(entry)) {
    return [{
      path: [index],
      message: `expected a mapping with a type (${types}), got ${show(entry)}`,
    }];
  }
  const given = entry as Record<string, unknown>;
  if (typeof given.type !== "string" || !Object.hasOwn(FIELDS, given.type)) {
    return [{
      path: [index, "type"],
      message: `expected one of ${types}, got ${show(given.type)}`,
    }];
  }
  const fields: Record<string, Field> = FIELDS[given.type as Augmentation["type"]];
  const problems: AugmentationProblem[] = [];
  for (const [key, value] of Object.entries(given)) {
    if (key === "type" || value === undefined) continue;
    if (!Object.hasOwn(fields, key)) {
      const allowed = Object.keys(fields).join(", ");
      problems.push({
        path: [index, key],
        message: `unknown key of ${given.type}; allowed: ${allowed}`,
      });
    } else if (!fields[key].accepts(value)) {
      problems.push({
        path: [index, key],
        message: `expected ${fields[key].expected}, got ${show(value)}`,
      });
    }
  }
  if (problems.length === 0 && (given.type === "scale" || given.type === "crop")) {
    const { min, max } = complete(entry as Augmentation) as Complete<"scale" | "crop">;
    if (min > max) {
      problems.push({ path: [index, "min"], message: `expected at most max, ${max}, got ${min}` });
    }
  }
  return problems;
}

function show(value: unknown): string {
  return value === undefined ? "nothing" : JSON.stringify(value) ?? typeof value;
}

/** Fills in the fields that were left out. */
function complete(augmentation: Augmentation): CompleteAugmentation {
  const fields: Record<string, Field> = FIELDS[augmentation.type];
  const given = Object.entries(augmentation).filter(([, value]) => value !== undefined);
  const fallbacks = Object.entries(fields).map(([key, field]) => [key, field.fallback]);
  return { ...Object.fromEntries(fallbacks), ...Object.fromEntries(given) };
}

/**
 * Checks `value`, e.g. parsed YAML, and gives the augmentations with every field filled in. Throws a UsageError
 * that lists every problem.
 */
export function parseAugmentation(value: unknown): CompleteAugmentation[] {
  const problems = augmentationProblems(value);
  if (problems.length > 0) {
    const lines = problems.map(({ path, message }) => {
      const place = path.map((step) => typeof step === "number" ? `[${step}]` : `.${step}`).join(
        "",
      );
      return `augmentation${place}: ${message}`;
    });
    throw new UsageError(`Cannot augment: ${lines.join("; ")}`);
  }
  return (value as AugmentationConfig).map(complete);
}
