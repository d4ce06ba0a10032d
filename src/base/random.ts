/**
 * Counter-based randomness: a stream is named by what it is for, not by what was drawn before it,
 * so that a resumed run, another number of workers or another order of loading draws the same
 * numbers.
 *
 * The generator is Threefry-2x32 with 20 rounds (Salmon, Moraes, Dror, Shaw: "Parallel random
 * numbers: as easy as 1, 2, 3", SC 2011; the one JAX uses): additions, rotations and exclusive-ors
 * of 32-bit words, no tables. Real numbers are made with + − × ÷ and the square root alone, which
 * IEEE 754 fixes to the bit; the logarithm is computed here because `Math.log` may differ between
 * engines.
 */

import { UsageError } from "./errors.ts";

/** What a stream is named by, after the seed: purposes and counters. */
export type RandomKey = string | number;

/** An array that `Random.shuffle` can permute. */
export interface Shuffleable {
  /** How many elements there are. */
  readonly length: number;
  /** The elements, from 0. */
  [index: number]: unknown;
}

const TWO_32 = 4294967296;
/**
 * Bits that keep numbers, string lengths and characters apart, so that no two keys absorb alike.
 */
const TAG_LOW = 1, TAG_HIGH = 2, TAG_LENGTH = 3, TAG_TEXT = 4;

/** A stream of random numbers made from a seed and a list of counters and purposes. */
export class Random {
  #key0 = 0;
  #key1 = 0;
  #counterLow = 0;
  #counterHigh = 0;
  #word0 = 0;
  #word1 = 0;
  #hasWord1 = false;
  #spareNormal = NaN;

  /**
   * The stream for `seed` and `keys`, e.g. `new Random(seed, "views", epoch, step, scene, branch)`.
   * Numbers are safe integers (|n| < 2^53), strings any text; order and type matter: `1` and `"1"`
   * differ. Throws UsageError for any other number.
   */
  constructor(seed: number, ...keys: RandomKey[]) {
    this.#absorbNumber(seed);
    for (const key of keys) {
      if (typeof key === "number") this.#absorbNumber(key);
      else this.#absorbText(key);
    }
  }

