/** LAZ points of versions 1 and 2, coded one after the other: point formats 0 to 5. */

import {
  type ArithmeticDecoder,
  IntegerDecoder,
  StreamingMedian,
  symbolModel,
} from "./laz_arithmetic.ts";
import { Colors, GpsTimes, lazyModels, WavePacket } from "./laz_fields.ts";

/**
 * One part of a point. `last` holds the first point's bytes to begin with, and is decoded in place.
 */
export type SequentialItem = (decoder: ArithmeticDecoder, last: Uint8Array) => void;

/** The 20 bytes every point of the formats 0 to 5 has, version 2. `first` is the first point's. */
export function point10v2(first: Uint8Array): SequentialItem {
  const changes = symbolModel(64);
  const returnBytes = lazyModels(256, 256);
  const classes = lazyModels(256, 256);
  const angles = [symbolModel(256), symbolModel(256)];
  const users = lazyModels(256, 256);
  const intensities = new IntegerDecoder(16, 4);
  const sources = new IntegerDecoder(16);
  const dx = new IntegerDecoder(32, 2);
  const dy = new IntegerDecoder(32, 22);
  const dz = new IntegerDecoder(32, 20);
  const xSteps = Array.from({ length: 16 }, () => new StreamingMedian());
  const ySteps = Array.from({ length: 16 }, () => new StreamingMedian());
  const lastIntensity = new Uint16Array(16);
  const lastHeight = new Int32Array(8);
  const view = new DataView(first.buffer, first.byteOffset, 20);
  return (decoder, last) => {
    const changed = decoder.symbol(changes);
    if (changed & 32) last[14] = decoder.symbol(returnBytes(last[14]));
    const r = last[14] & 7;
    const n = (last[14] >> 3) & 7;
    const m = RETURN_MAP[8 * n + r];
    const level = Math.abs(n - r);
    if (changed & 16) {
      lastIntensity[m] = intensities.decode(decoder, lastIntensity[m], Math.min(m, 3));
    }
    view.setUint16(12, lastIntensity[m], true);
    if (changed & 8) last[15] = decoder.symbol(classes(last[15]));
    if (changed & 4) last[16] += decoder.symbol(angles[(last[14] >> 6) & 1]);
    if (changed & 2) last[17] = decoder.symbol(users(last[17]));
    if (changed & 1) {
      view.setUint16(18, sources.decode(decoder, view.getUint16(18, true)), true);
    }
    const single = n === 1 ? 1 : 0;
    const stepX = dx.decode(decoder, xSteps[m].value, single);
    xSteps[m].add(stepX);
    view.setInt32(0, view.getInt32(0, true) + stepX, true);
    const stepY = dy.decode(decoder, ySteps[m].value, single + (dx.k < 20 ? dx.k & ~1 : 20));
    ySteps[m].add(stepY);
    view.setInt32(4, view.getInt32(4, true) + stepY, true);
    const k = (dx.k + dy.k) >> 1;
    lastHeight[level] = dz.decode(decoder, lastHeight[level], single + (k < 18 ? k & ~1 : 18));
    view.setInt32(8, lastHeight[level], true);
  };
}

/** The same, version 1. */
export function point10v1(first: Uint8Array): SequentialItem {
  const changes = symbolModel(64);
  const returnBytes = lazyModels(256, 256);
  const classes = lazyModels(256, 256);
  const users = lazyModels(256, 256);
  const intensities = new IntegerDecoder(16);
  const angles = new IntegerDecoder(8, 2);
  const sources = new IntegerDecoder(16);
  const dx = new IntegerDecoder(32);
  const dy = new IntegerDecoder(32, 20);
  const dz = new IntegerDecoder(32, 20);
  const xSteps = new Int32Array(3);
  const ySteps = new Int32Array(3);
  let turn = 0;
  const view = new DataView(first.buffer, first.byteOffset, 20);
  return (decoder, last) => {
    const stepX = dx.decode(decoder, middleOfThree(xSteps));
    const stepY = dy.decode(decoder, middleOfThree(ySteps), Math.min(dx.k, 19));
    const k = (dx.k + dy.k) >> 1;
    view.setInt32(0, view.getInt32(0, true) + stepX, true);
    view.setInt32(4, view.getInt32(4, true) + stepY, true);
    view.setInt32(8, dz.decode(decoder, view.getInt32(8, true), Math.min(k, 19)), true);
    const changed = decoder.symbol(changes);
    if (changed & 32) {
      view.setUint16(12, intensities.decode(decoder, view.getUint16(12, true)), true);
    }
    if (changed & 16) last[14] = decoder.symbol(returnBytes(last[14]));
    if (changed & 8) last[15] = decoder.symbol(classes(last[15]));
    if (changed & 4) last[16] = angles.decode(decoder, last[16], k < 3 ? 1 : 0);
    if (changed & 2) last[17] = decoder.symbol(users(last[17]));
    if (changed & 1) {
      view.setUint16(18, sources.decode(decoder, view.getUint16(18, true)), true);
    }
    xSteps[turn] = stepX;
    ySteps[turn] = stepY;
    turn = (turn + 1) % 3;
  };
}

