/**
 * What training sees: a scene with its region tree, in typed arrays: docs/model.md, Scene and
 * region tree.
 */

/**
 * A region tree on typed arrays. Regions stand in depth-first pre-order (the root is 0), and
 * `order` is a permutation of the scene's points in which every region is one segment: region r
 * holds the points `order[start[r]]`, …, `order[end[r] - 1]`. Within a region come its children's
 * segments in order, then the points that are in no child. Children of a region follow one another
 * within their level.
 */
export interface RegionTree {
  /** (N) permutation of the scene's point indices. */
  readonly order: Uint32Array;
  /** (R) depth of each region; the root's is 0, a child's is its parent's + 1. */
  readonly level: Uint32Array;
  /** (R) index of the parent region; -1 for the root. */
  readonly parent: Int32Array;
  /** (R) first position in `order`. */
  readonly start: Uint32Array;
  /** (R) position in `order` after the last. */
  readonly end: Uint32Array;
  /** (R) the region's centre as a point index of the scene (not a position in `order`). */
  readonly center: Uint32Array;
}

/** How a feature column behaves under a change of view. */
export type FeatureKind = "vector" | "color" | "scalar";

/** A named group of feature columns, e.g. `{ name: "normals", width: 3, kind: "vector" }`. */
export interface FeatureColumn {
  /** E.g. `normals`, `colors`, `intensity`. */
  readonly name: string;
  /** Values per point. */
  readonly width: number;
  /** What a change of view does to it. */
  readonly kind: FeatureKind;
}

/** One scene: N points, C feature channels, a tree, and labels that only probes read. */
export interface Scene {
  /** Names the scene in messages and results. */
  readonly id: string;
  /** (N, 3) metres. */
  readonly coords: Float32Array;
  /** (N, C), the columns of `featureColumns` side by side. */
  readonly feats: Float32Array;
  /** What the feature channels are, in order. */
  readonly featureColumns: readonly FeatureColumn[];
  /** The region tree over all N points. */
  readonly tree: RegionTree;
  /** (N) class of each point; probes only, never training. */
  readonly pointLabels?: Int32Array;
  /** Class of the scene; probes only, never training. */
  readonly sceneLabel?: number;
}

/** Anything that gives scenes by number: synthetic ones, prepared files, a user's own. */
export interface Dataset {
  /** How many scenes there are. */
  readonly length: number;
  /** Scene `index` in [0, length). The same index always gives the same scene. */
  get(index: number): Promise<Scene>;
}
