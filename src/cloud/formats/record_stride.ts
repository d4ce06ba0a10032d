/** How many values a record of a raw file has, found out from what its columns look like. */

/**
 * A multiple of every stride looked at, so that runs of values taken anywhere keep their columns.
 */
const PERIOD = 2520;
const RUNS = 2;
/** Unit vectors side by side are no chance. */
const UNIT_BONUS = 1, UNIT_ERROR = 0.02;
/**
 * Share of what tells values apart that the columns of a layout may explain less than the best
 * does.
 */
const TOLERANCE = 0.04;

/**
 * How well columns of `stride` explain the values: 0 for any shuffled values, 1 where columns share
 * nothing.
 */
export interface StrideScore {
  readonly stride: number;
  readonly score: number;
}

/**
 * Scores strides that divide the values. Under the right one (and its multiples) a column holds one
 * kind of number, under others it mixes kinds: compared are the values' order, their size, their
 * sign, and whether they are whole. A layout that makes unit vectors of three columns is the better
 * for it.
 */
export function scoreStrides(values: Float32Array, strides: readonly number[]): StrideScore[] {
  const sample = sampled(values);
  const traits = traitsOf(sample);
  return strides.map((stride) => {
    const shares = traits.map((trait) => explained(trait, stride));
    const mean = shares.reduce((sum, share) => sum + share, 0) / (shares.length || 1);
    return { stride, score: mean + (hasUnitVectors(sample, stride) ? UNIT_BONUS : 0) };
  });
}

/**
 * The strides that may be meant, the likeliest first. More than one where the values do not decide:
 * another explains them as well and is no multiple of the first, or is one and explains them a
 * little better.
 */
export function likelyStrides(scores: readonly StrideScore[], values: number): number[] {
  const best = Math.max(...scores.map(({ score }) => score));
  const ordered = scores.toSorted((a, b) => a.stride - b.stride);
  // Few values explain each other by chance; where no layout explains anything, all are as good.
  const least = best < 2 * TOLERANCE ? TOLERANCE : 0;
  const noise = (stride: number): number => least + Math.sqrt(2 * stride) / values;
  const near = ordered.filter(({ stride, score }) => score >= best - TOLERANCE - noise(stride));
  const [first, ...others] = near;
  const rivals = others.filter(({ stride, score }) =>
    stride % first.stride !== 0
      ? score >= first.score - noise(stride)
      : score > first.score + TOLERANCE / 4 + noise(stride)
  );
  return [first, ...rivals].map(({ stride }) => stride);
}

/** At most 5,040 of the values, in runs that keep every stride's columns. */
export function sampled(values: Float32Array): Float32Array {
  if (values.length <= RUNS * PERIOD) return values;
  const out = new Float32Array(RUNS * PERIOD);
  const periods = Math.floor(values.length / PERIOD);
  for (let run = 0; run < RUNS; run++) {
    const at = Math.floor(run * periods / RUNS) * PERIOD;
    out.set(values.subarray(at, at + PERIOD), run * PERIOD);
  }
  return out;
}

/** What is compared, a number a value; those that are the same for all are left out. */
function traitsOf(values: Float32Array): Float64Array[] {
  const map = (of: (value: number) => number): Float64Array => Float64Array.from(values, of);
  const known = (value: number): number => Number.isNaN(value) ? 0 : value;
  const traits = [
    ranks(map(known)),
    ranks(map((value) => Math.abs(known(value)))),
    map((value) => value < 0 ? 1 : 0),
    map((value) => Number.isInteger(value) ? 1 : 0),
    map((value) => Number.isNaN(value) ? 1 : 0),
  ];
  return traits.filter((trait) => trait.some((value) => value !== trait[0]));
}

function hasUnitVectors(values: Float32Array, stride: number): boolean {
  const rows = Math.floor(values.length / stride);
  // Coordinates on a sphere count where they are all there is.
  const starts = stride === 3
    ? [0]
    : Array.from({ length: Math.max(0, stride - 5) }, (_, k) => k + 3);
  return rows > 3 && starts.some((start) => areUnitVectors(values, stride, start));
}

/** True where columns `start` to `start + 2` are vectors of length 1 (or 0: none) in every row. */
export function areUnitVectors(values: Float32Array, stride: number, start: number): boolean {
  let units = 0, rows = 0;
  for (let at = start; at + 3 <= values.length; at += stride, rows++) {
    const length = Math.hypot(values[at], values[at + 1], values[at + 2]);
    if (Math.abs(length - 1) < UNIT_ERROR) units++;
    else if (length !== 0) return false;
  }
  return 2 * units > rows;
}

/** For each value how many are smaller. */
function ranks(values: Float64Array): Float64Array {
  const sorted = values.toSorted();
  return values.map((value) => {
    let low = 0, high = sorted.length;
    while (low < high) {
      const mid = (low + high) >> 1;
      if (sorted[mid] < value) low = mid + 1;
      else high = mid;
    }
    return low;
  });
}

/** Share of a trait's variance that lies between columns, less what chance gives. */
function explained(trait: Float64Array, stride: number): number {
  const n = trait.length;
  const sums = new Float64Array(stride), counts = new Uint32Array(stride);
  let sum = 0, squares = 0;
  for (let i = 0; i < n; i++) {
    sums[i % stride] += trait[i];
    counts[i % stride]++;
    sum += trait[i];
    squares += trait[i] * trait[i];
  }
  const total = squares - sum * sum / n;
  if (!(total > 0) || n <= stride) return 0;
  let between = -sum * sum / n;
  for (let k = 0; k < stride; k++) if (counts[k] > 0) between += sums[k] * sums[k] / counts[k];
  return 1 - (1 - between / total) * (n - 1) / (n - stride);
}
