/**
 * The parts of a LAZ point that are coded alike in the sequential (1, 2) and layered (3, 4)
 * versions.
 */

import { type ArithmeticDecoder, IntegerDecoder, symbolModel } from "./laz_arithmetic.ts";

/** Models made when they are first asked for: most of the 256 are never used. */
export function lazyModels(
  count: number,
  symbols: number,
): (index: number) => ReturnType<typeof symbolModel> {
  const models = new Array<ReturnType<typeof symbolModel> | undefined>(count);
  return (index) => models[index] ??= symbolModel(symbols);
}

const MULTIPLE = 500;
const MULTIPLE_MINUS = -10;
const UNCHANGED = MULTIPLE - MULTIPLE_MINUS + 1;
const FULL = UNCHANGED + 1;

/**
 * GPS times as four interleaved sequences of evenly spaced pulses. A time is a double whose 64 bits
 * are counted with as an integer, here in two halves.
 */
export class GpsTimes {
  readonly #low = new Uint32Array(4);
  readonly #high = new Int32Array(4);
  readonly #steps = new Int32Array(4);
  readonly #extremes = new Int32Array(4);
  #now = 0;
  #next = 0;
  readonly #multiples;
  readonly #firsts;
  readonly #integers = new IntegerDecoder(32, 9);
  readonly #layered: boolean;

  /**
   * @param layered Times that did not change are not coded at all, so their symbols are left out.
   */
  constructor(low: number, high: number, layered: boolean) {
    this.#low[0] = low;
    this.#high[0] = high;
    this.#layered = layered;
    this.#multiples = symbolModel(layered ? FULL + 3 : FULL + 4);
    this.#firsts = symbolModel(layered ? 5 : 6);
  }

  /** Lower and upper half of the current time. */
  get low(): number {
    return this.#low[this.#now];
  }
  get high(): number {
    return this.#high[this.#now];
  }

  /** Goes to the next point's time. */
  decode(decoder: ArithmeticDecoder): void {
    while (this.#steps[this.#now] === 0 ? this.#first(decoder) : this.#step(decoder));
  }

  /** True when the time is of another sequence, to be decoded there. */
  #first(decoder: ArithmeticDecoder): boolean {
    const code = decoder.symbol(this.#firsts) + (this.#layered ? 1 : 0);
    if (code === 1) {
      const step = this.#integers.decode(decoder, 0, 0);
      this.#steps[this.#now] = step;
      this.#extremes[this.#now] = 0;
      this.#add(step);
    } else if (code === 2) this.#begin(decoder);
    else if (code > 2) this.#now = (this.#now + code - 2) & 3;
    return code > 2;
  }

  #step(decoder: ArithmeticDecoder): boolean {
    let code = decoder.symbol(this.#multiples);
    if (this.#layered && code >= UNCHANGED) code++;
    const step = this.#steps[this.#now];
    if (code === 1) {
      this.#add(this.#integers.decode(decoder, step, 1));
      this.#extremes[this.#now] = 0;
    } else if (code < UNCHANGED) {
      const negative = MULTIPLE - code;
      if (code === 0) this.#extreme(this.#integers.decode(decoder, 0, 7));
      else if (code < MULTIPLE) {
        this.#add(this.#integers.decode(decoder, Math.imul(code, step), code < 10 ? 2 : 3));
      } else if (code === MULTIPLE) {
        this.#extreme(this.#integers.decode(decoder, Math.imul(MULTIPLE, step), 4));
      } else if (negative > MULTIPLE_MINUS) {
        this.#add(this.#integers.decode(decoder, Math.imul(negative, step), 5));
      } else {
        this.#extreme(this.#integers.decode(decoder, Math.imul(MULTIPLE_MINUS, step), 6));
      }
    } else if (code === FULL) this.#begin(decoder);
    else if (code > FULL) this.#now = (this.#now + code - FULL) & 3;
    return code > FULL;
  }

  /** A step far from the usual one; after four of them it is the usual one. */
  #extreme(step: number): void {
    this.#add(step);
    if (++this.#extremes[this.#now] > 3) {
      this.#steps[this.#now] = step;
      this.#extremes[this.#now] = 0;
    }
  }

  /** A new sequence, in place of the oldest. */
  #begin(decoder: ArithmeticDecoder): void {
    const high = this.#integers.decode(decoder, this.#high[this.#now], 8);
    this.#now = this.#next = (this.#next + 1) & 3;
    this.#high[this.#now] = high;
    this.#low[this.#now] = decoder.uint32();
    this.#steps[this.#now] = 0;
    this.#extremes[this.#now] = 0;
  }

  #add(step: number): void {
    const low = this.#low[this.#now] + step;
    this.#low[this.#now] = low;
    this.#high[this.#now] += Math.floor(low / 2 ** 32);
  }
}

/** 16-bit red, green, blue in six bytes, decoded in place. */
export class Colors {
  readonly #used = symbolModel(128);
  readonly #bytes = Array.from({ length: 6 }, () => symbolModel(256));

  /** Turns `last` into the next colour. */
  decode(decoder: ArithmeticDecoder, last: Uint8Array): void {
    const changed = decoder.symbol(this.#used);
    const before = last.slice(0, 6);
    const next = (k: number, prediction: number): void => {
      if ((changed >> k) & 1) {
        last[k] = prediction + decoder.symbol(this.#bytes[k]);
      }
    };
    next(0, before[0]);
    next(1, before[1]);
    if ((changed & 64) === 0) {
      last[2] = last[4] = last[0];
      last[3] = last[5] = last[1];
      return;
    }
    for (let half = 0; half < 2; half++) {
      const red = last[half] - before[half];
      next(2 + half, clamp(before[2 + half] + red));
      const both = Math.trunc((red + last[2 + half] - before[2 + half]) / 2);
      next(4 + half, clamp(before[4 + half] + both));
    }
  }
}

function clamp(value: number): number {
  return value < 0 ? 0 : value > 255 ? 255 : value;
}

/** The 29 bytes that point to a point's waveform, decoded in place. */
export class WavePacket {
  readonly #index = symbolModel(256);
  readonly #offsetKinds = Array.from({ length: 4 }, () => symbolModel(4));
  readonly #offsets = new IntegerDecoder(32);
  readonly #sizes = new IntegerDecoder(32);
  readonly #returnPoints = new IntegerDecoder(32);
  readonly #directions = new IntegerDecoder(32, 3);
  #kind = 0;
  #difference = 0;

  /** Turns `last` into the next packet. */
  decode(decoder: ArithmeticDecoder, last: Uint8Array): void {
    const view = new DataView(last.buffer, last.byteOffset, 29);
    last[0] = decoder.symbol(this.#index);
    this.#kind = decoder.symbol(this.#offsetKinds[this.#kind]);
    const offset = view.getBigUint64(1, true);
    if (this.#kind === 1) {
      view.setBigUint64(1, offset + BigInt(view.getUint32(9, true)), true);
    } else if (this.#kind === 2) {
      this.#difference = this.#offsets.decode(decoder, this.#difference);
      view.setBigUint64(1, offset + BigInt(this.#difference), true);
    } else if (this.#kind === 3) {
      view.setUint32(1, decoder.uint32(), true);
      view.setUint32(5, decoder.uint32(), true);
    }
    const next = (at: number, integers: IntegerDecoder, context: number): void =>
      view.setInt32(at, integers.decode(decoder, view.getInt32(at, true), context), true);
    next(9, this.#sizes, 0);
    next(13, this.#returnPoints, 0);
    for (let k = 0; k < 3; k++) next(17 + 4 * k, this.#directions, k);
  }
}
