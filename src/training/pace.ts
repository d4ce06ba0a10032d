/** How fast training goes, and how many steps to queue before their numbers are read. */

/** Seconds between reads, about: a read stops the device for some 10 ms. */
export const READ_EVERY = 1;

/** Measures points per second between reads, and spaces the reads. */
export class Pace {
  readonly #most: number;
  #points = 0;
  #since = performance.now();
  #queue = 1;

  /** Starts the clock. At most `most` steps are queued. */
  constructor(most: number) {
    this.#most = most;
  }

  /** A step on so many points was submitted. */
  submitted(points: number): void {
    this.#points += points;
  }

  /** Whether it is time to read, with so many steps waiting. */
  due(waiting: number): boolean {
    return waiting >= this.#queue;
  }

  /** So many steps were read. Returns points per second since the last time. */
  read(steps: number): number {
    const seconds = Math.max(performance.now() - this.#since, 1e-3) / 1000;
    this.#queue = Math.min(this.#most, Math.max(1, Math.floor(READ_EVERY * steps / seconds)));
    const rate = this.#points / seconds;
    this.restart();
    return rate;
  }

  /** Leaves out what has passed since the last read (validation, checkpoints). */
  restart(): void {
    this.#points = 0;
    this.#since = performance.now();
  }
}
