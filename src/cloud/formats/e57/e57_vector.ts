/**
 * E57's compressed vectors: records cut into one bit-packed stream per field, the streams into
 * packets.
 */

import type { DataError } from "../../../base/errors.ts";
import { type E57File, logicalOffset, physicalOffset } from "./e57_file.ts";
import { printable } from "../../../base/printable.ts";
import { formatError } from "../reader.ts";
import { child, type XmlElement } from "./xml.ts";

/** One field of all records. */
export interface E57Field {
  /** As in the prototype, e.g. `cartesianX` or `nor:normalX`. */
  readonly name: string;
  /** Range the prototype gives; undefined for floats without one. */
  readonly minimum?: number;
  readonly maximum?: number;
  readonly data: Float32Array | Float64Array | Int32Array;
}

interface Codec {
  readonly name: string;
  readonly type: "single" | "double" | "integer" | "skipped";
  readonly bits: number;
  readonly minimum: bigint;
  readonly scale: number;
  readonly offset: number;
  readonly range: readonly [number | undefined, number | undefined];
}

const DATA_PACKET = 1;
const MAX_FIELDS = 512;
const MIN_INT64 = -(2n ** 63n);
const MAX_INT64 = 2n ** 63n - 1n;

/**
 * All fields of a compressed vector, in the prototype's order; text fields are left out.
 * @param most How many records the file may hold at most, over all its vectors.
 * @throws {DataError} naming the byte, when the data is damaged or shorter than the records need.
 */
export function readVector(file: E57File, points: XmlElement, most: number): E57Field[] {
  const { where } = file;
  const fileOffset = Number(points.attributes.get("fileOffset"));
  const fail = (message: string): DataError =>
    formatError(where, { byte: Number.isFinite(fileOffset) ? fileOffset : 0 }, message);
  const count = Number(points.attributes.get("recordCount"));
  if (!Number.isSafeInteger(count) || count < 0) {
    throw fail(
      `recordCount: expected a number, got ${
        printable(String(points.attributes.get("recordCount")))
      }`,
    );
  }
  if (count > most) throw fail(`${count} points are more than the file can hold`);
  const codecs = prototype(points, fail);
  if (count === 0) return codecs.filter(isRead).map((codec) => decode(codec, new Uint8Array(0), 0));
  const needed = codecs.map((codec) => isRead(codec) ? Math.ceil(codec.bits * count / 8) : 0);
  const streams = readStreams(file, fileOffset, needed, fail);
  return codecs.flatMap((codec, i) => {
    if (!isRead(codec)) return [];
    const holds = codec.bits === 0 ? count : Math.floor(8 * streams[i].length / codec.bits);
    if (holds < count) {
      throw fail(
        `${count} points are declared, the data holds ${holds} of ${printable(codec.name)}`,
      );
    }
    return [decode(codec, streams[i], count)];
  });
}

function isRead({ type }: Codec): boolean {
  return type !== "skipped";
}

/** The prototype's leaves; each has its own stream. */
function prototype(points: XmlElement, fail: (message: string) => DataError): Codec[] {
  const codecs: Codec[] = [];
  const visit = (element: XmlElement): void => {
    if (codecs.length >= MAX_FIELDS) throw fail(`more than ${MAX_FIELDS} fields`);
    const type = element.attributes.get("type");
    if (type === "Structure" || type === "Vector") element.children.forEach(visit);
    else codecs.push(codecOf(element, type, fail));
  };
  child(points, "prototype")?.children.forEach(visit);
  return codecs;
}

function codecOf(
  { name, attributes }: XmlElement,
  type: string | undefined,
  fail: (message: string) => DataError,
): Codec {
  const number = (key: string, otherwise: number): number => {
    const text = attributes.get(key);
    if (text === undefined) return otherwise;
    const value = Number(text);
    if (text.trim() === "" || !Number.isFinite(value)) {
      throw fail(`${printable(name)}: ${key} is ${JSON.stringify(printable(text))}, no number`);
    }
    return value;
  };
  const integer = (key: string, otherwise: bigint): bigint => {
    const text = attributes.get(key);
    if (text === undefined) return otherwise;
    if (!/^\s*[+-]?\d{1,19}\s*$/.test(text)) {
      throw fail(`${printable(name)}: ${key} is ${JSON.stringify(printable(text))}, no integer`);
    }
    return BigInt(text.trim().replace(/^\+/, ""));
  };
  const base = { name, minimum: 0n, scale: 1, offset: 0, range: [undefined, undefined] as const };
  switch (type) {
    case "Float": {
      const single = attributes.get("precision") === "single";
      const limit = (key: string) => attributes.has(key) ? number(key, 0) : undefined;
      const range = [limit("minimum"), limit("maximum")] as const;
      return { ...base, type: single ? "single" : "double", bits: single ? 32 : 64, range };
    }
    case "Integer":
    case "ScaledInteger": {
      const minimum = integer("minimum", MIN_INT64);
      const maximum = integer("maximum", MAX_INT64);
      if (maximum < minimum) throw fail(`${printable(name)}: its maximum is below its minimum`);
      const bits = maximum === minimum ? 0 : (maximum - minimum).toString(2).length;
      const scaled = type === "ScaledInteger";
      const scale = scaled ? number("scale", 1) : 1;
      const offset = scaled ? number("offset", 0) : 0;
      const value = (raw: bigint) => Number(raw) * scale + offset;
      return {
        name,
        type: "integer",
        bits,
        minimum,
        scale,
        offset,
        range: [value(minimum), value(maximum)],
      };
    }
    case "String":
      return { ...base, type: "skipped", bits: 8 };
    default:
      throw fail(`${printable(name)}: fields of type ${printable(String(type))} are not known`);
  }
}

