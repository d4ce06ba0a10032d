/** Cosines between quantised features. */

/** The rows' lengths; features are (N, width). */
export function lengthsOf(features: Int8Array, width: number): Float32Array {
  const lengths = new Float32Array(features.length / width);
  for (let i = 0; i < lengths.length; i++) {
    let square = 0;
    for (let k = i * width; k < (i + 1) * width; k++) square += features[k] * features[k];
    lengths[i] = Math.sqrt(square);
  }
  return lengths;
}

/** Each row's cosine with `query` (width); 0 for a row of zeros. */
export function cosines(
  features: Int8Array,
  lengths: Float32Array,
  query: Int8Array,
): Float32Array {
  const width = query.length;
  const queryLength = Math.sqrt(query.reduce((sum, value) => sum + value * value, 0));
  const out = new Float32Array(lengths.length);
  for (let i = 0, at = 0; i < out.length; i++, at += width) {
    let product = 0;
    for (let k = 0; k < width; k++) product += features[at + k] * query[k];
    const scale = lengths[i] * queryLength;
    out[i] = scale > 0 ? Math.min(1, product / scale) : 0;
  }
  return out;
}

/** The value below which `share` of the values lie. */
export function quantile(values: Float32Array, share: number): number {
  const sorted = values.slice().sort();
  return sorted[Math.round(share * (sorted.length - 1))];
}

/**
 * The points most similar to a query, no two of them, nor any and one of `taken`, nearer to each
 * other than `apart`: so that they are other places and not the query's own surroundings.
 *
 * @param positions (N, 3), in the unit of `apart`.
 * @param taken Places that are none of them, such as the query's own.
 */
export function nearestElsewhere(
  similarity: Float32Array,
  positions: ArrayLike<number>,
  taken: readonly (readonly number[])[],
  { apart, count }: { readonly apart: number; readonly count: number },
): number[] {
  const places = [...taken];
  const found: number[] = [];
  const free = new Uint8Array(similarity.length).fill(1);
  const clear = ([x, y, z]: readonly number[]): void => {
    for (let i = 0; i < free.length; i++) {
      const dx = positions[3 * i] - x;
      const dy = positions[3 * i + 1] - y;
      const dz = positions[3 * i + 2] - z;
      if (dx * dx + dy * dy + dz * dz < apart * apart) free[i] = 0;
    }
  };
  places.forEach(clear);
  while (found.length < count) {
    let best = -1;
    for (let i = 0; i < free.length; i++) {
      if (free[i] && (best < 0 || similarity[i] > similarity[best])) best = i;
    }
    if (best < 0) break;
    found.push(best);
    free[best] = 0;
    clear([positions[3 * best], positions[3 * best + 1], positions[3 * best + 2]]);
  }
  return found;
}
