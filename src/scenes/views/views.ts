/**
 * Views of a scene: copies of its coordinates and features that share its tree. docs/model.md,
 * Views.
 */

import { UsageError } from "../../base/errors.ts";
import { augmentationSteps } from "./augmentation.ts";
import type { AugmentationRule } from "./augmentations/rule.ts";
import type { AugmentationList } from "./augmentations/types.ts";
import type { ThinnedTree } from "./drawn_points.ts";
import type { Random } from "../../base/random.ts";
import type { Scene } from "../scene.ts";
import { ChangingView } from "./view_under_way.ts";

/** One view of one scene, points in the scene's own order. */
export interface SceneView {
  /** (N, 3) metres. */
  readonly coords: Float32Array;
  /** (N, C) */
  readonly feats: Float32Array;
}

/** The scene as it is, sharing its arrays: what validation sees. */
export function identityView(scene: Scene): SceneView {
  return { coords: scene.coords, feats: scene.feats };
}

/**
 * A view of `scene` that went through the augmentations of `config` in order, drawn from `random`.
 * The scene itself is left as it is.
 *
 * Coordinates change under rotation, scale, translation, flip and jitter. Feature columns of kind
 * "vector" are taken for surface normals: they rotate and flip with the coordinates, follow an
 * anisotropic scale by its inverse transpose, and keep their length. Columns of kind "color" change
 * under colour augmentations. Any column can be set to zero, and takes another point's values where
 * a point is covered up.
 *
 * With `thinned`, made of the scene's tree, the view has the points that it draws, in the order of
 * that tree's rows. They are drawn behind the last augmentation that hides points, out of those
 * that are still seen.
 *
 * Beside our augmentations, `config` may name rules of a person's own, given as `custom`.
 *
 * Throws UsageError for a config that is not valid or asks for features the scene does not have,
 * DataError for feature columns that do not fit the features.
 */
export function augment(
  scene: Scene,
  config: AugmentationList,
  random: Random,
  thinned: ThinnedTree | null = null,
  custom: readonly AugmentationRule[] = [],
): SceneView {
  const view = new ChangingView(scene);
  const steps = augmentationSteps(config, custom);
  const behind = 1 + steps.findLastIndex(({ rule }) => rule.hidesPoints);
  for (const [at, { rule, augmentation }] of steps.entries()) {
    if (thinned && at === behind) view.draw(thinned, random);
    const lacking = rule.needs?.(scene, augmentation);
    if (lacking !== undefined) throw missingFeatures(scene, `${rule.type} needs ${lacking}`);
    const { p } = augmentation;
    if (!rule.drawsItself && p !== undefined && random.uniform() >= Number(p)) continue;
    rule.apply(view, augmentation, random);
  }
  if (thinned && behind === steps.length) view.draw(thinned, random);
  const { coords, feats } = view;
  return { coords, feats };
}

function missingFeatures(scene: Scene, what: string): UsageError {
  const names = scene.featureColumns.map(({ name }) => name).join(", ") || "none";
  return new UsageError(
    `Cannot augment scene ${scene.id}: ${what}, the scene's features are: ${names}`,
  );
}
