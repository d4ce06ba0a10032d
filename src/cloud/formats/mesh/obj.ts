/**
 * OBJ (Wavefront): vertices, with colours where the lines have them, normals and faces. All else is
 * passed over. Format: http://paulbourke.net/dataformats/obj/
 */

import { DataError } from "../../../base/errors.ts";
import type { PointCloud } from "../../point_cloud.ts";
import { cloudFromColumns, type Column } from "../columns.ts";
import { formatError, type FormatReader } from "../reader.ts";
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
} from "../text/text_scanner.ts";
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
  /**
   * The largest vertex number that faces name, from 0, and where: it may come later in the file.
   */
  readonly named: { index: number; line: number };
  /** Normals that cannot be used. They cost nobody the file: normals can be estimated. */
  readonly badNormals: { count: number; first: string };
}

function readObj(bytes: Uint8Array, where: string): PointCloud {
  const s = scanText(bytes, where, { comments: "#", separator: "\\" }, bytes[0] === 0xef ? 3 : 0);
  const model: ObjModel = {
    coords: rows(3),
    colors: rows(3),
    normals: rows(3),
    cornerNormals: rows(2),
    triangles: triangleList(),
    named: { index: -1, line: 0 },
    badNormals: { count: 0, first: "" },
  };
  while (s.pos < bytes.length) {
    if (nextWord(s)) readStatement(s, model);
    nextLine(s);
  }
  const { coords, colors, named } = model;
  if (coords.count === 0) {
    throw formatError(where, { line: s.line }, 'there is no vertex (a line "v x y z").');
  }
  if (named.index >= coords.count) {
    throw formatError(
      where,
      { line: named.line },
      `a face names vertex ${named.index + 1}; the file holds ${coords.count}, counted from 1.`,
    );
  }
  const columns = splitColumns(coords, ["x", "y", "z"]);
  const vertexNormals = normalsOfVertices(model);
  if (vertexNormals !== undefined) columns.push(...splitColumns(vertexNormals, ["nx", "ny", "nz"]));
  if (colors.count === coords.count) {
    columns.push(...splitColumns(colors, ["red", "green", "blue"]));
  }
  const { count, first } = model.badNormals;
  const notes = count === 0 ? [] : [
    `${count} of the normals that it states or names ${
      count === 1 ? "is" : "are"
    } none (${first}); its normals are ` +
    "left out, and estimated where they are wanted",
  ];
  return cloudFromColumns(where, columns, { triangles: finishTriangles(model.triangles), notes });
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
    addRow(model.normals, readNormal(s, model), 0);
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

/** A normal, or zeros for one that is not three numbers. */
function readNormal(s: TextScanner, model: ObjModel): number[] {
  try {
    return readRow(s, "vn");
  } catch (error) {
    if (!(error instanceof DataError)) throw error;
    countBadNormal(model, `line ${s.line}: not three numbers`);
    return [0, 0, 0];
  }
}

function countBadNormal({ badNormals }: ObjModel, what: string): void {
  if (badNormals.count++ === 0) badNormals.first = what;
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

/**
 * Goes to the statement's next word. A backslash (the scanner's separator) continues it on the next
 * line.
 */
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
    const vertex = resolve(s, model, match[1]);
    corners.push(vertex);
    if (match[2] === undefined) continue;
    const number = Number(match[2]);
    const normal = number < 0 ? model.normals.count + number : number - 1;
    if (normal >= 0 && normal < 2 ** 32) addRow(model.cornerNormals, [vertex, normal], 0);
    else countBadNormal(model, `line ${s.line}: a face names normal ${number}`);
  }
  addPolygon(model.triangles, corners, corners.length);
}

/** A face's vertex as an index from 0. Negative numbers count back from the latest. */
function resolve(s: TextScanner, { coords: { count }, named }: ObjModel, word: string): number {
  const number = Number(word);
  const index = number < 0 ? count + number : number - 1;
  if (!(index >= 0 && index < 2 ** 32)) {
    throw formatError(
      s.where,
      { line: s.line },
      `a face names vertex ${word}; the file holds ${count} so far, counted from 1.`,
    );
  }
  if (index > named.index) [named.index, named.line] = [index, s.line];
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
 * A normal for each vertex: the mean of those its corners name or, where no corner names one, the
 * normals in order if there are as many as vertices. Undefined when a vertex is left without.
 */
function normalsOfVertices(model: ObjModel): Rows | undefined {
  const { coords, normals, cornerNormals } = model;
  for (let i = 0; i < cornerNormals.count; i++) {
    const normal = cornerNormals.values[2 * i + 1];
    if (normal >= normals.count) {
      countBadNormal(model, `a face names normal ${normal + 1}, there are ${normals.count}`);
    }
  }
  if (model.badNormals.count > 0) return undefined;
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
