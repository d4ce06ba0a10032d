/** What a configuration says of augmentations: plain data that a YAML file can hold. */

/** A coordinate axis; z points up. */
export type Axis = "x" | "y" | "z";

/**
 * One augmentation. `p` is the probability that it is applied to a view, drawn anew for each view;
 * coordinates turn, grow and flip about the origin. A field left out takes the default named here.
 *
 * - `rotate` about `axis` (z; any: a random direction) by an angle uniform in ±`degrees` (180); p
 *   0.95.
 * - `scale` by a factor uniform in [`min`, `max`] (0.9, 1.1), one for all axes or, when
 *   `anisotropic` (false), one for each; p 0.95.
 * - `translate` by an offset uniform in ±`range` metres (0.2), one number for all axes or three; p
 *   0.95.
 * - `jitter` each coordinate of each point by normal noise of deviation `sigma` metres (0.005), cut
 *   off at ±`clip` (0.02); p 0.95.
 * - `flip`: mirrors each of `axes` (x and y) with probability p (0.5), independently.
 * - `color_jitter`: adds normal noise of deviation `sigma` (0.05) to each colour value and keeps it
 *   in [0, 1]; p 0.95.
 * - `auto_contrast`: stretches each colour channel to [0, 1] and blends that with the original by
 *   `blend` (0: original, 1: stretched; null, the default: uniform at random); p 0.2.
 *
 * Two views share one tree, so every point exists in both and no augmentation changes indices. A
 * point that a view shall not see is therefore covered up: it takes the coordinates and features of
 * a random point that the view does see, out of the smallest region around it that holds one. A
 * draw that would leave no point to see changes nothing.
 *
 * - `drop`: covers each point up with chance `ratio` (0.5), so that two views sample a surface
 *   differently; p 0.95.
 * - `drop_regions`: covers whole regions of `level` (2) up, each with chance `ratio` (0.2); p 0.95.
 * - `crop`: covers up what lies beyond a plane of random direction that leaves a share of the
 *   points uniform in [`min`, `max`] (0.6, 1); p 0.95.
 * - `jitter_normals`: adds normal noise of deviation `sigma` (0.1) to each coordinate of vector
 *   features, which keep their length; p 0.95.
 * - `zero_features`: sets the feature columns `names` (null: all) to zero, so that shape must do
 *   without; p 0.2.
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

/**
 * An augmentation of a person's own making: the name of its rule, and values of the rule's fields.
 */
export interface OwnAugmentation {
  /** The `type` of an `AugmentationRule`. */
  readonly type: string;
  /** Values of its fields. */
  readonly [field: string]: unknown;
}

/** Augmentations in the order in which they are applied. */
export type AugmentationConfig = readonly Augmentation[];

/** As `AugmentationConfig`, with augmentations of a person's own making among them. */
export type AugmentationList = readonly (Augmentation | OwnAugmentation)[];

/** The augmentation of a type with every field given. */
export type Complete<T extends Augmentation["type"]> = Required<Extract<Augmentation, { type: T }>>;
