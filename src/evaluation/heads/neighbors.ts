/** Classes by the nearest training rows: kNN with the cosine of standardised features. */

import type { Device } from "../../gpu/device.ts";
import { matmul, tensor } from "../../tensor/mod.ts";
import { compute, hold } from "./compute.ts";
import { type LabelledTable, rowCount, standardise, standardiserOf, type Table } from "./table.ts";

/** Rows that are compared in one product: bounds memory. */
const WINDOW = 1024;

/**
 * The class of each row of `table` for each number of neighbours in `counts`: the class that most
 * of the k training rows with the largest cosine have. Of classes with as many, the one whose best
 * neighbour is nearer wins; of training rows as near, the earlier. Features are standardised by the
 * training rows. A k beyond the training rows means all of them.
 */
export async function predictNeighbors(
  device: Device,
  train: LabelledTable,
  table: Table,
  classes: number,
  counts: readonly number[],
): Promise<Uint32Array[]> {
  const standardiser = standardiserOf(train);
  const { width } = train;
  const rows = rowCount(table), most = Math.min(Math.max(...counts), rowCount(train));
  const predictions = counts.map(() => new Uint32Array(rows));
  const queries = unitRows(standardise(table, standardiser), width);
  const keys = unitRows(standardise(train, standardiser), width);
  const held = hold(device, keys, [rowCount(train), width]);
  try {
    for (let first = 0; first < rows; first += WINDOW) {
      const count = Math.min(WINDOW, rows - first);
      const own = queries.subarray(first * width, (first + count) * width);
      const [cosines] = await compute(device, () => [
        matmul(tensor(device, own, [count, width]), held, { transposeB: true }),
      ]);
      for (let row = 0; row < count; row++) {
        const nearest = largest(cosines.subarray(row * held.rows, (row + 1) * held.rows), most);
        counts.forEach((k, i) => {
          predictions[i][first + row] = vote(nearest.subarray(0, k), train.labels, classes);
        });
      }
    }
  } finally {
    held.dispose();
  }
  return predictions;
}

function unitRows(values: Float32Array, width: number): Float32Array {
  for (let at = 0; at < values.length; at += width) {
    let square = 0;
    for (let c = 0; c < width; c++) square += values[at + c] ** 2;
    const factor = square > 0 ? 1 / Math.sqrt(square) : 0;
    for (let c = 0; c < width; c++) values[at + c] *= factor;
  }
  return values;
}

/** The places of the `k` largest values, largest first; of equal values the earlier first. */
function largest(values: Float32Array, k: number): Uint32Array {
  const places = new Uint32Array(k);
  let held = 0;
  for (let i = 0; i < values.length; i++) {
    if (held === k && values[i] <= values[places[k - 1]]) continue;
    let at = held < k ? held++ : k - 1;
    while (at > 0 && values[places[at - 1]] < values[i]) {
      places[at] = places[at - 1];
      at--;
    }
    places[at] = i;
  }
  return places;
}

/** The most frequent class; of several, the one that comes first in `nearest`. */
function vote(nearest: Uint32Array, labels: Uint32Array, classes: number): number {
  const votes = new Uint32Array(classes);
  for (const row of nearest) votes[labels[row]]++;
  const most = Math.max(...votes);
  return labels[nearest.find((row) => votes[labels[row]] === most)!];
}