/** GPS time in eight bytes, version 2. */
export function gpsTime11v2(first: Uint8Array): SequentialItem {
  const view = new DataView(first.buffer, first.byteOffset, 8);
  const times = new GpsTimes(view.getUint32(0, true), view.getInt32(4, true), false);
  return (decoder) => {
    times.decode(decoder);
    view.setUint32(0, times.low, true);
    view.setInt32(4, times.high, true);
  };
}

/** The same, version 1: one sequence, multiples up to 511. */
export function gpsTime11v1(first: Uint8Array): SequentialItem {
  const most = 512;
  const multiples = symbolModel(most);
  const firsts = symbolModel(3);
  const integers = new IntegerDecoder(32, 6);
  const view = new DataView(first.buffer, first.byteOffset, 8);
  let step = 0;
  let extremes = 0;
  const add = (difference: number): void =>
    view.setBigInt64(0, view.getBigInt64(0, true) + BigInt(difference), true);
  const whole = (decoder: ArithmeticDecoder): void => {
    view.setUint32(0, decoder.uint32(), true);
    view.setUint32(4, decoder.uint32(), true);
  };
  return (decoder) => {
    if (step === 0) {
      const code = decoder.symbol(firsts);
      if (code === 1) {
        step = integers.decode(decoder, 0, 0);
        add(step);
      } else if (code === 2) whole(decoder);
      return;
    }
    const code = decoder.symbol(multiples);
    if (code === most - 2) return whole(decoder);
    if (code === most - 1) return;
    const context = code < 2 ? 2 - code : code < 10 ? 3 : code < 50 ? 4 : 5;
    const prediction = code === 0 ? Math.trunc(step / 4) : Math.imul(step, code);
    const difference = integers.decode(decoder, prediction, context);
    add(difference);
    if (code === 1) {
      step = difference;
      extremes = 0;
    } else if ((code === 0 || code === most - 3) && ++extremes > 3) {
      step = difference;
      extremes = 0;
    }
  };
}

/** Colours, version 2. */
export function rgb12v2(): SequentialItem {
  const colors = new Colors();
  return (decoder, last) => colors.decode(decoder, last);
}

/** Colours, version 1: every byte for itself. */
export function rgb12v1(): SequentialItem {
  const used = symbolModel(64);
  const integers = new IntegerDecoder(8, 6);
  return (decoder, last) => {
    const changed = decoder.symbol(used);
    for (let k = 0; k < 6; k++) {
      if ((changed >> k) & 1) last[k] = integers.decode(decoder, last[k], k);
    }
  };
}

/** Wave packets, the same in versions 1 and 2. */
export function wavePacket13(): SequentialItem {
  const packets = new WavePacket();
  return (decoder, last) => packets.decode(decoder, last);
}

/** Extra bytes, each the difference to the one before; the same in versions 1 and 2. */
export function extraBytes(count: number): SequentialItem {
  const models = lazyModels(count, 256);
  return (decoder, last) => {
    for (let k = 0; k < count; k++) last[k] += decoder.symbol(models(k));
  };
}

/** What LASzip takes for the median of three: ties and all. */
function middleOfThree([a, b, c]: Int32Array): number {
  if (a < b) return b < c ? b : a < c ? c : a;
  return a < c ? a : b < c ? c : b;
}

/**
 * Context by number of returns (row) and return (column), also for combinations that should not be.
 */
// deno-fmt-ignore
const RETURN_MAP = [
  15, 14, 13, 12, 11, 10,  9,  8,
  14,  0,  1,  3,  6, 10, 10,  9,
  13,  1,  2,  4,  7, 11, 11, 10,
  12,  3,  4,  5,  8, 12, 12, 11,
  11,  6,  7,  8,  9, 13, 13, 12,
  10, 10, 11, 12, 13, 14, 14, 13,
   9, 10, 11, 12, 13, 14, 15, 14,
   8,  9, 10, 11, 12, 13, 14, 15,
];
