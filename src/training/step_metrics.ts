/** The scalars of training steps: kept on the device, read several steps at a time. */

import type { Losses } from "../model/objectives/objective.ts";
import type { Device } from "../gpu/device.ts";
import { empty, type Tensor } from "../tensor/mod.ts";

/** What is logged of a step. */
export interface StepMetrics {
  /** Steps completed before this one, over the whole run. */
  readonly step: number;
  /** The total loss. */
  readonly loss: number;
  /**
   * What the objective says of it, by name: of the contrast `region`, `point` and, for each level,
   * `region_level_0` …
   */
  readonly scalars: Readonly<Record<string, number>>;
  /** Mean cosine of the two branches' point features. */
  readonly alignment: number;
  /** Unbiased standard deviation over all entries of G2L's point features; near 0: collapse. */
  readonly featStd: number;
  /** Mean norm of G2L's point features. */
  readonly featNorm: number;
  /**
   * Whether every gradient of this step was a finite number; true where there is none, in
   * validation.
   */
  readonly gradientIsFinite: boolean;
}

/** Steps whose metrics can wait to be read. */
export const RING_STEPS = 64;
/** Scalars of an objective that are kept, at most. */
const SCALARS = 59;
/**
 * total, alignment, feat_std, feat_norm, whether a gradient is not finite, scalars: 256 bytes a
 * step.
 */
const ROW = 5 + SCALARS;

/**
 * Metrics of steps that were submitted and not yet read. A waiting read stops the event loop: read
 * seldom.
 */
export class MetricsRing implements Disposable {
  readonly #ring: Tensor;
  readonly #waiting: { step: number; names: string[]; judged: boolean }[] = [];

  constructor(device: Device) {
    this.#ring = empty(device, [RING_STEPS, ROW]).own();
  }

  /** Steps recorded and not read. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /**
   * Record a step's metrics behind its own commands. Scalars past 59 are not logged.
   * @param notFinite a word that is not 0 where a gradient was not finite; null: there are no
   * gradients
   */
  push(step: number, losses: Losses, features: Tensor, notFinite: Tensor | null): void {
    if (this.#waiting.length === RING_STEPS) throw new Error("The metrics ring is full");
    const row = this.#waiting.length * ROW * 4;
    const scalars = Object.entries(losses.scalars).slice(0, SCALARS);
    const { device, slice: { buffer } } = this.#ring;
    const place = (source: Tensor, column: number) =>
      device.copy(source.slice, { buffer, offset: row + column * 4, size: source.size * 4 });
    [losses.total, features].forEach(place);
    if (notFinite) place(notFinite, 4);
    scalars.forEach(([, scalar], s) => place(scalar, 5 + s));
    const names = scalars.map(([name]) => name);
    this.#waiting.push({ step, names, judged: notFinite !== null });
  }

  /** Wait for the device and take all that was recorded. */
  async read(): Promise<StepMetrics[]> {
    if (this.#waiting.length === 0) return [];
    const taken = this.#waiting.splice(0);
    const { device, slice: { buffer } } = this.#ring;
    const bytes = await device.read({ buffer, offset: 0, size: taken.length * ROW * 4 });
    const values = new Float32Array(bytes), words = new Uint32Array(bytes);
    return taken.map(({ step, names, judged }, i) => {
      const [loss, alignment, featStd, featNorm, , ...own] = values.subarray(
        i * ROW,
        (i + 1) * ROW,
      );
      const scalars = Object.fromEntries(names.map((name, s) => [name, own[s]]));
      const gradientIsFinite = !judged || words[i * ROW + 4] === 0;
      return { step, loss, scalars, alignment, featStd, featNorm, gradientIsFinite };
    });
  }

  /** Free the memory. */
  [Symbol.dispose](): void {
    this.#ring.dispose();
  }
}
