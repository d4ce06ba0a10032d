/**
 * LAZ points of versions 3 and 4: point formats 6 to 10. A chunk holds one layer of coded data per
 * kind of field, and all state is kept once for each of the four scanner channels.
 */

import {
  type ArithmeticDecoder,
  IntegerDecoder,
  StreamingMedian,
  symbolModel,
} from "./laz_arithmetic.ts";
import { Colors, GpsTimes, lazyModels, WavePacket } from "./laz_fields.ts";

/** A layer's decoder; undefined where nothing in the chunk differs from the first point. */
export type Layer = ArithmeticDecoder | undefined;

/** One part of a point in one chunk. */
export interface LayeredItem {
  /**
   * Decodes the next point's part. `channel` is the point's scanner channel and `switched` whether
   * it is another than the last point's; the first item of a point finds them out, given the
   * channel before.
   */
  next(channel: number, switched: boolean): LayeredPart;
}

/** One item of a point. */
export interface LayeredPart {
  readonly bytes: Uint8Array;
  readonly channel: number;
  readonly switched: boolean;
}

/** How many layers the first item, point 14, has. */
export const POINT14_LAYERS = 9;

/** The 30 bytes every point of the formats 6 to 10 has. The first layer is always there. */
export function point14(first: Uint8Array, layers: readonly Layer[]): LayeredItem {
  const channels: (Point14Channel | undefined)[] = [undefined, undefined, undefined, undefined];
  const begin = (first[15] >> 4) & 3;
  channels[begin] = new Point14Channel(first);
  return {
    next: (before) => {
      const last = channels[before]!;
      const main = layers[0]!;
      const changed = last.changes(main);
      let channel = before;
      const switched = (changed & 64) !== 0;
      if (switched) {
        channel = (before + last.channelStep(main) + 1) & 3;
        channels[channel] ??= new Point14Channel(last.bytes);
      }
      const now = channels[channel]!;
      now.decode(layers, changed, channel);
      return { bytes: now.bytes, channel, switched };
    },
  };
}

class Point14Channel {
  readonly bytes: Uint8Array;
  readonly #view: DataView;
  #timeChanged = false;
  readonly #lastIntensity = new Uint16Array(8);
  readonly #lastZ = new Int32Array(8);
  readonly #xSteps = Array.from({ length: 12 }, () => new StreamingMedian());
  readonly #ySteps = Array.from({ length: 12 }, () => new StreamingMedian());
  readonly #changes = lazyModels(8, 128);
  readonly #channelSteps = symbolModel(3);
  readonly #returnCounts = lazyModels(16, 16);
  readonly #returnNumbers = lazyModels(16, 16);
  readonly #returnNumbersSameTime = symbolModel(13);
  readonly #classes = lazyModels(64, 256);
  readonly #flags = lazyModels(64, 64);
  readonly #users = lazyModels(64, 256);
  readonly #dx = new IntegerDecoder(32, 2);
  readonly #dy = new IntegerDecoder(32, 22);
  readonly #z = new IntegerDecoder(32, 20);
  readonly #intensities = new IntegerDecoder(16, 4);
  readonly #angles = new IntegerDecoder(16, 2);
  readonly #sources = new IntegerDecoder(16);
  readonly #times: GpsTimes;

  constructor(last: Uint8Array) {
    this.bytes = last.slice(0, 30);
    this.#view = new DataView(this.bytes.buffer);
    this.#lastIntensity.fill(this.#view.getUint16(12, true));
    this.#lastZ.fill(this.#view.getInt32(8, true));
    this.#times = new GpsTimes(this.#view.getUint32(22, true), this.#view.getInt32(26, true), true);
  }

