/** Views of a scene: copies of its coordinates and features that share its tree. SPEC §5. */

import type { Scene } from "./scene.ts";

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
