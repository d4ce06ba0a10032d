/** What an augmentation is: its fields, what it needs of a scene, and what it does to a view. */

import type { Random } from "../../../base/random.ts";
import type { Scene } from "../../scene.ts";
import type { Affine } from "./affine.ts";
import type { Augmentation, Complete } from "./types.ts";

/** One field of an augmentation. */
export interface AugmentationField {
  /** What it is where nobody says. */
  readonly fallback: unknown;
  /** What it may be, as a message says it: "a number of at least 0". */
  readonly expected: string;
  /** Whether it may be this. */
  readonly accepts: (value: unknown) => boolean;
}

/** A view that augmentations are changing. */
export interface ViewUnderWay {
  /** What it is a view of. */
  readonly scene: Scene;
  /** (N, 3) metres, to be changed in place. */
  readonly coords: Float32Array;
  /** (N, C), to be changed in place. */
  readonly feats: Float32Array;
  /**
   * As `feats`, but vectors may not have followed the last affine maps yet: cheaper for an
   * augmentation that reads and changes other columns, or overwrites whole ones.
   */
  readonly unmovedFeats: Float32Array;
  /** C. */
  readonly width: number;
  /** The first channels of vectors, such as normals, in a row of features. */
  readonly vectors: readonly number[];
  /** The channels of colours in a row of features. */
  readonly colors: readonly number[];
  /** Maps the coordinates, and vectors with them. Maps that follow each other cost one pass. */
  transform(map: Affine): void;
  /**
   * Hides points, of which `hidden` holds 1: they take the row of a random point around them that
   * is still seen. Changes nothing where none would be. Only for a rule that `hidesPoints`.
   */
  cover(hidden: Uint8Array, random: Random): void;
}

/**
 * One augmentation. A field `p` is the chance that it is applied to a view: one number is drawn
 * before `apply`. Without such a field it is always applied.
 *
 * ```ts
 * import { augment, type AugmentationRule, Random, SyntheticDataset } from "@dbbd/dbbd";
 *
 * const accepts = (value: unknown) => typeof value === "number";
 * const gravel: AugmentationRule<{ height: number; p: number }> = {
 *   type: "gravel",
 *   fields: {
 *     height: { fallback: 0.01, expected: "a number of metres", accepts },
 *     p: { fallback: 0.5, expected: "a number", accepts },
 *   },
 *   apply({ coords }, { height }, random) {
 *     for (let at = 2; at < coords.length; at += 3) coords[at] += height * random.uniform();
 *   },
 * };
 * const scene = await new SyntheticDataset({ scenes: 1 }).get(0);
 * const list = [{ type: "gravel", height: 0.02 }];
 * console.log(augment(scene, list, new Random(42), null, [gravel]).coords.length);
 * ```
 */
export interface AugmentationRule<A extends object = Record<string, unknown>> {
  /** Its name. */
  readonly type: string;
  /** Its fields by name, in the order in which messages list them. */
  readonly fields: { readonly [K in Exclude<keyof A, "type">]: AugmentationField };
  /** Whether it draws by `p` itself. */
  readonly drawsItself?: true;
  /**
   * Whether it calls `cover`. Views that draw their own points do so behind the last one that does.
   */
  readonly hidesPoints?: true;
  /** What is wrong with fields that are each as they should be; undefined: nothing. */
  problem?(augmentation: A): { readonly field: string; readonly message: string } | undefined;
  /** What a scene lacks, "colour features"; undefined: nothing. */
  needs?(scene: Scene, augmentation: A): string | undefined;
  /** Changes a view, all fields given. What it draws, it draws from `random`. */
  apply(view: ViewUnderWay, augmentation: A, random: Random): void;
}

/** The rule of one of our own augmentations. */
export type Rule<T extends Augmentation["type"]> = AugmentationRule<Complete<T>>;

/** A field that holds a number. */
export function number(fallback: number, least: number, most: number): AugmentationField {
  const expected = most === Infinity
    ? `a number of at least ${least}`
    : `a number from ${least} to ${most}`;
  return { fallback, expected, accepts: isNumber(least, most) };
}

/** Whether a value is a number within bounds. */
export function isNumber(least: number, most: number): (value: unknown) => boolean {
  return (value) =>
    typeof value === "number" && Number.isFinite(value) && value >= least && value <= most;
}

/** The problem of a range that ends before it begins. */
export function emptyRange(
  { min, max }: { readonly min: number; readonly max: number },
): { field: string; message: string } | undefined {
  return min > max
    ? { field: "min", message: `expected at most max, ${max}, got ${min}` }
    : undefined;
}

/** What colour augmentations need. */
export function needsColors({ featureColumns }: Scene): string | undefined {
  return featureColumns.some(({ kind }) => kind === "color") ? undefined : "colour features";
}