  #absorbNumber(value: number): void {
    if (!Number.isSafeInteger(value)) {
      throw new UsageError(
        `Cannot seed randomness: expected an integer between -(2^53 - 1) and 2^53 - 1, got ${value}`,
      );
    }
    this.#absorb(value >>> 0, TAG_LOW);
    this.#absorb(Math.floor(value / TWO_32) >>> 0, TAG_HIGH);
  }

  #absorbText(text: string): void {
    this.#absorb(text.length, TAG_LENGTH);
    for (let i = 0; i < text.length; i++) this.#absorb(text.charCodeAt(i), TAG_TEXT);
  }

  /** The key so far enciphers the next word and becomes the result: a hash chain over the list. */
  #absorb(word: number, tag: number): void {
    this.#threefry(word, tag);
    this.#key0 = this.#word0;
    this.#key1 = this.#word1;
  }

  /** Threefry-2x32-20 of (x0, x1) under the key, left in #word0 and #word1. */
  #threefry(x0: number, x1: number): void {
    const k0 = this.#key0, k1 = this.#key1, k2 = 0x1bd11bda ^ k0 ^ k1;
    let a = (x0 + k0) | 0, b = (x1 + k1) | 0;
    a = (a + b) | 0, b = ((b << 13) | (b >>> 19)) ^ a;
    a = (a + b) | 0, b = ((b << 15) | (b >>> 17)) ^ a;
    a = (a + b) | 0, b = ((b << 26) | (b >>> 6)) ^ a;
    a = (a + b) | 0, b = ((b << 6) | (b >>> 26)) ^ a;
    a = (a + k1) | 0, b = (b + k2 + 1) | 0;
    a = (a + b) | 0, b = ((b << 17) | (b >>> 15)) ^ a;
    a = (a + b) | 0, b = ((b << 29) | (b >>> 3)) ^ a;
    a = (a + b) | 0, b = ((b << 16) | (b >>> 16)) ^ a;
    a = (a + b) | 0, b = ((b << 24) | (b >>> 8)) ^ a;
    a = (a + k2) | 0, b = (b + k0 + 2) | 0;
    a = (a + b) | 0, b = ((b << 13) | (b >>> 19)) ^ a;
    a = (a + b) | 0, b = ((b << 15) | (b >>> 17)) ^ a;
    a = (a + b) | 0, b = ((b << 26) | (b >>> 6)) ^ a;
    a = (a + b) | 0, b = ((b << 6) | (b >>> 26)) ^ a;
    a = (a + k0) | 0, b = (b + k1 + 3) | 0;
    a = (a + b) | 0, b = ((b << 17) | (b >>> 15)) ^ a;
    a = (a + b) | 0, b = ((b << 29) | (b >>> 3)) ^ a;
    a = (a + b) | 0, b = ((b << 16) | (b >>> 16)) ^ a;
    a = (a + b) | 0, b = ((b << 24) | (b >>> 8)) ^ a;
    a = (a + k1) | 0, b = (b + k2 + 4) | 0;
    a = (a + b) | 0, b = ((b << 13) | (b >>> 19)) ^ a;
    a = (a + b) | 0, b = ((b << 15) | (b >>> 17)) ^ a;
    a = (a + b) | 0, b = ((b << 26) | (b >>> 6)) ^ a;
    a = (a + b) | 0, b = ((b << 6) | (b >>> 26)) ^ a;
    this.#word0 = (a + k2) >>> 0;
    this.#word1 = (b + k0 + 5) >>> 0;
  }

  /** The next 32 random bits as an integer in [0, 2^32). */
  uint32(): number {
    if (this.#hasWord1) {
      this.#hasWord1 = false;
      return this.#word1;
    }
    this.#threefry(this.#counterLow, this.#counterHigh);
    this.#hasWord1 = true;
    this.#counterLow = (this.#counterLow + 1) >>> 0;
    if (this.#counterLow === 0) this.#counterHigh++;
    return this.#word0;
  }

  /** A real number in [lo, hi), all 53 bits of the unit interval random; [0, 1) when not told. */
  uniform(lo = 0, hi = 1): number {
    const high = this.uint32() >>> 5, low = this.uint32() >>> 6;
    const value = lo + (hi - lo) * ((high * 67108864 + low) / 9007199254740992);
    return value < hi ? value : lo; // rounding may reach hi
  }

  /** A standard normal number (Marsaglia's polar method). */
  normal(): number {
    const spare = this.#spareNormal;
    if (spare === spare) {
      this.#spareNormal = NaN;
      return spare;
    }
    while (true) {
      const x = 2 * this.uniform() - 1, y = 2 * this.uniform() - 1;
      const square = x * x + y * y;
      if (square >= 1 || square === 0) continue;
      const scale = Math.sqrt(-2 * naturalLog(square) / square);
      this.#spareNormal = y * scale;
      return x * scale;
    }
  }

  /**
   * An integer in [0, n), every one equally likely; 1 <= n <= 2^32. Throws UsageError otherwise.
   */
  int(n: number): number {
    if (!Number.isInteger(n) || n < 1 || n > TWO_32) {
      throw new UsageError(`Cannot draw an integer: expected a range of 1 to 2^32, got ${n}`);
    }
    // Drawing again above it keeps the remainders equally likely.
    const limit = TWO_32 - (TWO_32 % n);
    let word = this.uint32();
    while (word >= limit) word = this.uint32();
    return word % n;
  }

  /** Puts `array` into random order in place (Fisher–Yates) and returns it. */
  shuffle<A extends Shuffleable>(array: A): A {
    for (let i = array.length - 1; i > 0; i--) {
      const j = this.int(i + 1);
      const kept = array[i];
      array[i] = array[j];
      array[j] = kept;
    }
    return array;
  }

  /**
   * `k` different integers of [0, n), every subset equally likely, in ascending order; all n of
   * them when k >= n. Time and memory grow with k alone (Floyd's algorithm: Bentley, CACM 30(9),
   * 1987), so that sampling 4,096 of ten million points allocates nothing of the points' size.
   */
  sampleWithoutReplacement(n: number, k: number): Uint32Array {
    if (k >= n) return Uint32Array.from({ length: n }, (_, i) => i);
    const chosen = new Set<number>();
    for (let last = n - k; last < n; last++) {
      const candidate = this.int(last + 1);
      chosen.add(chosen.has(candidate) ? last : candidate);
    }
    return Uint32Array.from(chosen).sort();
  }

  /**
   * Fills `out` with numbers in [lo, hi], 24 random bits each (as many as a float32 holds), and
   * returns it.
   */
  fillUniform(out: Float32Array, lo = 0, hi = 1): Float32Array {
    const step = (hi - lo) / 16777216;
    for (let i = 0; i < out.length; i++) out[i] = lo + step * (this.uint32() >>> 8);
    return out;
  }

  /** Fills `out` with normal numbers of the given mean and standard deviation, and returns it. */
  fillNormal(out: Float32Array, mean = 0, deviation = 1): Float32Array {
    for (let i = 0; i < out.length; i++) out[i] = mean + deviation * this.normal();
    return out;
  }
}

/**
 * ln(x) for 0 < x < 1, good to about 2e-16: x = m 2^-k with m near 1, ln m = 2 artanh((m − 1)/(m +
 * 1)).
 */
function naturalLog(x: number): number {
  let mantissa = x, halvings = 0;
  while (mantissa < Math.SQRT1_2) mantissa *= 2, halvings++;
  const z = (mantissa - 1) / (mantissa + 1), zz = z * z;
  let series = 0;
  for (let odd = 23; odd >= 1; odd -= 2) series = series * zz + 1 / odd;
  return 2 * z * series - halvings * Math.LN2;
}
