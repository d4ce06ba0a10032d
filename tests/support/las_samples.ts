/** LAS files made byte by byte, and LAZ files that LASzip made (`fixtures/make_laz.py`). */

import samples from "../fixtures/laz.json" with { type: "json" };

const bytesOf = (text: string): Uint8Array => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));

/** A LAZ file of each point format, 0 to 10, with the records it unpacks to. */
export const lazSamples: readonly { laz: Uint8Array; records: Uint8Array }[] = Array.from(
  { length: 11 },
  (_, format) => {
    const { laz, records } = samples[String(format) as "0"];
    return { laz: bytesOf(laz), records: bytesOf(records) };
  },
);

/** What a LAS file is made of. */
export interface LasParts {
  readonly minor: number;
  readonly format: number;
  /** All points, one after the other. */
  readonly records: Uint8Array;
  readonly recordLength: number;
  readonly scale?: readonly [number, number, number];
  readonly offset?: readonly [number, number, number];
  /** Variable-length records: user, id, data. */
  readonly vlrs?: readonly (readonly [string, number, Uint8Array])[];
}

/** A LAS file. */
export function lasFile(parts: LasParts): Uint8Array {
  const { minor, format, records, recordLength, scale = [0.01, 0.01, 0.01] } = parts;
  const { offset = [0, 0, 0], vlrs = [] } = parts;
  const headerSize = minor === 4 ? 375 : 227;
  const dataStart = headerSize + vlrs.reduce((sum, [, , data]) => sum + 54 + data.length, 0);
  const bytes = new Uint8Array(dataStart + records.length);
  const view = new DataView(bytes.buffer);
  const text = (value: string, at: number) => bytes.set(new TextEncoder().encode(value), at);
  text("LASF", 0);
  bytes[24] = 1;
  bytes[25] = minor;
  view.setUint16(94, headerSize, true);
  view.setUint32(96, dataStart, true);
  view.setUint32(100, vlrs.length, true);
  bytes[104] = format;
  view.setUint16(105, recordLength, true);
  const count = records.length / recordLength;
  if (minor === 4) view.setBigUint64(247, BigInt(count), true);
  if (minor < 4 || format < 6) view.setUint32(107, count, true);
  scale.forEach((value, k) => view.setFloat64(131 + 8 * k, value, true));
  offset.forEach((value, k) => view.setFloat64(155 + 8 * k, value, true));
  let at = headerSize;
  for (const [user, id, data] of vlrs) {
    text(user, at + 2);
    view.setUint16(at + 18, id, true);
    view.setUint16(at + 20, data.length, true);
    bytes.set(data, at + 54);
    at += 54 + data.length;
  }
  bytes.set(records, dataStart);
  return bytes;
}

/** Three points of format 3 (time and colours), in LAS 1.2. */
export function lasSample(): Uint8Array {
  const records = new Uint8Array(3 * 34);
  const view = new DataView(records.buffer);
  for (let i = 0; i < 3; i++) {
    const at = 34 * i;
    [100 * i + 1, 200 - i, -300].forEach((value, k) => view.setInt32(at + 4 * k, value, true));
    view.setUint16(at + 12, 1000 + i, true);
    records[at + 14] = 0b10_010_001 + i;
    records[at + 15] = 0b010_00010 + i;
    view.setInt8(at + 16, -5 * i);
    view.setUint16(at + 18, 7, true);
    view.setFloat64(at + 20, 1e5 + i / 8, true);
    [65535, 256 * i, 0].forEach((value, k) => view.setUint16(at + 28 + 2 * k, value, true));
  }
  const offset = [652_000.5, 6_800_000, 100] as const;
  return lasFile({ minor: 2, format: 3, records, recordLength: 34, offset });
}
