/** The header of a PLY file: which elements follow, how many, and how each is laid out. */

import { formatError } from "../reader.ts";
import { quote } from "../text/text_scanner.ts";

/** PLY's number types, under their newer names. */
export type PlyType =
  | "int8"
  | "uint8"
  | "int16"
  | "uint16"
  | "int32"
  | "uint32"
  | "float32"
  | "float64";

/** Bytes of a value. */
export const PLY_SIZES: Readonly<Record<PlyType, number>> = {
  int8: 1,
  uint8: 1,
  int16: 2,
  uint16: 2,
  int32: 4,
  uint32: 4,
  float32: 4,
  float64: 8,
};

const TYPE_NAMES: Readonly<Record<string, PlyType>> = {
  char: "int8",
  uchar: "uint8",
  short: "int16",
  ushort: "uint16",
  int: "int32",
  uint: "uint32",
  float: "float32",
  double: "float64",
};

/** A property of an element; with `countType` a list of values, its length before them. */
export interface PlyProperty {
  readonly name: string;
  readonly type: PlyType;
  readonly countType?: PlyType;
}

/** `count` rows of `properties`. */
export interface PlyElement {
  readonly name: string;
  readonly count: number;
  readonly properties: PlyProperty[];
  /** The header line that declares it. */
  readonly line: number;
}

export interface PlyHeader {
  readonly format: "ascii" | "binary_little_endian" | "binary_big_endian";
  readonly elements: readonly PlyElement[];
  /** Where the data begin: byte, and line of the file. */
  readonly start: number;
  readonly line: number;
}

const FORMATS = ["ascii", "binary_little_endian", "binary_big_endian"] as const;
// Longer lines are data taken for a header; comments of real files stay far below.
const LONGEST_LINE = 65536;

/** Reads the header, up to and with the line `end_header`. */
export function readPlyHeader(bytes: Uint8Array, where: string): PlyHeader {
  const elements: PlyElement[] = [];
  let format: PlyHeader["format"] | undefined;
  let pos = 0;
  for (let line = 1;; line++) {
    const start = pos;
    while (pos < bytes.length && bytes[pos] !== 10 && bytes[pos] !== 13) pos++;
    if (pos >= bytes.length || pos - start > LONGEST_LINE) {
      // `end_header` may be the last word of a file that holds no data.
      if (pos - start === 10 && lineText(bytes, start, pos) === "end_header") {
        return finish(where, format, elements, pos, line);
      }
      throw formatError(where, { line }, "the header has no line end_header.");
    }
    const text = lineText(bytes, start, pos).trim();
    const last = text === "end_header";
    pos = afterLineEnd(bytes, pos, last && format !== "ascii");
    if (last) return finish(where, format, elements, pos, line + 1);
    const words = text.split(/\s+/);
    if (line === 1) {
      if (text === "ply") continue;
      throw formatError(where, { line }, `expected "ply", got ${quote(text)}.`);
    }
    switch (words[0]) {
      case "":
      case "comment":
      case "obj_info":
        continue;
      case "format":
        format = FORMATS.find((each) => each === words[1]);
        if (format === undefined) {
          throw formatError(
            where,
            { line },
            `expected the format ${FORMATS.join(", ")}, got ${quote(words[1] ?? "")}.`,
          );
        }
        continue;
      case "element":
        elements.push(parseElement(words, where, line));
        continue;
      case "property": {
        const element = elements.at(-1);
        if (element === undefined) {
          throw formatError(where, { line }, "a property stands before the first element.");
        }
        element.properties.push(parseProperty(words, where, line));
        continue;
      }
    }
    throw formatError(
      where,
      { line },
      `expected a PLY header line (format, element, property, comment, obj_info, end_header), got ${
        quote(text)
      }.`,
    );
  }
}

function lineText(bytes: Uint8Array, start: number, end: number): string {
  return new TextDecoder().decode(bytes.subarray(start, end));
}

/**
 * The position after LF, CRLF or CR. After `end_header` of a binary file that ended its other lines
 * with CR alone, a LF would be data; with CRLF before, it is not.
 */
function afterLineEnd(bytes: Uint8Array, pos: number, binaryFollows: boolean): number {
  if (bytes[pos] === 10) return pos + 1;
  const crOnly = binaryFollows && bytes[3] === 13 && bytes[4] !== 10;
  return bytes[pos + 1] === 10 && !crOnly ? pos + 2 : pos + 1;
}

function finish(
  where: string,
  format: PlyHeader["format"] | undefined,
  elements: PlyElement[],
  start: number,
  line: number,
): PlyHeader {
  if (format === undefined) {
    throw formatError(where, { line: line - 1 }, "the header has no format line.");
  }
  return { format, elements, start, line };
}

function parseElement(words: string[], where: string, line: number): PlyElement {
  const count = /^\d+$/.test(words[2] ?? "") ? Number(words[2]) : NaN;
  if (words.length !== 3 || !Number.isSafeInteger(count)) {
    throw formatError(
      where,
      { line },
      `expected "element NAME COUNT", got ${quote(words.join(" "))}.`,
    );
  }
  return { name: words[1], count, properties: [], line };
}

function parseProperty(words: string[], where: string, line: number): PlyProperty {
  if (words[1] === "list" && words.length >= 5) {
    const countType = parseType(words[2], where, line);
    return { name: words.slice(4).join(" "), type: parseType(words[3], where, line), countType };
  }
  if (words[1] !== "list" && words.length >= 3) {
    return { name: words.slice(2).join(" "), type: parseType(words[1], where, line) };
  }
  throw formatError(
    where,
    { line },
    `expected "property TYPE NAME" or "property list TYPE TYPE NAME", got ${
      quote(words.join(" "))
    }.`,
  );
}

function parseType(word: string, where: string, line: number): PlyType {
  if (Object.hasOwn(PLY_SIZES, word)) return word as PlyType;
  if (Object.hasOwn(TYPE_NAMES, word)) return TYPE_NAMES[word];
  throw formatError(
    where,
    { line },
    `expected a number type (${Object.keys(TYPE_NAMES).join(", ")}, ${
      Object.keys(PLY_SIZES).join(", ")
    }), got ${quote(word)}.`,
  );
}
