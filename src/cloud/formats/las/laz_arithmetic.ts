/**
 * The entropy coder of LAZ: an adaptive arithmetic decoder, its models, and integers decoded as a
 * prediction and a correction. After A. Said, "Introduction to Arithmetic Coding Theory and
 * Practice" (HPL-2004-76), with LASzip's parameters.
 */

const MAX_LENGTH = 0xffffffff;
const MIN_LENGTH = 0x01000000;
const SYMBOL_SHIFT = 15;
const MAX_SYMBOL_COUNT = 1 << SYMBOL_SHIFT;
const BIT_SHIFT = 13;
const MAX_BIT_COUNT = 1 << BIT_SHIFT;
const HIGH_BITS = 8;

/**
 * Thrown where coded data ends too early or cannot be: `laz.ts` makes the error for people of it.
 */
export class LazDataError extends Error {
  /** @param byte Position in the bytes that were decoded. */
  constructor(message: string, readonly byte: number) {
    super(message);
  }
}

/** Adaptive probabilities of the symbols 0 to n − 1. */
export interface SymbolModel {
  readonly symbols: number;
  readonly distribution: Uint32Array;
  readonly counts: Uint32Array;
  /** First guesses by the top bits of the coded value; empty for small alphabets. */
  readonly table: Uint32Array;
  readonly tableShift: number;
  total: number;
  cycle: number;
  untilUpdate: number;
}

/** Equal probabilities to begin with. */
export function symbolModel(symbols: number): SymbolModel {
  let tableBits = 0;
  if (symbols > 16) {
    tableBits = 3;
    while (symbols > 1 << (tableBits + 2)) tableBits++;
  }
  const model: SymbolModel = {
    symbols,
    distribution: new Uint32Array(symbols),
    counts: new Uint32Array(symbols).fill(1),
    table: new Uint32Array(tableBits === 0 ? 0 : (1 << tableBits) + 2),
    tableShift: SYMBOL_SHIFT - tableBits,
    total: 0,
    cycle: symbols,
    untilUpdate: 0,
  };
  updateSymbols(model);
  model.untilUpdate = model.cycle = (symbols + 6) >> 1;
  return model;
}

function updateSymbols(model: SymbolModel): void {
  const { symbols, distribution, counts, table, tableShift } = model;
  model.total += model.cycle;
  if (model.total > MAX_SYMBOL_COUNT) {
    model.total = 0;
    for (let k = 0; k < symbols; k++) {
      counts[k] = (counts[k] + 1) >> 1;
      model.total += counts[k];
    }
  }
  const scale = Math.floor(0x80000000 / model.total);
  let sum = 0;
  let filled = 0;
  for (let k = 0; k < symbols; k++) {
    distribution[k] = (scale * sum) >>> (31 - SYMBOL_SHIFT);
    sum += counts[k];
    if (table.length > 0) {
      const slot = distribution[k] >>> tableShift;
      while (filled < slot) table[++filled] = k - 1;
    }
  }
  if (table.length > 0) {
    table[0] = 0;
    while (filled < table.length - 1) table[++filled] = symbols - 1;
  }
  model.cycle = Math.min((5 * model.cycle) >> 2, (symbols + 6) << 3);
  model.untilUpdate = model.cycle;
}

/** The adaptive probability of a bit being 0. */
export interface BitModel {
  zeroCount: number;
  count: number;
  zeroProbability: number;
  cycle: number;
  untilUpdate: number;
}

/** Equal probabilities to begin with. */
export function bitModel(): BitModel {
  return {
    zeroCount: 1,
    count: 2,
    zeroProbability: 1 << (BIT_SHIFT - 1),
    cycle: 4,
    untilUpdate: 4,
  };
}

function updateBit(model: BitModel): void {
  model.count += model.cycle;
  if (model.count > MAX_BIT_COUNT) {
    model.count = (model.count + 1) >> 1;
    model.zeroCount = (model.zeroCount + 1) >> 1;
    if (model.zeroCount === model.count) model.count++;
  }
  const scale = Math.floor(0x80000000 / model.count);
  model.zeroProbability = (model.zeroCount * scale) >>> (31 - BIT_SHIFT);
  model.cycle = Math.min((5 * model.cycle) >> 2, 64);
  model.untilUpdate = model.cycle;
}

/**
 * Decodes symbols out of `bytes` from `start` up to `end`, beyond which it throws a
 * {@link LazDataError}.
 */
export class ArithmeticDecoder {
  #value = 0;
  #length = MAX_LENGTH;
  #at: number;

  constructor(readonly bytes: Uint8Array, start: number, readonly end: number) {
    this.#at = start;
    for (let i = 0; i < 4; i++) this.#value = this.#value * 256 + this.#next();
    this.#check();
  }

