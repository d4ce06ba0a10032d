/** What an encoder says of a batch. */

import type { RowIndex, Tensor } from "../tensor/mod.ts";

/** What a branch says of a batch. */
export interface BranchOutput {
  /** For each level (regions, D), regions in SPEC's order. */
  readonly regions: readonly Tensor[];
  /** (N, D), rows as in the batch: each leaf's features at its points, zero for a point in no leaf. Values only. */
  readonly points: Tensor;
  /** Rows of `points` with their gradient; null: all. */
  sample(rows: RowIndex | null): Tensor;
}

/** Both branches, each on its own view. */
export interface EncoderOutput {
  /** Global to local, on view 1. */
  readonly g2l: BranchOutput;
  /** Local to global, on view 2. */
  readonly l2g: BranchOutput;
}
