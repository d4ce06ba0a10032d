/** A batch as the device wants it: all scenes permuted so that every region is one segment. */

/** The regions of one level over the whole batch, depth-first in pre-order, scenes in order. */
export interface BatchLevel {
  /** (R) first row of each region's segment in the permuted batch. */
  readonly start: Uint32Array;
  /** (R) row after the last. */
  readonly end: Uint32Array;
  /** (R) the region's centre as a row of the permuted batch. */
  readonly center: Uint32Array;
  /** (R) index of the parent among the regions of the level above; zeros at level 0. */
  readonly parent: Uint32Array;
  /** (R) first child among the regions of the level below; equal to `childEnd` for a leaf. */
  readonly childStart: Uint32Array;
  /** (R) the one after the last child. */
  readonly childEnd: Uint32Array;
  /** (B + 1) where each scene's regions begin in this level. */
  readonly offsets: Uint32Array;
}

/** One view of the batch, permuted: rows follow `order`. */
export interface BatchView {
  /** (N, 3) */
  readonly coords: Float32Array;
  /** (N, C) */
  readonly feats: Float32Array;
}

/** A batch of B scenes with N points together, in plain typed arrays. */
export interface Batch {
  /** (B) */
  readonly sceneIds: readonly string[];
  /** N */
  readonly pointCount: number;
  /** C */
  readonly featureWidth: number;
  /**
   * (B + 1) where each scene's points begin; a scene keeps its own block of rows under the
   * permutation.
   */
  readonly pointOffsets: Uint32Array;
  /**
   * (N) `order[row]` is the point (scenes one after the other, each in its own order) that stands
   * in `row`.
   */
  readonly order: Uint32Array;
  /** What G2L sees. */
  readonly view1: BatchView;
  /** What L2G sees. */
  readonly view2: BatchView;
  /** One entry per level, from the roots down; none is empty. */
  readonly levels: readonly BatchLevel[];
}
