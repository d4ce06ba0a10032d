/**
 * LAZ: LAS points packed by LASzip. Gives the point records as they stand in the LAS file, for all
 * point formats (0 to 10) and all versions of their coding. The format is LASzip's own code; there
 * is no other specification.
 */

import type { DataError } from "../../../base/errors.ts";
import { ArithmeticDecoder, IntegerDecoder, LazDataError } from "./laz_arithmetic.ts";
import {
  byte14,
  followingItem,
  type Layer,
  type LayeredItem,
  point14,
  POINT14_LAYERS,
  rgb14,
  rgbNir14,
  wavePacket14,
} from "./laz_layered.ts";
import {
  extraBytes,
  gpsTime11v1,
  gpsTime11v2,
  point10v1,
  point10v2,
  rgb12v1,
  rgb12v2,
  type SequentialItem,
  wavePacket13,
} from "./laz_sequential.ts";
import { formatError } from "../reader.ts";

/** Where a LAS file holds its packed points. */
export interface LazSource {
  readonly bytes: Uint8Array;
  /** Names the file in errors. */
  readonly where: string;
  /** The record's data of LASzip's VLR ("laszip encoded", 22204). */
  readonly vlr: Uint8Array;
  /** Where the point data begins. */
  readonly dataStart: number;
  /** Points and bytes per point, as the LAS header has them. */
  readonly count: number;
  readonly recordLength: number;
}

interface Item {
  readonly type: number;
  readonly size: number;
  readonly version: number;
}

interface Chunk {
  readonly start: number;
  readonly end: number;
  readonly points: number;
}

const ITEM_NAMES = [
  "BYTE",
  "SHORT",
  "INT",
  "LONG",
  "FLOAT",
  "DOUBLE",
  "POINT10",
  "GPSTIME11",
  "RGB12",
  "WAVEPACKET13",
  "POINT14",
  "RGB14",
  "RGBNIR14",
  "WAVEPACKET14",
  "BYTE14",
];
const BYTE = 0, POINT10 = 6, GPSTIME11 = 7, RGB12 = 8, WAVEPACKET13 = 9;
const POINT14 = 10, RGB14 = 11, RGBNIR14 = 12, WAVEPACKET14 = 13, BYTE14 = 14;
const FIXED_SIZES: Readonly<Record<number, number>> = {
  [POINT10]: 20,
  [GPSTIME11]: 8,
  [RGB12]: 6,
  [WAVEPACKET13]: 29,
  [POINT14]: 30,
  [RGB14]: 6,
  [RGBNIR14]: 8,
  [WAVEPACKET14]: 29,
};
// 2 is CHUNKED: as POINTWISE, begun anew for every chunk.
const POINTWISE = 1, LAYERED = 3;
const VARIABLE_CHUNKS = 0xffffffff;

/**
 * All point records, unpacked.
 * @throws {DataError} naming the byte, when the data is damaged, cut short or packed in a way that
 * is not known.
 */
export function unpackLaz(source: LazSource): Uint8Array {
  const { bytes, where, vlr, dataStart, count, recordLength } = source;
  const fail = (byte: number, message: string): DataError =>
    formatError(where, { byte }, `LAZ: ${message}`);
  if (vlr.length < 34) throw fail(vlr.byteOffset - bytes.byteOffset, "its VLR is cut short");
  const view = new DataView(vlr.buffer, vlr.byteOffset, vlr.byteLength);
  const vlrAt = vlr.byteOffset - bytes.byteOffset;
  const compressor = view.getUint16(0, true);
  const coder = view.getUint16(2, true);
  if (compressor < POINTWISE || compressor > LAYERED || coder !== 0) {
    throw fail(
      vlrAt,
      `compressor ${compressor} with coder ${coder} is not known (1 to 3 with 0 are)`,
    );
  }
  const items = readItems(view, (message) => fail(vlrAt + 32, message));
  const size = items.reduce((sum, item) => sum + item.size, 0);
  if (size !== recordLength) {
    throw fail(vlrAt, `its items hold ${size} bytes a point, the header says ${recordLength}`);
  }
  const layered = compressor === LAYERED;
  for (const { type, version } of items) {
    if (
      layered !== (type >= POINT14) || version < (layered ? 3 : 1) || version > (layered ? 4 : 2)
    ) {
      const name = ITEM_NAMES[type] ?? `type ${type}`;
      throw fail(vlrAt, `${name} version ${version} with compressor ${compressor} is not known`);
    }
  }
  if (count === 0) return new Uint8Array(0);
  if (layered && items[0].type !== POINT14) throw fail(vlrAt, "the first item is not POINT14");

  const chunks = compressor === POINTWISE
    ? [{ start: dataStart, end: bytes.length, points: count }]
    : readChunks(source, view.getUint32(12, true), fail);
  // Grows with what is decoded: a damaged count asks for no memory.
  let out = new Uint8Array(Math.min(count * recordLength, Math.max(1 << 16, 8 * bytes.length)));
  let row = 0;
  const record = (): Uint8Array => {
    const at = row++ * recordLength;
    if (at + recordLength > out.length) {
      const larger = new Uint8Array(Math.min(count * recordLength, 2 * out.length));
      larger.set(out);
      out = larger;
    }
    return out.subarray(at, at + recordLength);
  };
  for (const chunk of chunks) {
    try {
      if (layered) unpackLayered(bytes, chunk, items, record);
      else unpackSequential(bytes, chunk, items, record);
    } catch (error) {
      if (!(error instanceof LazDataError)) throw error;
      throw fail(error.byte, `point ${row} of ${count}: ${error.message}`);
    }
  }
  return out.subarray(0, count * recordLength);
}