  /** Which fields of the next point are new. */
  changes(decoder: ArithmeticDecoder): number {
    const r = this.bytes[14] & 15;
    const n = this.bytes[14] >> 4;
    const context = (r === 1 ? 1 : 0) + (r >= n ? 2 : 0) + (this.#timeChanged ? 4 : 0);
    return decoder.symbol(this.#changes(context));
  }

  channelStep(decoder: ArithmeticDecoder): number {
    return decoder.symbol(this.#channelSteps);
  }

  decode(layers: readonly Layer[], changed: number, channel: number): void {
    const { bytes } = this;
    const view = this.#view;
    const [main, zs, classes, flags, intensities, angles, users, sources, times] = layers;
    const decoder = main!;
    const timeChanged = (changed & 16) !== 0;
    const { r, n } = this.#returns(decoder, changed, timeChanged);
    bytes[14] = (n << 4) | r;
    bytes[15] = (bytes[15] & 0xcf) | (channel << 4);
    const edge = (r === 1 ? 2 : 0) + (r >= n ? 1 : 0);
    const time = timeChanged ? 1 : 0;
    const single = n === 1 ? 1 : 0;

    const median = 2 * RETURN_MAP[16 * n + r] + time;
    const stepX = this.#dx.decode(decoder, this.#xSteps[median].value, single);
    this.#xSteps[median].add(stepX);
    view.setInt32(0, view.getInt32(0, true) + stepX, true);
    const kX = this.#dx.k;
    const contextY = single + (kX < 20 ? kX & ~1 : 20);
    const stepY = this.#dy.decode(decoder, this.#ySteps[median].value, contextY);
    this.#ySteps[median].add(stepY);
    view.setInt32(4, view.getInt32(4, true) + stepY, true);
    if (zs !== undefined) {
      const k = (kX + this.#dy.k) >> 1;
      const level = Math.min(7, Math.abs(n - r));
      const z = this.#z.decode(zs, this.#lastZ[level], single + (k < 18 ? k & ~1 : 18));
      this.#lastZ[level] = z;
      view.setInt32(8, z, true);
    }
    if (classes !== undefined) {
      const context = ((bytes[16] & 31) << 1) + (edge === 3 ? 1 : 0);
      bytes[16] = classes.symbol(this.#classes(context));
    }
    if (flags !== undefined) {
      const last = ((bytes[15] >> 2) & 0x30) | (bytes[15] & 15);
      const now = flags.symbol(this.#flags(last));
      bytes[15] = ((now & 0x30) << 2) | (channel << 4) | (now & 15);
    }
    if (intensities !== undefined) {
      const k = 2 * edge + time;
      this.#lastIntensity[k] = this.#intensities.decode(intensities, this.#lastIntensity[k], edge);
      view.setUint16(12, this.#lastIntensity[k], true);
    }
    if (angles !== undefined && changed & 8) {
      view.setUint16(18, this.#angles.decode(angles, view.getUint16(18, true), time), true);
    }
    if (users !== undefined) bytes[17] = users.symbol(this.#users(bytes[17] >> 2));
    if (sources !== undefined && changed & 32) {
      view.setUint16(20, this.#sources.decode(sources, view.getUint16(20, true)), true);
    }
    if (times !== undefined && timeChanged) {
      this.#times.decode(times);
      view.setUint32(22, this.#times.low, true);
      view.setInt32(26, this.#times.high, true);
    }
    this.#timeChanged = timeChanged;
  }

  #returns(
    decoder: ArithmeticDecoder,
    changed: number,
    timeChanged: boolean,
  ): { r: number; n: number } {
    const lastR = this.bytes[14] & 15;
    const lastN = this.bytes[14] >> 4;
    const n = changed & 4 ? decoder.symbol(this.#returnCounts(lastN)) : lastN;
    switch (changed & 3) {
      case 0:
        return { r: lastR, n };
      case 1:
        return { r: (lastR + 1) & 15, n };
      case 2:
        return { r: (lastR + 15) & 15, n };
    }
    if (timeChanged) return { r: decoder.symbol(this.#returnNumbers(lastR)), n };
    return { r: (lastR + decoder.symbol(this.#returnNumbersSameTime) + 2) & 15, n };
  }
}

/**
 * An item that follows point 14: it takes the channel from it. `decode` makes the state of a
 * channel, which turns the bytes of the last point into the next.
 */
export function followingItem(
  first: Uint8Array,
  begin: number,
  version: number,
  decode: () => (last: Uint8Array) => void,
): LayeredItem {
  interface Channel {
    readonly last: Uint8Array;
    readonly next: (last: Uint8Array) => void;
  }
  const channels: (Channel | undefined)[] = [undefined, undefined, undefined, undefined];
  channels[begin] = { last: first.slice(), next: decode() };
  let before = begin;
  return {
    next: (channel, switched) => {
      // Version 3 tells these items of the channel only where it changes, and of channel 0
      // elsewhere; and it goes on from the last point of the channel before. Slips of LASzip that
      // its files now depend on.
      const own = version > 3 || switched ? channel : 0;
      let { last } = channels[before]!;
      if (own !== before) {
        const unused = channels[own] === undefined;
        channels[own] ??= { last: last.slice(), next: decode() };
        if (unused || version > 3) last = channels[own]!.last;
        before = own;
      }
      channels[own]!.next(last);
      return { bytes: last, channel, switched };
    },
  };
}

/** Colours; one layer. */
export function rgb14([layer]: readonly Layer[]): () => (last: Uint8Array) => void {
  return () => {
    const colors = new Colors();
    return (last) => layer && colors.decode(layer, last);
  };
}

/** Colours and near infrared; two layers. */
export function rgbNir14([rgb, nir]: readonly Layer[]): () => (last: Uint8Array) => void {
  return () => {
    const colors = new Colors();
    const used = symbolModel(4);
    const bytes = [symbolModel(256), symbolModel(256)];
    return (last) => {
      if (rgb !== undefined) colors.decode(rgb, last);
      if (nir === undefined) return;
      const changed = nir.symbol(used);
      for (let k = 0; k < 2; k++) {
        if ((changed >> k) & 1) last[6 + k] += nir.symbol(bytes[k]);
      }
    };
  };
}

/** Wave packets; one layer. */
export function wavePacket14([layer]: readonly Layer[]): () => (last: Uint8Array) => void {
  return () => {
    const packets = new WavePacket();
    return (last) => layer && packets.decode(layer, last);
  };
}

/** Extra bytes; each is a layer. */
export function byte14(layers: readonly Layer[]): () => (last: Uint8Array) => void {
  return () => {
    const models = lazyModels(layers.length, 256);
    return (last) =>
      layers.forEach((layer, k) => {
        if (layer !== undefined) last[k] += layer.symbol(models(k));
      });
  };
}

/**
 * Context by number of returns (row) and return (column), also for combinations that should not be.
 */
// deno-fmt-ignore
const RETURN_MAP = [
  0, 1, 2, 3, 4, 5, 3, 4, 4, 5, 5, 5, 5, 5, 5, 5,
  1, 0, 1, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3,
  2, 1, 2, 4, 4, 4, 4, 4, 4, 4, 4, 3, 3, 3, 3, 3,
  3, 3, 4, 5, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4,
  4, 3, 4, 4, 5, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4,
  5, 3, 4, 4, 4, 5, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4,
  3, 3, 4, 4, 4, 4, 5, 4, 4, 4, 4, 4, 4, 4, 4, 4,
  4, 3, 4, 4, 4, 4, 4, 5, 4, 4, 4, 4, 4, 4, 4, 4,
  4, 3, 4, 4, 4, 4, 4, 4, 5, 4, 4, 4, 4, 4, 4, 4,
  5, 3, 4, 4, 4, 4, 4, 4, 4, 5, 4, 4, 4, 4, 4, 4,
  5, 3, 4, 4, 4, 4, 4, 4, 4, 4, 5, 4, 4, 4, 4, 4,
  5, 3, 3, 4, 4, 4, 4, 4, 4, 4, 4, 5, 5, 4, 4, 4,
  5, 3, 3, 4, 4, 4, 4, 4, 4, 4, 4, 5, 5, 5, 4, 4,
  5, 3, 3, 4, 4, 4, 4, 4, 4, 4, 4, 4, 5, 5, 5, 4,
  5, 3, 3, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 5, 5, 5,
  5, 3, 3, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 5, 5,
];