  /** One symbol of a model. */
  symbol(model: SymbolModel): number {
    const { distribution, table } = model;
    const length = this.#length >>> SYMBOL_SHIFT;
    const value = Math.floor(this.#value / length);
    let low = 0;
    let high = model.symbols;
    if (table.length > 0) {
      const slot = Math.min(value >>> model.tableShift, table.length - 2);
      low = table[slot];
      high = table[slot + 1] + 1;
    }
    while (high > low + 1) {
      const middle = (low + high) >> 1;
      if (distribution[middle] > value) high = middle;
      else low = middle;
    }
    const base = distribution[low] * length;
    const top = low === model.symbols - 1 ? this.#length : distribution[low + 1] * length;
    this.#take(base, top - base);
    model.counts[low]++;
    if (--model.untilUpdate === 0) updateSymbols(model);
    return low;
  }

  /** One bit of a model. */
  bit(model: BitModel): number {
    const split = model.zeroProbability * (this.#length >>> BIT_SHIFT);
    const one = this.#value >= split;
    if (one) this.#take(split, this.#length - split);
    else {
      this.#take(0, split);
      model.zeroCount++;
    }
    if (--model.untilUpdate === 0) updateBit(model);
    return one ? 1 : 0;
  }

  /** `count` bits (1 to 32) of equal probability. */
  bits(count: number): number {
    if (count > 19) {
      const low = this.bits(16);
      return this.bits(count - 16) * 65536 + low;
    }
    const length = this.#length >>> count;
    const value = Math.floor(this.#value / length);
    this.#take(value * length, length);
    return value;
  }

  /** 32 bits, unsigned. */
  uint32(): number {
    const low = this.bits(16);
    return (this.bits(16) * 65536 + low) >>> 0;
  }

  #take(base: number, length: number): void {
    this.#value -= base;
    this.#length = length;
    this.#check();
    while (this.#length < MIN_LENGTH) {
      this.#value = this.#value * 256 + this.#next();
      this.#length *= 256;
    }
  }

  /** Holds for whatever an encoder wrote; without it a damaged file leads out of the tables. */
  #check(): void {
    if (this.#value >= this.#length) throw new LazDataError("the coded data is damaged", this.#at);
  }

  #next(): number {
    if (this.#at >= this.end) {
      throw new LazDataError("the coded data ends too early", this.#at);
    }
    return this.bytes[this.#at++];
  }
}

/**
 * Integers of a number of bits, decoded as corrections to predictions, in one of several contexts.
 */
export class IntegerDecoder {
  /** How many bits the last correction had: other values take their context from it. */
  k = 0;
  readonly #lengths: SymbolModel[];
  readonly #zero = bitModel();
  readonly #corrections: (SymbolModel | undefined)[];
  readonly #range: number;

  constructor(bits: number, contexts = 1) {
    this.#range = bits < 32 ? 2 ** bits : 0;
    this.#lengths = Array.from({ length: contexts }, () => symbolModel(bits + 1));
    this.#corrections = new Array(bits);
  }

  /** The next value, given what is expected. In [0, 2^bits), or signed where bits is 32. */
  decode(decoder: ArithmeticDecoder, prediction: number, context = 0): number {
    const real = (prediction + this.#correction(decoder, context)) | 0;
    if (this.#range === 0) return real;
    if (real < 0) return real + this.#range;
    return real >= this.#range ? real - this.#range : real;
  }

  #correction(decoder: ArithmeticDecoder, context: number): number {
    const k = this.k = decoder.symbol(this.#lengths[context]);
    if (k === 0) return decoder.bit(this.#zero);
    if (k === 32) return -0x80000000;
    const model = this.#corrections[k - 1] ??= symbolModel(1 << Math.min(k, HIGH_BITS));
    let value = decoder.symbol(model);
    if (k > HIGH_BITS) value = value * 2 ** (k - HIGH_BITS) + decoder.bits(k - HIGH_BITS);
    const half = 2 ** (k - 1);
    return value >= half ? value + 1 : value - (2 * half - 1);
  }
}

/**
 * The median of the last five values, kept in order as they come; LASzip's own, which is not quite
 * exact.
 */
export class StreamingMedian {
  readonly #values = new Int32Array(5);
  #high = true;

  /** The median so far. */
  get value(): number {
    return this.#values[2];
  }

  /** Takes one more value in, and one at the other end out. */
  add(value: number): void {
    const v = this.#values;
    if (this.#high) {
      if (value < v[2]) {
        v[4] = v[3];
        v[3] = v[2];
        if (value < v[0]) {
          v[2] = v[1];
          v[1] = v[0];
          v[0] = value;
        } else if (value < v[1]) {
          v[2] = v[1];
          v[1] = value;
        } else {
          v[2] = value;
        }
      } else {
        if (value < v[3]) {
          v[4] = v[3];
          v[3] = value;
        } else {
          v[4] = value;
        }
        this.#high = false;
      }
    } else if (v[2] < value) {
      v[0] = v[1];
      v[1] = v[2];
      if (v[4] < value) {
        v[2] = v[3];
        v[3] = v[4];
        v[4] = value;
      } else if (v[3] < value) {
        v[2] = v[3];
        v[3] = value;
      } else {
        v[2] = value;
      }
    } else {
      if (v[1] < value) {
        v[0] = v[1];
        v[1] = value;
      } else {
        v[0] = value;
      }
      this.#high = true;
    }
  }
}