function readItems(view: DataView, fail: (message: string) => DataError): Item[] {
  const count = view.getUint16(32, true);
  if (count === 0 || 34 + 6 * count > view.byteLength) {
    throw fail(`${count} items do not fit its VLR`);
  }
  const items = Array.from({ length: count }, (_, i): Item => ({
    type: view.getUint16(34 + 6 * i, true),
    size: view.getUint16(36 + 6 * i, true),
    version: view.getUint16(38 + 6 * i, true),
  }));
  for (const { type, size } of items) {
    if (type !== BYTE && type !== BYTE14 && FIXED_SIZES[type] === undefined) {
      throw fail(`items of type ${ITEM_NAMES[type] ?? type} are not known`);
    }
    if (size === 0 || (FIXED_SIZES[type] ?? size) !== size) {
      throw fail(
        `${ITEM_NAMES[type]} of ${size} bytes; ${FIXED_SIZES[type] ?? "1 or more"} expected`,
      );
    }
  }
  return items;
}

/**
 * The table of chunks: where it stands comes first in the data, or last in files written to a pipe.
 */
function readChunks(
  { bytes, dataStart, count, recordLength }: LazSource,
  chunkSize: number,
  fail: (byte: number, message: string) => DataError,
): Chunk[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const first = dataStart + 8;
  if (first > bytes.length) throw fail(bytes.length, "the file is cut short: no points");
  const tableFrom = (at: number): number => Number(view.getBigInt64(at, true));
  let table = tableFrom(dataStart);
  if (table < first) table = tableFrom(bytes.length - 8);
  if (!(table >= first && table + 8 <= bytes.length)) {
    throw fail(dataStart, `no table of chunks at byte ${table}: the file is cut short or damaged`);
  }
  const chunkCount = view.getUint32(table + 4, true);
  // Every chunk begins with one point as it is.
  if (chunkCount > (table - first) / recordLength) {
    throw fail(table + 4, `${chunkCount} chunks cannot be in ${table - first} bytes`);
  }
  const variable = chunkSize === VARIABLE_CHUNKS;
  const chunks: Chunk[] = [];
  let start = first;
  let left = count;
  try {
    const decoder = chunkCount > 0 && new ArithmeticDecoder(bytes, table + 8, bytes.length);
    const integers = new IntegerDecoder(32, 2);
    let points = 0;
    let length = 0;
    for (let i = 0; decoder && i < chunkCount && left > 0; i++) {
      if (variable) points = integers.decode(decoder, points, 0);
      length = integers.decode(decoder, length, 1);
      const end = start + length;
      if (length < recordLength || end > table || points < 0) {
        throw fail(
          table,
          `chunk ${i} of ${chunkCount} has ${length} bytes, ${table - start} are left`,
        );
      }
      const inside = Math.min(left, variable ? points : chunkSize);
      chunks.push({ start, end, points: inside });
      start = end;
      left -= inside;
    }
  } catch (error) {
    if (!(error instanceof LazDataError)) throw error;
    throw fail(error.byte, `table of chunks: ${error.message}`);
  }
  if (left > 0) throw fail(table, `its chunks hold ${count - left} of the ${count} points`);
  return chunks;
}

