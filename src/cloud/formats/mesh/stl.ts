/** STL: ascii and binary. Each triangle gives three points of its own; none are merged. */

import type { Attribute, PointCloud } from "../../point_cloud.ts";
import { formatError, type FormatReader, recenter, type RecenteredCoords } from "../reader.ts";
import {
  nextLine,
  nextWordAnyLine,
  quote,
  readNumber,
  readWord,
  scanText,
  type TextScanner,
} from "../text/text_scanner.ts";

/** The reader of STL files. */
export const stlReader: FormatReader = {
  name: "STL",
  extensions: ["stl"],
  detect: (head, _fileName, size) => isWholeBinary(head, size) || isAscii(head),
  read: (bytes, where) =>
    // Binary files may begin with "solid" too: their length tells.
    isWholeBinary(bytes, bytes.length) || !isAscii(bytes.subarray(0, 4096))
      ? readBinary(bytes, where)
      : readAscii(bytes, where),
};

const HEADER_BYTES = 84;
const TRIANGLE_BYTES = 50;

function isWholeBinary(head: Uint8Array, size: number): boolean {
  if (size < HEADER_BYTES) return false;
  const declared = new DataView(head.buffer, head.byteOffset, head.byteLength).getUint32(80, true);
  return size === HEADER_BYTES + declared * TRIANGLE_BYTES;
}

function isAscii(head: Uint8Array): boolean {
  return /^(\uFEFF|ï»¿)?\s*solid([^\n\r]*)[\n\r]\s*(facet|endsolid)\s/i.test(
    `${new TextDecoder("latin1").decode(head)}\n`,
  );
}

function readBinary(bytes: Uint8Array, where: string): PointCloud {
  if (bytes.length < HEADER_BYTES) {
    throw formatError(
      where,
      { byte: bytes.length },
      `expected "solid" and facets, or the ${HEADER_BYTES} bytes of a binary header; the file ends.`,
    );
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const declared = view.getUint32(80, true);
  const found = Math.floor((bytes.length - HEADER_BYTES) / TRIANGLE_BYTES);
  if (declared > found) {
    throw formatError(
      where,
      { byte: 80 },
      `the header declares ${declared} triangles, the file holds ${found}.`,
    );
  }
  const coords = new Float32Array(9 * declared);
  const normals = new Float32Array(3 * declared);
  for (let i = 0, at = HEADER_BYTES; i < declared; i++, at += TRIANGLE_BYTES) {
    for (let k = 0; k < 3; k++) normals[3 * i + k] = view.getFloat32(at + 4 * k, true);
    for (let k = 0; k < 9; k++) coords[9 * i + k] = view.getFloat32(at + 12 + 4 * k, true);
  }
  return soup({ coords, origin: [0, 0, 0] }, normals);
}

function readAscii(bytes: Uint8Array, where: string): PointCloud {
  const bom = bytes[0] === 0xef ? 3 : 0;
  const s = scanText(bytes, where, {}, bom);
  // The shortest facet has nine numbers of two bytes; far less than its keywords take.
  let coords = new Float64Array(1024);
  let normals = new Float32Array(512);
  let count = 0;
  let ended = false;
  while (nextWordAnyLine(s)) {
    const word = readWord(s).toLowerCase();
    if (word === "solid" || word === "endsolid") {
      ended = word === "endsolid";
      nextLine(s);
      continue;
    }
    if (word !== "facet") throw unexpected(s, '"facet", "solid" or "endsolid"', word);
    if (9 * (count + 1) > coords.length) {
      coords = grown(coords, new Float64Array(2 * coords.length));
      normals = grown(normals, new Float32Array(2 * normals.length));
    }
    expectWord(s, "normal");
    for (let k = 0; k < 3; k++) normals[3 * count + k] = expectNumber(s);
    expectWord(s, "outer");
    expectWord(s, "loop");
    for (let corner = 0; corner < 3; corner++) {
      expectWord(s, "vertex");
      for (let k = 0; k < 3; k++) coords[9 * count + 3 * corner + k] = expectNumber(s);
    }
    expectWord(s, "endloop");
    expectWord(s, "endfacet");
    count++;
  }
  if (!ended) throw unexpected(s, '"facet" or "endsolid"', "the end of the file");
  return soup(recenter(coords.subarray(0, 9 * count)), normals.subarray(0, 3 * count));
}

function grown<T extends Float32Array | Float64Array>(values: T, larger: T): T {
  larger.set(values);
  return larger;
}

function expectWord(s: TextScanner, expected: string): void {
  const word = nextWordAnyLine(s) ? readWord(s) : "the end of the file";
  if (word.toLowerCase() !== expected) throw unexpected(s, `"${expected}"`, word);
}

function expectNumber(s: TextScanner): number {
  if (!nextWordAnyLine(s)) throw unexpected(s, "a number", "the end of the file");
  return readNumber(s);
}

function unexpected(s: TextScanner, expected: string, got: string): Error {
  return formatError(s.where, { line: s.line }, `expected ${expected}, got ${quote(got)}.`);
}

/** A triangle soup's cloud. The facets' normals are kept where every facet has one. */
function soup(
  { coords, origin, extent, note }: RecenteredCoords,
  facetNormals: Float32Array,
): PointCloud {
  const count = coords.length / 3;
  const attributes = new Map<string, Attribute>();
  const complete = facetNormals.length > 0 && Array.from({ length: count / 3 }).every((_, i) => {
    const length = Math.hypot(...facetNormals.subarray(3 * i, 3 * i + 3));
    return length > 1e-12 && Number.isFinite(length);
  });
  if (complete) {
    const data = Float32Array.from(
      coords,
      (_, i) => facetNormals[3 * Math.floor(i / 9) + i % 3],
    );
    attributes.set("normals", { width: 3, data });
  }
  const triangles = count === 0 ? undefined : Uint32Array.from({ length: count }, (_, i) => i);
  const notes = note === undefined ? undefined : [note];
  return { count, coords, origin, extent, attributes, triangles, ...(notes && { notes }) };
}
