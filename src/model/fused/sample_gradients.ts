/** Gradients of points that were drawn for the point loss, in a backward pass. */

import { add, gatherRows, NO_ROW, rowIndex, type Tensor, tensor } from "../../tensor/mod.ts";

/** Points that were drawn once, each once. */
export interface SampledPoints {
  /** Points, as drawn. */
  readonly drawn: Uint32Array;
  /** The same on the device. */
  readonly points: Tensor;
  /** (N) which draw each point is; none for the others. */
  readonly drawOfPoint: Tensor;
}

/**
 * Points whose features have gradient in a backward pass, and that gradient, (draws, 4 · blocks).
 */
export interface SampledGradient extends SampledPoints {
  readonly gradient: Tensor;
}

/**
 * A draw from the rows of `points`, (N, 4 · blocks).
 * @param onDevice `drawn` if it lies there already
 */
export function sampleOf(
  { device, rows }: Tensor,
  drawn: Uint32Array,
  onDevice: Tensor | null,
): SampledPoints {
  const drawOfPoint = new Uint32Array(rows).fill(NO_ROW);
  drawn.forEach((point, draw) => drawOfPoint[point] = draw);
  return {
    drawn,
    points: onDevice ?? tensor(device, drawn),
    drawOfPoint: tensor(device, drawOfPoint),
  };
}

/** What a branch's draws have of gradient. */
export class SampleGradients {
  readonly #bySample = new Map<SampledPoints, Tensor>();
  #joined: SampledGradient | null = null;

  /** Adds the gradient of a draw's features, (draws, 4 · blocks). */
  add(sample: SampledPoints, gradient: Tensor): void {
    this.#bySample.set(sample, gradient);
  }

  /**
   * The gradient of all points that were drawn; null: none has any. To be asked when all have been
   * added.
   * @param points (N, 4 · blocks), which they were drawn from
   * @param samples in the order in which they were drawn
   */
  joined(points: Tensor, samples: readonly SampledPoints[]): SampledGradient | null {
    const all = samples.filter((sample) => this.#bySample.has(sample));
    if (all.length === 0) return null;
    return this.#joined ??= all.length === 1
      ? { ...all[0], gradient: this.#bySample.get(all[0])! }
      : this.#join(points, all);
  }

  /** Several draws as one of all their points, with the sums of their gradients. */
  #join(points: Tensor, all: readonly SampledPoints[]): SampledGradient {
    const { device, rows } = points;
    const marked = new Uint8Array(rows);
    for (const { drawn } of all) for (const point of drawn) marked[point] = 1;
    const drawn = Uint32Array.from(marked.keys()).filter((point) => marked[point] === 1);
    const sums = all.map((sample) => {
      const drawOf = new Uint32Array(rows).fill(NO_ROW);
      sample.drawn.forEach((point, draw) => drawOf[point] = draw);
      const index = drawn.map((point) => drawOf[point]);
      return gatherRows(this.#bySample.get(sample)!, rowIndex(device, index, sample.drawn.length));
    });
    return { ...sampleOf(points, drawn, null), gradient: sums.reduce((a, b) => add(a, b)) };
  }
}
