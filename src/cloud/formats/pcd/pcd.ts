/**
 * PCD: ascii, binary, binary_compressed. The viewpoint is not applied: points stay as they are
 * stored. Format: https://pointclouds.org/documentation/tutorials/pcd_file_format.html
 */

import type { PointCloud } from "../../point_cloud.ts";
import { cloudFromColumns, type Column } from "../columns.ts";
import { decompressLzf, LZF_MAX_RATIO } from "./lzf.ts";
import { type PcdField, type PcdHeader, readPcdHeader } from "./pcd_header.ts";
import { formatError, type FormatReader } from "../reader.ts";
import {
  checkRowsFit,
  nextLine,
  nextWord,
  nextWordAnyLine,
  readNumber,
  scanText,
  skipWord,
} from "../text/text_scanner.ts";

/** The reader of PCD files. */
export const pcdReader: FormatReader = {
  name: "PCD",
  extensions: ["pcd"],
  detect: (head) =>
    /^\s*(#[^\n\r]*[\n\r]+\s*)*(VERSION|FIELDS|COLUMNS)\s/.test(
      new TextDecoder("latin1").decode(head),
    ),
  read: readPcd,
};

/** Padding, by PCL's convention. */
const PADDING = "_";

function readPcd(bytes: Uint8Array, where: string): PointCloud {
  const header = readPcdHeader(bytes, where);
  const columns = header.data === "ascii"
    ? readAscii(bytes, where, header)
    : header.data === "binary"
    ? readBinary(bytes, where, header)
    : readCompressed(bytes, where, header);
  return cloudFromColumns(where, columns, { at: { line: header.fieldsLine } });
}

type PcdColumn = Column & { readonly field: PcdField };

function emptyColumn(field: PcdField, points: number): PcdColumn {
  const { name, type, size, count } = field;
  const length = points * count;
  const data = type === "F"
    ? size === 4 ? new Float32Array(length) : new Float64Array(length)
    : size === 8
    ? new Float64Array(length)
    : type === "U" && size === 4
    ? new Uint32Array(length)
    : new Int32Array(length);
  const integerMax = type !== "F" && size <= 2 ? 256 ** size - 1 : undefined;
  return { name, data, width: count, integerMax, field };
}

function recordBytes(fields: readonly PcdField[]): number {
  return fields.reduce((sum, { size, count }) => sum + size * count, 0);
}

function readAscii(bytes: Uint8Array, where: string, header: PcdHeader): Column[] {
  // PCL writes blanks between the values; other tools' commas do no harm.
  const s = scanText(bytes, where, { blanks: ",", comments: "#" }, header.start, header.line);
  const { points, fields } = header;
  const perRow = fields.reduce((sum, { count }) => sum + count, 0);
  const shortage = (found: number): Error =>
    formatError(
      where,
      { line: s.line },
      `the header declares ${points} points, the file holds ${found}.`,
    );
  checkRowsFit(s, points, perRow, "points");
  const columns = fields.map((field) =>
    // Text may hold more digits than the declared type: coordinates keep them all.
    emptyColumn(/^[xyz]$/i.test(field.name) ? { ...field, type: "F", size: 8 } : field, points)
  );
  if (perRow === 0) return columns;
  for (let row = 0; row < points; row++) {
    if (!nextWordAnyLine(s)) throw shortage(row);
    for (const { field, data } of columns) {
      const padding = field.name === PADDING;
      for (let i = 0, at = row * field.count; i < field.count; i++, at++) {
        if (!nextWord(s)) {
          throw formatError(
            where,
            { line: s.line },
            `expected ${perRow} values, the line ends before.`,
          );
        }
        if (padding) skipWord(s);
        else data[at] = readNumber(s);
      }
    }
    nextLine(s);
  }
  return columns.filter(({ name }) => name !== PADDING);
}

