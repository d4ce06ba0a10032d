/** What a campaign is: many trials of one promise, each repeatable by its seed and number. */

import { warn } from "../../src/base/terminal.ts";

/** What a campaign is asked to do. */
export interface Ask {
  /** How many trials. */
  readonly count: number;
  /** Which ones: the same seed makes the same trials. */
  readonly seed: number;
  /** The number of the first trial: with `count: 1`, this one alone is repeated. */
  readonly first: number;
  /** Of the formats campaign, only kinds that contain this. */
  readonly format?: string;
}

/** What came of one trial. */
export interface Result {
  /** In a word or two, for the table: "refused", "loaded the same". */
  readonly came: string;
  /** What should not have been; absent where all is right. */
  readonly wrong?: string;
}

/** What came of a campaign so far. */
export class Tally {
  /** How many trials were made. */
  tried = 0;
  /** How often each thing came of one. */
  readonly came: Map<string, number> = new Map();
  /** What should not have been, with what to repeat it by. */
  readonly failures: string[] = [];
  /** What was not tried, and why. */
  readonly skipped: string[] = [];
  readonly #name: string;
  #told: number = performance.now();

  /** A tally of nothing yet. */
  constructor(name: string) {
    this.#name = name;
  }

  /** Counts what came of a trial. */
  count(came: string, times = 1): void {
    this.came.set(came, (this.came.get(came) ?? 0) + times);
  }

  /** Counts a trial. A long campaign says now and then how far it is. */
  add(trial: number, { came, wrong }: Result): void {
    this.tried++;
    this.count(came);
    if (wrong !== undefined) this.fail(`trial ${trial}: ${wrong}`);
    if (performance.now() - this.#told < TELL_EVERY_MS) return;
    this.#told = performance.now();
    warn(`${this.#name}: ${this.tried} tried, ${this.failures.length} failed`);
  }

  /** Notes what should not have been, and shows it at once. */
  fail(what: string): void {
    this.failures.push(what);
    if (this.failures.length <= MOST_SHOWN) warn(`${this.#name}: FAILED: ${what}`);
  }
}

const TELL_EVERY_MS = 30_000;
/** Failures that are shown; the rest are alike, mostly. */
const MOST_SHOWN = 20;

/** A campaign by name. */
export interface Campaign {
  /** One line for --help. */
  readonly what: string;
  /** Trials where --count does not say. */
  readonly count: number;
  /** Makes the trials and counts them. */
  run(ask: Ask, tally: Tally): Promise<void>;
}

/**
 * An error as a failure tells it: with its stack, where it is none that a person is meant to meet.
 */
export function traced(error: unknown): string {
  return error instanceof Error ? error.stack ?? error.message : String(error);
}
