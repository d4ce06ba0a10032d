/**
 * OBJ (Wavefront): vertices, with colours where the lines have them, normals and faces. All else is passed over.
 * Format: http://paulbourke.net/dataformats/obj/
 */

import type { PointCloud } from "../point_cloud.ts";
import { cloudFromColumns, type Column } from "./columns.ts";
import { formatError, type FormatReader } from "./reader.ts";
import {
  nextLine,
  nextWord,
  passSeparator,
  quote,
  readNumber,
  readWord,
  scanText,
  skipWord,
  textOf,
  type TextScanner,
} from "./text_scanner.ts";
import { addPolygon, finishTriangles, type TriangleList, triangleList } from "./triangles.ts";

/** The reader of OBJ files. */
export const objReader: FormatReader = {
  name: "OBJ",
  extensions: ["obj"],
  detect: () => false,
  plausible: (head) =>
    /(^|[\n\r])v[ \t]+[-+.\d]+[ \t]+[-+.\d]+[ \t]+[-+.\d]/.test(
      new TextDecoder("latin1").decode(head),
    ),
  read: readObj,
};

/** Rows of numbers, `width` values each, that grow. */
interface Rows {
  values: Float64Array;
  readonly width: number;
  count: number;
}

function rows(width: number): Rows {
  return { values: new Float64Array(64 * width), width, count: 0 };
}

function addRow(list: Rows, row: readonly number[], from: number): void {
  const at = list.count++ * list.width;
  if (at === list.values.length) {
    const larger = new Float64Array(2 * at);
    larger.set(list.values);
    list.values = larger;
  }
  for (let k = 0; k < list.width; k++) list.values[at + k] = row[from + k];
}

/** What was read so far. */
interface ObjModel {
  readonly coords: Rows;
  readonly colors: Rows;
  readonly normals: Rows;
  /** Vertex and normal of every corner that names both. */
  readonly cornerNormals: Rows;
  readonly triangles: TriangleList;
  /** The largest vertex and normal numbers that faces name, from 0, and where: they may come later in the file. */
  readonly named: Record<"vertex" | "normal", { index: number; line: number }>;
}

function readObj(bytes: Uint8Array, where: string): PointCloud {
  const s = scanText(bytes, where, { comments: "#", separator: "\\" }, bytes[0] === 0xef ? 3 : 0);
  const model: ObjModel = {
    coords: rows(3),
    colors: rows(3),
    normals: rows(3),
    cornerNormals: rows(2),
    triangles: triangleList(),
    named: { vertex: { index: -1, line: 0 }, normal: { index: -1, line: 0 } },
  };
  while (s.pos < bytes.length) {
    if (nextWord(s)) readStatement(s, model);
    nextLine(s);
  }
  const { coords, colors, normals, named } = model;
  if (coords.count === 0) {
    throw formatError(where, { line: s.line }, 'there is no vertex (a line "v x y z").');
  }
  for (const [what, count] of [["vertex", coords.count], ["normal", normals.count]] as const) {
    if (named[what].index >= count) {
      throw formatError(
        where,
        { line: named[what].line },
        `a face names ${what} ${named[what].index + 1}; the file holds ${count}, counted from 1.`,
      );
    }
  }
  const columns = splitColumns(coords, ["x", "y", "z"]);
  const vertexNormals = normalsOfVertices(model);
  if (vertexNormals !== undefined) columns.push(...splitColumns(vertexNormals, ["nx", "ny", "nz"]));
  if (colors.count === coords.count) {
    columns.push(...splitColumns(colors, ["red", "green", "blue"]));
  }
  return cloudFromColumns(where, columns, { triangles: finishTriangles(model.triangles) });
}

const SPACE = 32;
const TAB = 9;
const V = 118;
const N = 110;
const F = 102;