/** Puts each field's stream together again, as far as its bytes are needed. */
function readStreams(
  file: E57File,
  fileOffset: number,
  needed: readonly number[],
  fail: (message: string) => DataError,
): Uint8Array[] {
  const { logical } = file;
  const fields = needed.length;
  const view = new DataView(logical.buffer, logical.byteOffset, logical.byteLength);
  const section = logicalOffset(file, fileOffset, "a vector of points");
  if (section + 32 > logical.length || logical[section] !== 1) {
    throw fail("there is no vector of points here");
  }
  const length = Number(view.getBigUint64(section + 8, true));
  const end = Math.min(section + length, logical.length);
  let at = logicalOffset(file, Number(view.getBigUint64(section + 16, true)), "the data of points");
  const parts: Uint8Array[][] = Array.from({ length: fields }, () => []);
  const got = new Array<number>(fields).fill(0);
  while (at + 6 <= end && got.some((bytes, i) => bytes < needed[i])) {
    const size = view.getUint16(at + 2, true) + 1;
    const damaged = (message: string): DataError =>
      formatError(file.where, { byte: physicalOffset(file, at) }, `a packet of points: ${message}`);
    if (at + size > end || size < 4) throw damaged(`${size} bytes run past the section's end`);
    if (logical[at] > 2) throw damaged(`type ${logical[at]} is not known`);
    if (logical[at] === DATA_PACKET) {
      const streams = view.getUint16(at + 4, true);
      if (streams !== fields) throw damaged(`${streams} streams for ${fields} fields`);
      let from = at + 6 + 2 * streams;
      for (let i = 0; i < streams; i++) {
        if (at + 8 + 2 * i > at + size) throw damaged("it is shorter than its list of streams");
        const bytes = view.getUint16(at + 6 + 2 * i, true);
        if (from + bytes > at + size) {
          throw damaged(`stream ${i} of ${bytes} bytes runs past its end`);
        }
        parts[i].push(logical.subarray(from, from + bytes));
        from += bytes;
        got[i] += bytes;
      }
    }
    at += size;
  }
  return parts.map(concat);
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

function decode(codec: Codec, stream: Uint8Array, count: number): E57Field {
  const { name, type, bits, minimum, scale, offset } = codec;
  const [low, high] = codec.range;
  const field = { name, minimum: low, maximum: high };
  const view = new DataView(stream.buffer, stream.byteOffset, stream.byteLength);
  if (type === "single") {
    return {
      ...field,
      data: Float32Array.from({ length: count }, (_, i) => view.getFloat32(4 * i, true)),
    };
  }
  if (type === "double") {
    return {
      ...field,
      data: Float64Array.from({ length: count }, (_, i) => view.getFloat64(8 * i, true)),
    };
  }
  const small = scale === 1 && offset === 0 && low! >= -(2 ** 31) && high! < 2 ** 31;
  const data = small ? new Int32Array(count) : new Float64Array(count);
  const base = Number(minimum);
  for (let i = 0; i < count; i++) {
    const raw = bits <= 52
      ? base + packed(stream, i * bits, bits)
      : Number(minimum + long(stream, i * bits, bits));
    data[i] = raw * scale + offset;
  }
  return { ...field, data };
}

/** `bits` bits (0 to 52) from a position counted in bits, lowest first. */
function packed(stream: Uint8Array, position: number, bits: number): number {
  let value = 0;
  for (let got = 0; got < bits;) {
    const at = position + got;
    const shift = at % 8;
    const here = Math.min(8 - shift, bits - got);
    value += ((stream[(at - shift) / 8] >> shift) & ((1 << here) - 1)) * 2 ** got;
    got += here;
  }
  return value;
}

function long(stream: Uint8Array, position: number, bits: number): bigint {
  const low = packed(stream, position, 32);
  return (BigInt(packed(stream, position + 32, bits - 32)) << 32n) | BigInt(low);
}
