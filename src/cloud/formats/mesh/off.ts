/**
 * OFF: ascii, with and without normals, colours, texture coordinates and a fourth coordinate.
 * Format: Geomview manual, "OFF Files", http://www.geomview.org/docs/html/OFF.html
 */

import type { PointCloud } from "../../point_cloud.ts";
import { cloudFromColumns, type Column } from "../columns.ts";
import { formatError, type FormatReader } from "../reader.ts";
import {
  checkRowsFit,
  nextLine,
  nextWord,
  nextWordAnyLine,
  quote,
  readInteger,
  readNumber,
  readWord,
  scanText,
  skipWord,
  type TextScanner,
} from "../text/text_scanner.ts";
import { addPolygon, checkCorner, finishTriangles, triangleList } from "./triangles.ts";

/** The reader of OFF files. */
export const offReader: FormatReader = {
  name: "OFF",
  extensions: ["off", "coff", "noff", "cnoff"],
  detect: (head) =>
    /^(ï»¿)?(\s|#[^\n\r]*[\n\r])*((ST)?C?N?4?n?OFF|off)(\s|\d|$)/.test(
      new TextDecoder("latin1").decode(head),
    ),
  read: readOff,
};

function readOff(bytes: Uint8Array, where: string): PointCloud {
  const s = scanText(bytes, where, { comments: "#" }, bytes[0] === 0xef ? 3 : 0);
  const { kind, vertices, faces } = readHeader(s);
  const line = s.line;
  nextLine(s);
  const columns = readVertices(s, kind, vertices);
  const triangles = readFaces(s, faces, vertices);
  return cloudFromColumns(where, columns, { triangles, at: { line } });
}

/** What the first word says each vertex has: ST, C, N, 4 and n before OFF. */
interface OffKind {
  readonly texture: boolean;
  readonly color: boolean;
  readonly normal: boolean;
  readonly homogeneous: boolean;
  readonly dimensions: number;
}

interface OffHeader {
  readonly kind: OffKind;
  readonly vertices: number;
  readonly faces: number;
}

function readHeader(s: TextScanner): OffHeader {
  if (!nextWordAnyLine(s)) throw atEnd(s, "the word OFF");
  const start = s.pos;
  const word = readWord(s);
  const match = /^(ST)?(C)?(N)?(4)?(n)?(?:OFF|off)(\d*)$/.exec(word);
  if (match === null && !/^\d+$/.test(word)) {
    throw formatError(s.where, { line: s.line }, `expected the word OFF, got ${quote(word)}.`);
  }
  // The counts may follow the word on its line, even without a blank (ModelNet: "OFF490 518 0"),
  // and the word itself may be missing.
  if (match === null || match[6] !== "") s.pos = start + word.search(/\d+$/);
  if (!nextWordAnyLine(s)) throw atEnd(s, "the number of vertices");
  if (s.bytes[s.pos] === 0x42) {
    throw formatError(
      s.where,
      { line: s.line },
      "this is a binary OFF file; only ascii ones can be read. Write it as ascii OFF or as PLY.",
    );
  }
  let dimensions = 3;
  if (match?.[5] !== undefined) {
    dimensions = readInteger(s, "the number of dimensions", 2);
    if (!nextWordAnyLine(s)) throw atEnd(s, "the number of vertices");
  }
  const vertices = readInteger(s, "the number of vertices");
  if (!nextWord(s)) {
    throw formatError(
      s.where,
      { line: s.line },
      "expected the number of faces after that of vertices.",
    );
  }
  const faces = readInteger(s, "the number of faces");
  if (nextWord(s)) readInteger(s, "the number of edges");
  const [texture, color, normal, homogeneous] = [1, 2, 3, 4].map((i) => match?.[i] !== undefined);
  return { kind: { texture, color, normal, homogeneous, dimensions }, vertices, faces };
}

/**
 * The values of one vertex, in order; colours have alpha or not, as the first vertex's line tells.
 * It also tells of colours under a plain OFF, as some write them: three or four values more.
 */
function layout(s: TextScanner, kind: OffKind): string[] {
  const names = ["x", "y", "z"].slice(0, kind.dimensions);
  // More dimensions than the line has values end in an error at that line.
  for (let k = 3; k < Math.min(kind.dimensions, 64); k++) names.push(`coord_${k + 1}`);
  if (kind.homogeneous) names.push("w");
  if (kind.normal) names.push("nx", "ny", "nz");
  const probe = { ...s };
  let words = 0;
  for (; nextWord(probe); words++) skipWord(probe);
  const plain = names.length === 3 && !kind.texture;
  if (kind.color || plain && (words === 6 || words === 7)) {
    names.push("red", "green", "blue");
    if (words > names.length + (kind.texture ? 2 : 0)) names.push("alpha");
  }
  if (kind.texture) names.push("s", "t");
  return names;
}

function readVertices(s: TextScanner, kind: OffKind, count: number): Column[] {
  checkRowsFit(s, count, Math.min(3, kind.dimensions), "vertices");
  if (count > 0) nextWordAnyLine(s);
  const names = layout(s, kind);
  checkRowsFit(s, count, names.length, "vertices");
  const values = names.map(() => new Float64Array(count));
  for (let row = 0; row < count; row++) {
    if (!nextWordAnyLine(s)) throw shortage(s, "vertices", count, row);
    for (let k = 0; k < values.length; k++) {
      if (!nextWord(s)) {
        throw formatError(
          s.where,
          { line: s.line },
          `expected ${names.length} values (${names.join(" ")}), the line ends after ${k}.`,
        );
      }
      values[k][row] = readNumber(s);
    }
    nextLine(s);
  }
  const w = names.indexOf("w");
  if (w >= 0) {
    for (const axis of values.slice(0, w)) {
      axis.forEach((value, i) => axis[i] = value / values[w][i]);
    }
  }
  return names.map((name, k) => ({ name, data: values[k] })).filter(({ name }) => name !== "w");
}

/** A face a line: how many corners, the corners, a colour (passed over). */
function readFaces(s: TextScanner, count: number, vertices: number): Uint32Array | undefined {
  const triangles = triangleList();
  const corners: number[] = [];
  for (let row = 0; row < count; row++) {
    if (!nextWordAnyLine(s)) throw shortage(s, "faces", count, row);
    const length = readInteger(s, "a face's number of corners");
    corners.length = 0;
    for (let k = 0; k < length; k++) {
      if (!nextWord(s)) {
        throw formatError(
          s.where,
          { line: s.line },
          `expected ${length} corners, the line ends after ${k}.`,
        );
      }
      const corner = readNumber(s);
      checkCorner(s.where, { line: s.line }, corner, vertices);
      corners.push(corner);
    }
    addPolygon(triangles, corners, length);
    nextLine(s);
  }
  return finishTriangles(triangles);
}

function shortage(s: TextScanner, what: string, declared: number, found: number): Error {
  return formatError(
    s.where,
    { line: s.line },
    `the header declares ${declared} ${what}, the file holds ${found}.`,
  );
}

function atEnd(s: TextScanner, expected: string): Error {
  return formatError(s.where, { line: s.line }, `expected ${expected}, the file ends.`);
}