function readStatement(s: TextScanner, model: ObjModel): void {
  const { bytes } = s;
  const first = bytes[s.pos];
  const ends = (at: number): boolean => bytes[at] === SPACE || bytes[at] === TAB;
  if (first === V && ends(s.pos + 1)) {
    s.pos++;
    const row = readRow(s, "v");
    addRow(model.coords, row, 0);
    // Three more values are a colour; one more is a weight, of use to curves only.
    if (row.length >= 6) addRow(model.colors, row, 3);
  } else if (first === V && bytes[s.pos + 1] === N && ends(s.pos + 2)) {
    s.pos += 2;
    addRow(model.normals, readRow(s, "vn"), 0);
  } else if (first === F && ends(s.pos + 1)) {
    s.pos++;
    readFace(s, model);
  } else if (first < 32 || first > 126) {
    throw formatError(
      s.where,
      { line: s.line },
      `expected a statement (v, vn, f, …), got ${quote(readWord(s))}.`,
    );
  }
}

function readRow(s: TextScanner, statement: string): number[] {
  const row: number[] = [];
  while (nextValue(s)) row.push(readNumber(s));
  if (row.length >= 3) return row;
  throw formatError(
    s.where,
    { line: s.line },
    `expected three numbers after "${statement}", got ${row.length}.`,
  );
}

/** Goes to the statement's next word. A backslash (the scanner's separator) continues it on the next line. */
function nextValue(s: TextScanner): boolean {
  while (!nextWord(s)) {
    if (!passSeparator(s)) return false;
    nextLine(s);
  }
  return true;
}

function readFace(s: TextScanner, model: ObjModel): void {
  const corners: number[] = [];
  while (nextValue(s)) {
    const start = s.pos;
    skipWord(s);
    // Vertex, vertex/texture, vertex//normal or vertex/texture/normal.
    const word = textOf(s.bytes.subarray(start, Math.min(s.pos, start + 80)));
    const match = /^(-?\d+)(?:\/-?\d*(?:\/(-?\d+)?)?)?$/.exec(word);
    if (match === null) {
      throw formatError(
        s.where,
        { line: s.line },
        `expected a face's corner (like 3, 3/1, 3//2 or 3/1/2), got ${quote(word)}.`,
      );
    }
    const vertex = resolve(s, model, "vertex", model.coords.count, match[1]);
    corners.push(vertex);
    if (match[2] !== undefined) {
      addRow(
        model.cornerNormals,
        [vertex, resolve(s, model, "normal", model.normals.count, match[2])],
        0,
      );
    }
  }
  addPolygon(model.triangles, corners, corners.length);
}

/** A face's number as an index from 0. Negative ones count back from the latest. */
function resolve(
  s: TextScanner,
  model: ObjModel,
  what: "vertex" | "normal",
  count: number,
  word: string,
): number {
  const number = Number(word);
  const index = number < 0 ? count + number : number - 1;
  if (!(index >= 0 && index < 2 ** 32)) {
    throw formatError(
      s.where,
      { line: s.line },
      `a face names ${what} ${word}; the file holds ${count} so far, counted from 1.`,
    );
  }
  if (index > model.named[what].index) model.named[what] = { index, line: s.line };
  return index;
}

function splitColumns({ values, count, width }: Rows, names: readonly string[]): Column[] {
  return names.map((name, k) => {
    const data = new Float64Array(count);
    for (let i = 0; i < count; i++) data[i] = values[i * width + k];
    return { name, data };
  });
}

/**
 * A normal for each vertex: the mean of those its corners name or, where no corner names one, the normals in order
 * if there are as many as vertices. Undefined when a vertex is left without.
 */
function normalsOfVertices({ coords, normals, cornerNormals }: ObjModel): Rows | undefined {
  if (cornerNormals.count === 0) {
    return normals.count === coords.count ? normals : undefined;
  }
  const out: Rows = { values: new Float64Array(3 * coords.count), width: 3, count: coords.count };
  for (let i = 0; i < cornerNormals.count; i++) {
    const vertex = cornerNormals.values[2 * i];
    const normal = cornerNormals.values[2 * i + 1];
    for (let k = 0; k < 3; k++) out.values[3 * vertex + k] += normals.values[3 * normal + k];
  }
  for (let i = 0; i < out.values.length; i += 3) {
    const length = Math.hypot(out.values[i], out.values[i + 1], out.values[i + 2]);
    if (!(length > 1e-12 && length < Infinity)) return;
    for (let k = 0; k < 3; k++) out.values[i + k] /= length;
  }
  return out;
}
