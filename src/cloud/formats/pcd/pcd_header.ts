/** The header of a PCD file. */

import { formatError } from "../reader.ts";
import { quote } from "../text/text_scanner.ts";

/** One entry of FIELDS: `count` values of `size` bytes a point. */
export interface PcdField {
  readonly name: string;
  readonly size: 1 | 2 | 4 | 8;
  /** Signed or unsigned integer, or float. */
  readonly type: "I" | "U" | "F";
  readonly count: number;
}

export interface PcdHeader {
  readonly fields: readonly PcdField[];
  readonly points: number;
  readonly data: "ascii" | "binary" | "binary_compressed";
  /** Where the points begin: byte, and line of the file. */
  readonly start: number;
  readonly line: number;
  /** The line of FIELDS. */
  readonly fieldsLine: number;
}

const KEYS = [
  "VERSION",
  "FIELDS",
  "COLUMNS",
  "SIZE",
  "TYPE",
  "COUNT",
  "WIDTH",
  "HEIGHT",
  "VIEWPOINT",
  "POINTS",
  "DATA",
];
const FORMATS = ["ascii", "binary", "binary_compressed"] as const;
const LONGEST_LINE = 65536;

/** One header line's words after its key, and where it stands. */
interface Entry {
  readonly words: readonly string[];
  readonly line: number;
}

/** Reads the header, up to and with the line DATA. */
export function readPcdHeader(bytes: Uint8Array, where: string): PcdHeader {
  const entries = new Map<string, Entry>();
  let pos = 0;
  for (let line = 1;; line++) {
    let end = pos;
    while (end < bytes.length && bytes[end] !== 10 && bytes[end] !== 13) end++;
    if (pos >= bytes.length || end - pos > LONGEST_LINE) {
      throw formatError(where, { line }, "the header has no line DATA.");
    }
    const words = new TextDecoder().decode(bytes.subarray(pos, end)).trim().split(/\s+/);
    pos = end + (bytes[end] === 13 && bytes[end + 1] === 10 ? 2 : 1);
    if (words[0] === "" || words[0].startsWith("#")) continue;
    const key = words[0].toUpperCase();
    if (!KEYS.includes(key)) {
      throw formatError(
        where,
        { line },
        `expected a PCD header line (${KEYS.join(", ")}), got ${quote(words.join(" "))}.`,
      );
    }
    entries.set(key === "COLUMNS" ? "FIELDS" : key, { words: words.slice(1), line });
    if (key === "DATA") return interpret(entries, where, Math.min(pos, bytes.length), line + 1);
  }
}

function interpret(
  entries: ReadonlyMap<string, Entry>,
  where: string,
  start: number,
  line: number,
): PcdHeader {
  const names = entries.get("FIELDS");
  if (names === undefined) {
    throw formatError(where, { line: line - 1 }, "the header has no FIELDS.");
  }
  const perField = (key: string): Entry | undefined => {
    const entry = entries.get(key);
    if (entry === undefined || entry.words.length === names.words.length) return entry;
    throw formatError(
      where,
      { line: entry.line },
      `${key} has ${entry.words.length} entries, FIELDS ${names.words.length}.`,
    );
  };
  const [sizes, types, counts] = ["SIZE", "TYPE", "COUNT"].map(perField);
  const fields = names.words.map((name, i): PcdField => {
    const size = sizes === undefined ? 4 : wholeNumber(sizes, i, "SIZE", where);
    const type = types?.words[i].toUpperCase() ?? "F";
    const count = counts === undefined ? 1 : wholeNumber(counts, i, "COUNT", where);
    if (
      (type !== "F" && type !== "I" && type !== "U") ||
      (size !== 1 && size !== 2 && size !== 4 && size !== 8) || (type === "F" && size < 4)
    ) {
      throw formatError(
        where,
        { line: (types ?? sizes ?? names).line },
        `field ${
          quote(name)
        } is of TYPE ${type}, SIZE ${size}; there are I and U of 1, 2, 4 or 8, F of 4 or 8.`,
      );
    }
    return { name, size, type, count };
  });

  const data = entries.get("DATA")!;
  const format = FORMATS.find((each) => each === data.words[0]?.toLowerCase());
  if (format === undefined) {
    throw formatError(
      where,
      { line: data.line },
      `expected DATA ${FORMATS.join(", ")}, got ${quote(data.words.join(" "))}.`,
    );
  }
  return {
    fields,
    points: pointCount(entries, where, line - 1),
    data: format,
    start,
    line,
    fieldsLine: names.line,
  };
}

function pointCount(entries: ReadonlyMap<string, Entry>, where: string, line: number): number {
  const number = (key: string): number | undefined => {
    const entry = entries.get(key);
    return entry === undefined ? undefined : wholeNumber(entry, 0, key, where);
  };
  const points = number("POINTS");
  const width = number("WIDTH");
  const grid = width === undefined ? undefined : width * (number("HEIGHT") ?? 1);
  if (points !== undefined && grid !== undefined && points !== grid) {
    throw formatError(
      where,
      { line: entries.get("POINTS")!.line },
      `POINTS ${points} is not WIDTH times HEIGHT, ${grid}.`,
    );
  }
  const count = points ?? grid;
  if (count === undefined) {
    throw formatError(where, { line }, "the header has neither POINTS nor WIDTH.");
  }
  return count;
}

function wholeNumber({ words, line }: Entry, i: number, key: string, where: string): number {
  const value = /^\d+$/.test(words[i] ?? "") ? Number(words[i]) : NaN;
  if (Number.isSafeInteger(value)) return value;
  throw formatError(
    where,
    { line },
    `expected a whole number of 0 or more after ${key}, got ${quote(words[i] ?? "")}.`,
  );
}
