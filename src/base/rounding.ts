/** What is said of points that float32 cannot hold to the millimetre. */

const MOST_NAMED = 5;

/**
 * A note of points that are rounded by more than a millimetre.
 * @param points Their numbers from 0. @param worst The largest rounding, in the coordinates' unit.
 */
export function roundedNote(points: readonly number[], worst: number): string {
  const named = points.slice(0, MOST_NAMED).map((point) => point + 1).join(", ");
  const more = points.length > MOST_NAMED ? ", …" : "";
  const by = Number.isFinite(worst) ? `up to ${Number(worst.toPrecision(2))}` : "beyond any number";
  return points.length === 1
    ? `point ${named} lies so far from the others that float32 rounds it by more than 0.001 (${by})`
    : `${points.length} points lie so far from the others that float32 rounds them by more than 0.001 (${by}): ` +
      `points ${named}${more}, counted from 1`;
}
