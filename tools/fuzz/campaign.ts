/** What a campaign is: many tries of one kind, counted by what came of them. */

/** How large a campaign is, and which random numbers it takes. */
export interface CampaignOptions {
  /** Tries. */
  readonly count: number;
  /** The same seed gives the same tries. */
  readonly seed: number;
}

/** Failures that are kept in words. */
const KEPT = 20;

/** Counts what became of tries. */
export class Tally {
  /** Tries so far. */
  tried = 0;
  /** Of these, how many failed. */
  failed = 0;
  /** How often each thing happened, in the order in which they first did. */
  readonly outcomes = new Map<string, number>();
  /** The first failures: what was tried, and what was wrong. */
  readonly failures: string[] = [];

  /** A try came out as it should. */
  count(outcome: string): void {
    this.tried++;
    this.outcomes.set(outcome, (this.outcomes.get(outcome) ?? 0) + 1);
  }

  /** A try showed a fault. */
  fail(what: string): void {
    this.tried++;
    this.failed++;
    if (this.failures.length < KEPT) this.failures.push(what);
  }
}

/** Many tries of one kind. */
export interface Campaign {
  /** What is tried, in a few words. */
  readonly about: string;
  /** Tries where no number is given. */
  readonly usual: number;
  /** Tries, and counts what comes of it. */
  run(options: CampaignOptions, tally: Tally): Promise<void>;
}

/** The first line of what was thrown. */
export function firstLine(error: unknown): string {
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return text.split("\n", 1)[0].slice(0, 300);
}