function readBinary(bytes: Uint8Array, where: string, header: PcdHeader): Column[] {
  const { points, fields, start } = header;
  const stride = recordBytes(fields);
  const found = Math.floor((bytes.length - start) / stride);
  if (points > found) {
    throw formatError(
      where,
      { byte: bytes.length },
      `the header declares ${points} points of ${stride} bytes, the file holds ${found}.`,
    );
  }
  return readRecords(bytes.subarray(start), header, (field, offset) => ({
    start: offset,
    stride,
    element: field.size,
  }));
}

/** Compressed files hold one field after the other: all x, then all y, … */
function readCompressed(bytes: Uint8Array, where: string, header: PcdHeader): Column[] {
  const { points, fields, start } = header;
  if (start + 8 > bytes.length) {
    throw formatError(
      where,
      { byte: bytes.length },
      "the sizes of the compressed data are cut off.",
    );
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const packedSize = view.getUint32(start, true);
  const size = view.getUint32(start + 4, true);
  const expected = points * recordBytes(fields);
  if (size !== expected) {
    throw formatError(
      where,
      { byte: start + 4 },
      `the compressed data hold ${size} bytes, ${points} points of ${
        recordBytes(fields)
      } bytes need ${expected}.`,
    );
  }
  const packed = bytes.subarray(start + 8, start + 8 + packedSize);
  if (packed.length < packedSize) {
    throw formatError(
      where,
      { byte: bytes.length },
      `the header declares ${packedSize} bytes of compressed data, the file holds ${packed.length}.`,
    );
  }
  if (size > packedSize * LZF_MAX_RATIO) {
    throw formatError(
      where,
      { byte: start },
      `${packedSize} compressed bytes cannot hold ${size} bytes.`,
    );
  }
  const out = new Uint8Array(size);
  const problem = decompressLzf(packed, out);
  if (problem !== undefined) {
    throw formatError(
      where,
      { byte: start + 8 + problem.at },
      `the compressed data are damaged: ${problem.problem}.`,
    );
  }
  return readRecords(out, header, (field, offset) => ({
    start: offset * points,
    stride: field.size * field.count,
    element: field.size,
  }));
}

interface Layout {
  readonly start: number;
  readonly stride: number;
  readonly element: number;
}

/**
 * The columns of binary data; `layout` tells where a field with `offset` bytes of fields before it
 * lies.
 */
function readRecords(
  bytes: Uint8Array,
  { points, fields }: PcdHeader,
  layout: (field: PcdField, offset: number) => Layout,
): Column[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const columns: Column[] = [];
  let offset = 0;
  for (const field of fields) {
    if (field.name !== PADDING) {
      const column = emptyColumn(field, points);
      readValues(view, layout(field, offset), field, column.data);
      columns.push(column);
    }
    offset += field.size * field.count;
  }
  return columns;
}

function readValues(view: DataView, layout: Layout, field: PcdField, out: Column["data"]): void {
  const { count } = field;
  const points = out.length / count;
  const fill = (get: (at: number) => number): void => {
    for (let k = 0; k < count; k++) {
      let at = layout.start + k * layout.element;
      for (let i = 0, j = k; i < points; i++, at += layout.stride, j += count) out[j] = get(at);
    }
  };
  switch (`${field.type}${field.size}`) {
    case "F4":
      return fill((at) => view.getFloat32(at, true));
    case "F8":
      return fill((at) => view.getFloat64(at, true));
    case "U1":
      return fill((at) => view.getUint8(at));
    case "U2":
      return fill((at) => view.getUint16(at, true));
    case "U4":
      return fill((at) => view.getUint32(at, true));
    case "U8":
      return fill((at) => Number(view.getBigUint64(at, true)));
    case "I1":
      return fill((at) => view.getInt8(at));
    case "I2":
      return fill((at) => view.getInt16(at, true));
    case "I4":
      return fill((at) => view.getInt32(at, true));
    case "I8":
      return fill((at) => Number(view.getBigInt64(at, true)));
  }
}
