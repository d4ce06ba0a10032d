/** The header of a LAS file (1.0 to 1.4) and its variable-length records. ASPRS LAS 1.4 R15. */

import type { DataError } from "../../../base/errors.ts";
import { formatError } from "../reader.ts";

/** What the readers of points need of a LAS header. */
export interface LasHeader {
  /** E.g. `1.4`. */
  readonly version: string;
  /** 0 to 10. */
  readonly pointFormat: number;
  /** Packed by LASzip. */
  readonly compressed: boolean;
  /** Bytes per point, extra bytes included. */
  readonly recordLength: number;
  readonly count: number;
  /** Where the points begin. */
  readonly dataStart: number;
  readonly scale: readonly [number, number, number];
  readonly offset: readonly [number, number, number];
  /** Records before and after the points. */
  readonly records: readonly LasRecord[];
}

/** A variable-length record, extended or not. */
export interface LasRecord {
  readonly user: string;
  readonly id: number;
  readonly data: Uint8Array;
}

/** Bytes per point of the formats 0 to 10, without extra bytes. */
export const POINT_SIZES: readonly number[] = [20, 28, 26, 34, 57, 63, 30, 36, 38, 59, 67];

const HEADER_SIZE = 227;
const HEADER_SIZE_1_4 = 375;

/** True for bytes that begin as a LAS or LAZ file. */
export function isLas(head: Uint8Array): boolean {
  return head[0] === 0x4c && head[1] === 0x41 && head[2] === 0x53 && head[3] === 0x46;
}

/**
 * Reads the header and its records.
 * @throws {DataError} naming the byte, when it is cut short or says what cannot be.
 */
export function parseLasHeader(bytes: Uint8Array, where: string): LasHeader {
  const fail = (byte: number, message: string) => formatError(where, { byte }, message);
  if (!isLas(bytes)) throw fail(0, 'expected "LASF" at the beginning of a LAS file');
  if (bytes.length < HEADER_SIZE) {
    throw fail(bytes.length, `the LAS header is cut short: ${HEADER_SIZE} bytes expected`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const [major, minor] = [bytes[24], bytes[25]];
  if (major !== 1 || minor > 4) {
    throw fail(24, `LAS version ${major}.${minor}: 1.0 to 1.4 are read`);
  }
  const headerSize = view.getUint16(94, true);
  const least = minor === 4 ? HEADER_SIZE_1_4 : HEADER_SIZE;
  if (headerSize < least) {
    throw fail(94, `a header of ${headerSize} bytes; LAS 1.${minor} has at least ${least}`);
  }
  const dataStart = view.getUint32(96, true);
  if (dataStart < headerSize || dataStart > bytes.length) {
    throw fail(
      96,
      `the points begin at byte ${dataStart}; expected between ${headerSize} and ${bytes.length}, the file's end`,
    );
  }
  const format = bytes[104];
  const pointFormat = format & 0x3f;
  if (pointFormat >= POINT_SIZES.length) {
    throw fail(104, `point format ${pointFormat}: 0 to 10 are read`);
  }
  const recordLength = view.getUint16(105, true);
  if (recordLength < POINT_SIZES[pointFormat]) {
    throw fail(
      105,
      `points of ${recordLength} bytes; point format ${pointFormat} has at least ${
        POINT_SIZES[pointFormat]
      }`,
    );
  }
  const { scale, offset } = readPlacing(view, fail);
  const legacyCount = view.getUint32(107, true);
  const longCount = minor === 4 ? Number(view.getBigUint64(247, true)) : 0;
  return {
    version: `${major}.${minor}`,
    pointFormat,
    compressed: (format & 0x80) !== 0,
    recordLength,
    count: longCount > 0 ? longCount : legacyCount,
    dataStart,
    scale,
    offset,
    records: [
      ...readRecords(view, headerSize, dataStart, view.getUint32(100, true), 54),
      ...(minor === 4 ? extendedRecords(view) : []),
    ],
  };
}

/** What coordinates are multiplied by, and what is added to them. */
function readPlacing(
  view: DataView,
  fail: (byte: number, message: string) => DataError,
): Pick<LasHeader, "scale" | "offset"> {
  const triple = (at: number): [number, number, number] => [
    view.getFloat64(at, true),
    view.getFloat64(at + 8, true),
    view.getFloat64(at + 16, true),
  ];
  const scale = triple(131);
  const offset = triple(155);
  for (let k = 0; k < 3; k++) {
    if (!Number.isFinite(scale[k]) || scale[k] === 0 || !Number.isFinite(offset[k])) {
      throw fail(
        131 + 8 * k,
        `scale ${scale[k]} and offset ${offset[k]} of ${
          "xyz"[k]
        }: finite numbers expected, the scale not 0`,
      );
    }
  }
  return { scale, offset };
}

/**
 * Up to `count` records between two bytes. Their number is often wrong in files that are otherwise
 * sound, and so is the last one's length, so reading stops where no more record fits.
 */
function readRecords(
  view: DataView,
  start: number,
  end: number,
  count: number,
  headSize: number,
): LasRecord[] {
  const records: LasRecord[] = [];
  let at = start;
  for (let i = 0; i < count && at + headSize <= end; i++) {
    const length = headSize === 54
      ? view.getUint16(at + 20, true)
      : Number(view.getBigUint64(at + 20, true));
    const next = at + headSize + length;
    if (next > end) break;
    const raw = (from: number, size: number) =>
      new Uint8Array(view.buffer, view.byteOffset + from, size);
    records.push({
      user: cString(raw(at + 2, 16)),
      id: view.getUint16(at + 18, true),
      data: raw(at + headSize, length),
    });
    at = next;
  }
  return records;
}

function extendedRecords(view: DataView): LasRecord[] {
  const start = Number(view.getBigUint64(235, true));
  if (start === 0 || start > view.byteLength) return [];
  return readRecords(view, start, view.byteLength, view.getUint32(243, true), 60);
}

/** Text up to the first zero byte. */
export function cString(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return new TextDecoder("latin1").decode(end < 0 ? bytes : bytes.subarray(0, end));
}
