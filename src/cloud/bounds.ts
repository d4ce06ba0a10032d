/** Bounds of a cloud, and of what is left without points far off. */

/**
 * Beyond this many times the spread of the inner half of the points, a point says nothing of the
 * cloud's place.
 */
const FAR = 50;
const SAMPLES = 4095;

/** Smallest and largest x, y and z of those from `least` to `most`. */
export function boundsOf(coords: Float32Array, least: number, most: number): [number, number][] {
  return [0, 1, 2].map((k): [number, number] => {
    let low = Infinity, high = -Infinity;
    for (let i = k; i < coords.length; i += 3) {
      const value = coords[i];
      if (value < low && value >= least) low = value;
      if (value > high && value <= most) high = value;
    }
    return [low, high];
  });
}

/** Bounds along one axis of all points that are not far off. */
export function innerBounds(coords: Float32Array, k: number): [number, number] | undefined {
  const values = sampledPoints(coords).map((i) => coords[3 * i + k]).sort((a, b) => a - b);
  const low = values[values.length >> 2], high = values[(3 * values.length) >> 2];
  const reach = FAR * Math.max(high - low, Number.EPSILON * Math.abs(high));
  const [min, max] = boundsOf(coords, low - reach, high + reach)[k];
  return min <= max ? [min, max] : undefined;
}

/** Numbers of points spread evenly over the cloud. */
export function sampledPoints(coords: Float32Array): number[] {
  const count = coords.length / 3, stride = Math.max(1, Math.floor(count / SAMPLES));
  return Array.from({ length: Math.ceil(count / stride) }, (_, i) => i * stride);
}
