/** Smoothing of curves. */

/**
 * Exponential moving average, freed of its bias towards the start (Kingma and Ba, Adam, section 3).
 * null stays null and does not count.
 *
 * @param weight Of what came before, 0 (none: the values as they are) to below 1.
 */
export function smooth(values: readonly (number | null)[], weight: number): (number | null)[] {
  let average = 0, share = 0;
  return values.map((value) => {
    if (value === null) return null;
    average = weight * average + (1 - weight) * value;
    share = weight * share + (1 - weight);
    return average / share;
  });
}
