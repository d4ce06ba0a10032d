/** Fewer points of a long curve, none of them made up. */

/**
 * The entries of a curve that are worth drawing: first, last, and of each of `limit / 2` equal
 * stretches the lowest and the highest, so that no peak is lost. Values that are null count for
 * nothing, but a stretch of nothing else keeps its first.
 *
 * @returns Ascending indices into `values`, all of them if there are no more than `limit` (at least
 * 4).
 */
export function thin(values: readonly (number | null)[], limit: number): number[] {
  const count = values.length;
  if (count <= limit) return values.map((_, i) => i);
  const kept = new Set([0, count - 1]);
  const stretches = Math.max(1, Math.floor((limit - 2) / 2));
  for (let s = 0; s < stretches; s++) {
    const from = Math.floor(s * count / stretches);
    const to = Math.floor((s + 1) * count / stretches);
    let low = from, high = from;
    for (let i = from; i < to; i++) {
      const value = values[i];
      if (value === null) continue;
      if (values[low] === null || value < values[low]!) low = i;
      if (values[high] === null || value > values[high]!) high = i;
    }
    kept.add(low).add(high);
  }
  return [...kept].sort((a, b) => a - b);
}
