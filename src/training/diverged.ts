/** Whether training still makes numbers. */

import { DataError } from "../base/errors.ts";
import type { ValidationMetrics } from "./reports.ts";
import type { StepMetrics } from "./step_metrics.ts";

/** Training left the numbers that f32 holds. What came of it is not saved. */
export class DivergedError extends DataError {
  /** An error that says what is no number any more. */
  constructor(what: string, where: string) {
    super(
      `Training diverged: ${what}. No checkpoint was written after it. ` +
        `Try a lower learning_rate or a higher temperature${where}.`,
    );
  }
}

/** The first step whose loss or gradient is not finite, and the error that says so. */
export interface Divergence {
  readonly step: number;
  readonly error: DivergedError;
}

/** The first step whose loss or gradient is not finite; null: there is none. */
export function firstDiverged(all: readonly StepMetrics[]): Divergence | null {
  const bad = all.find(({ loss, gradientIsFinite }) => !Number.isFinite(loss) || !gradientIsFinite);
  if (!bad) return null;
  const { step, loss } = bad;
  const what = Number.isFinite(loss)
    ? `a gradient of step ${step + 1} is NaN, infinite or too large to square (its loss is ${loss})`
    : `the loss of step ${step + 1} is ${loss}`;
  return { step, error: new DivergedError(what, ", and look at the scenes of that step") };
}

/** Throws where the validation after so many epochs gave no number. */
export function requireFinite(validation: ValidationMetrics | null, epochs: number): void {
  if (validation && !Number.isFinite(validation.loss)) {
    throw new DivergedError(`the validation loss after epoch ${epochs} is ${validation.loss}`, "");
  }
}
