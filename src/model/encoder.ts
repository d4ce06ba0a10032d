/** What an encoder is: from a batch to what both branches say of its regions and points. */

import type { RowIndex, Tensor } from "../tensor/mod.ts";
import type { Mode } from "../nn/batch_norm.ts";
import type { RegionBatch } from "./region_batch.ts";

/** What a branch says of a batch. */
export interface BranchOutput {
  /** For each level (regions, D), regions in the batch's order. */
  readonly regions: readonly Tensor[];
  /**
   * (N, D), rows as in the batch: each leaf's features at its points, zero for a point in no leaf.
   * Values only.
   */
  readonly points: Tensor;
  /** Rows of `points` with their gradient; null: all. */
  sample(rows: RowIndex | null): Tensor;
}

/** Rows that are to be alike, one by one, and unlike all others of the pair: (n, D) both. */
export interface ContrastPair {
  /** Rows whose partner is to be found. */
  readonly query: Tensor;
  /** The partners, in the same order; those of the others are the negatives. */
  readonly key: Tensor;
}

/** What heads do with rows, by the same kernels as the encoder that made them. */
export interface Heads {
  /** Rows of each tensor after the head of that name: (n, width of the head's output). */
  project(head: string, rows: readonly Tensor[]): readonly Tensor[];
  /**
   * InfoNCE of each pair after the head of that name, rows scaled to unit length; see `infoNCE`.
   */
  contrast(head: string, pairs: readonly ContrastPair[], temperature: number): readonly Tensor[];
}

/** Both branches, each on its own view, and what can be made of them. */
export interface EncoderOutput extends Heads {
  /** What was encoded. */
  readonly batch: RegionBatch;
  /** Global to local, on view 1. */
  readonly g2l: BranchOutput;
  /** Local to global, on view 2. */
  readonly l2g: BranchOutput;
}

/** A way of computing both branches. */
export interface Encoder extends Disposable {
  /**
   * Both branches of a batch. The result belongs to the scope that is open.
   * @param mode whether running statistics, where there are any, move or are used
   */
  forward(batch: RegionBatch, mode: Mode): EncoderOutput;
}
