/**
 * Features of the points that a model saw, put back on the rows of the file that they came from.
 */

/**
 * One feature a row: that of the point which stands for it; zeros where none does (its coordinates
 * are not finite).
 *
 * @param features (points, width)
 * @param keptIndex (rows) the point for each row, -1 for none: `keptIndex()` of `prepare` and of
 * `SceneEncoder.embed`
 * @returns (rows, width)
 */
export function featuresOfRows(
  features: Float32Array,
  width: number,
  keptIndex: ArrayLike<number>,
): Float32Array {
  const out = new Float32Array(keptIndex.length * width);
  for (let row = 0; row < keptIndex.length; row++) {
    const point = keptIndex[row];
    if (point >= 0) out.set(features.subarray(point * width, (point + 1) * width), row * width);
  }
  return out;
}
