/** What heads do with rows, on the fused path: all rows of a head in one go. */

import { columns, concat, normalize, type Tensor, zeros } from "../../tensor/mod.ts";
import type { ContrastPair, Heads } from "../encoder.ts";
import { fusedInfoNCE } from "./contrast/info_nce.ts";
import { SMALL_SET, smallContrasts } from "./contrast/small_contrast.ts";
import { type DenseRows, denseRows, parted } from "./loops/dense_rows.ts";
import type { VariantPolicy } from "./plan/variants.ts";
import type { ProgramRun } from "./weights/fused_step.ts";

/** A tensor with its columns filled up to whole blocks of four. */
export function fillBlocks(x: Tensor): Tensor {
  const missing = -x.cols & 3;
  return missing === 0 ? x : concat([x, zeros(x.device, [x.rows, missing])]);
}

/** A tensor without the columns that fill up the last block. */
export function trimBlocks(x: Tensor, width: number): Tensor {
  return x.cols === width ? x : columns(x, 0, width);
}

/** The heads of a step. */
export function fusedHeads(
  runs: Readonly<Record<string, ProgramRun>>,
  variants: VariantPolicy,
): Heads {
  const project = (head: string, rows: readonly Tensor[]): DenseRows => {
    const run = runs[head];
    if (!run) {
      const known = Object.keys(runs).join(", ") || "none";
      throw new TypeError(`There is no head ${head}; the objective has ${known}.`);
    }
    return denseRows(run, rows.map(fillBlocks), variants);
  };
  return {
    project(head, rows) {
      const made = parted(project(head, rows));
      const width = runs[head].program.layers.at(-1)!.outs;
      return made.map((x) => trimBlocks(x, width));
    },
    contrast(head, pairs, temperature) {
      // Queries, then keys.
      const rows = [...pairs.map(({ query }) => query), ...pairs.map(({ key }) => key)];
      return contrastPairs(project(head, rows), pairs, temperature);
    },
  };
}

/** InfoNCE of pairs from their rows after the head. Those of few rows share a dispatch. */
function contrastPairs(
  { values, places }: DenseRows,
  pairs: readonly ContrastPair[],
  temperature: number,
): Tensor[] {
  const count = pairs.length;
  const losses: Tensor[] = [];
  const small = [...pairs.keys()].filter((p) => places[p].rows <= SMALL_SET);
  const sets = small.map((p) => ({
    query: places[p].first,
    key: places[count + p].first,
    size: places[p].rows,
  }));
  smallContrasts(values, sets, temperature).forEach((loss, k) => losses[small[k]] = loss);
  if (small.length === count) return losses;
  const parts = parted({ values: normalize(values), places });
  for (let p = 0; p < count; p++) {
    losses[p] ??= fusedInfoNCE(parts[p], parts[count + p], temperature);
  }
  return losses;
}