function unpackSequential(
  bytes: Uint8Array,
  { start, end, points }: Chunk,
  items: readonly Item[],
  record: () => Uint8Array,
): void {
  if (points === 0) return;
  const firsts = firstParts(bytes, start, end, items);
  const decoders = items.map(({ type, version }, i) => sequentialItem(type, version, firsts[i]));
  const size = writeParts(firsts, record());
  if (points === 1) return;
  const decoder = new ArithmeticDecoder(bytes, start + size, end);
  for (let n = 1; n < points; n++) {
    for (let i = 0; i < decoders.length; i++) decoders[i](decoder, firsts[i]);
    writeParts(firsts, record());
  }
}

function unpackLayered(
  bytes: Uint8Array,
  { start, end, points }: Chunk,
  items: readonly Item[],
  record: () => Uint8Array,
): void {
  if (points === 0) return;
  const firsts = firstParts(bytes, start, end, items);
  let at = start + writeParts(firsts, record());
  if (points === 1) return;
  const counts = items.map(({ type, size }) =>
    type === POINT14 ? POINT14_LAYERS : type === RGBNIR14 ? 2 : type === BYTE14 ? size : 1
  );
  const total = counts.reduce((sum, count) => sum + count, 0);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  at += 4; // The chunk's own number of points, which the table has too.
  if (at + 4 * total > end) throw new LazDataError("the chunk is too short for its layers", at);
  let layerStart = at + 4 * total;
  const layers: Layer[] = [];
  for (let k = 0; k < total; k++) {
    const length = view.getUint32(at + 4 * k, true);
    if (layerStart + length > end) {
      throw new LazDataError(`layer ${k} of ${length} bytes runs past its chunk`, at + 4 * k);
    }
    layers.push(
      length === 0 ? undefined : new ArithmeticDecoder(bytes, layerStart, layerStart + length),
    );
    layerStart += length;
  }
  if (layers[0] === undefined) throw new LazDataError("the layer of x and y is empty", at);
  const begin = (firsts[0][15] >> 4) & 3;
  let next = 0;
  const decoders = items.map((item, i): LayeredItem => {
    const own = layers.slice(next, next += counts[i]);
    return layeredItem(item, firsts[i], begin, own);
  });
  let channel = begin;
  for (let n = 1; n < points; n++) {
    const out = record();
    let to = 0;
    let switched = false;
    for (const decoder of decoders) {
      const part = decoder.next(channel, switched);
      ({ channel, switched } = part);
      out.set(part.bytes, to);
      to += part.bytes.length;
    }
  }
}

/** A chunk's first point, which is not packed, cut into its items. */
function firstParts(
  bytes: Uint8Array,
  start: number,
  end: number,
  items: readonly Item[],
): Uint8Array[] {
  let at = start;
  return items.map(({ size }) => {
    if (at + size > end) throw new LazDataError("the chunk is shorter than one point", at);
    at += size;
    return bytes.slice(at - size, at);
  });
}

function writeParts(parts: readonly Uint8Array[], out: Uint8Array): number {
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return at;
}

function sequentialItem(type: number, version: number, first: Uint8Array): SequentialItem {
  const old = version === 1;
  switch (type) {
    case POINT10:
      return old ? point10v1(first) : point10v2(first);
    case GPSTIME11:
      return old ? gpsTime11v1(first) : gpsTime11v2(first);
    case RGB12:
      return old ? rgb12v1() : rgb12v2();
    case WAVEPACKET13:
      return wavePacket13();
    default:
      return extraBytes(first.length);
  }
}

function layeredItem(
  { type, version }: Item,
  first: Uint8Array,
  begin: number,
  layers: readonly Layer[],
): LayeredItem {
  switch (type) {
    case POINT14:
      return point14(first, layers);
    case RGB14:
      return followingItem(first, begin, version, rgb14(layers));
    case RGBNIR14:
      return followingItem(first, begin, version, rgbNir14(layers));
    case WAVEPACKET14:
      return followingItem(first, begin, version, wavePacket14(layers));
    default:
      return followingItem(first, begin, version, byte14(layers));
  }
}
