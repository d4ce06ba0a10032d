/**
 * Points as text: XYZ, TXT, ASC, CSV, PTS and the like: a line a point. Delimiter and columns are found out or given.
 * Columns that hold words in the first row (a class's name, a date) are passed over.
 */

import { DataError, UsageError } from "../../errors.ts";
import type { PointCloud } from "../point_cloud.ts";
import { cloudFromColumns, type Column } from "./columns.ts";
import { isPtx, readPtx } from "./ptx.ts";
import { formatError, type FormatReader, type ReadOptions } from "./reader.ts";
import { nameColumns } from "./text_layout.ts";
import {
  countLines,
  nextLine,
  nextWord,
  nextWordAnyLine,
  passField,
  passSeparator,
  QUOTE,
  readInteger,
  readNumber,
  restOfLine,
  scanText,
  SEPARATOR,
  skipWord,
  textOf,
  type TextScanner,
} from "./text_scanner.ts";

/** The reader of text tables. */
export const textReader: FormatReader = {
  name: "text",
  extensions: ["xyz", "txt", "csv", "pts", "ptx", "asc", "tsv", "xyzn", "xyzrgb", "xyzi", "xyb"],
  detect: () => false,
  plausible: (head) => {
    const text = new TextDecoder("latin1").decode(head);
    return binaryByte(head) < 0 &&
      /(^|[\n\r])[ \t]*[-+.\d][-+.\deE]*([ \t,;]+[-+.\d][-+.\deE]*){2,}/.test(text);
  },
  read: readText,
};

/** The `delimiter` that a command line names: one character, or `\\t`. @throws {UsageError} It is not that. */
export function parseDelimiter(text: string | undefined): string | undefined {
  if (text === "\\t") return "\t";
  if (text === undefined || text.length === 1) return text;
  throw new UsageError(`--delimiter: expected one character, or \\t, got ${JSON.stringify(text)}`);
}

const COMMENTS = "#%";
const ANY_SEPARATOR = '",;|';
/** Lines that may stand before the line of names, such as a title. */
const MOST_TITLES = 20;
/** The name of a column that is passed over. */
const SKIPPED = "_";
/** More columns than any scan has: the file is something else. */
const MOST_COLUMNS = 1000;

function readText(bytes: Uint8Array, where: string, options: ReadOptions): PointCloud {
  const binary = binaryByte(bytes.subarray(0, 4096));
  if (binary >= 0) {
    const utf16 = (bytes[0] === 0xff && bytes[1] === 0xfe) ||
      (bytes[0] === 0xfe && bytes[1] === 0xff);
    throw formatError(
      where,
      { byte: binary },
      utf16
        ? "the text is UTF-16; save it as UTF-8."
        : `expected text, got the byte 0x${bytes[binary].toString(16).padStart(2, "0")}.`,
    );
  }
  const start = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0;
  const extension = /\.(\w+)$/.exec(where)?.[1].toLowerCase() ?? "";
  const blank = scanText(bytes, where, { comments: COMMENTS, blanks: ANY_SEPARATOR }, start);
  if (extension === "ptx" || isPtx(blank)) return readPtx(blank);
  return readTable(bytes, where, start, extension, options);
}

/** The position of the first byte that no text holds, or -1. */
function binaryByte(head: Uint8Array): number {
  return head.findIndex((byte) => byte < 32 && (byte < 9 || byte > 13) && byte !== 0x1a);
}

/** Goes to the next line that is neither blank nor a comment. */
function nextRow(s: TextScanner): boolean {
  while (nextWordAnyLine(s)) {
    if (s.bytes[s.pos] !== 0x2f || s.bytes[s.pos + 1] !== 0x2f) {
      // The quotation mark belongs to the first value.
      if (s.bytes[s.pos - 1] === QUOTE) s.pos--;
      return true;
    }
    nextLine(s);
  }
  return false;
}

/** A table's place and shape. */
interface Table {
  /** At the first row; in a file with a count, at the count. */
  readonly scanner: TextScanner;
  readonly names?: readonly string[];
  /** The line of the names, else of the first row. */
  readonly line: number;
  /** Values a row. */
  readonly width: number;
  /** The first line holds the number of points. */
  readonly counted: boolean;
  /** For each column, true when it is passed over: its name says so, or it holds words. */
  readonly passed: readonly boolean[];
}

function readTable(
  bytes: Uint8Array,
  where: string,
  start: number,
  extension: string,
  options: ReadOptions,
): PointCloud {
  const table = findTable(bytes, where, start, options);
  const { scanner, width, line, names, passed } = table;
  // A row takes at least two bytes a value, so no file makes this allocate more than a few times its size.
  const left = bytes.length - scanner.pos + 1;
  const capacity = Math.min(countLines(scanner), Math.ceil(left / (2 * width)));
  const values = Array.from({ length: width }, () => new Float64Array(capacity));
  const count = readRows(table, values);
  const filled = values.map((column) => column.subarray(0, count));
  const columns: Column[] = [];
  const kept = filled.filter((_, k) => !passed[k]);
  const keptNames = names?.filter((_, k) => !passed[k]) ?? nameColumns(kept, extension);
  kept.forEach((data, k) => columns.push({ name: keptNames[k], data }));
  return cloudFromColumns(where, columns, { at: { line } });
}

function findTable(
  bytes: Uint8Array,
  where: string,
  start: number,
  options: ReadOptions,
): Table {
  const any = scanText(bytes, where, { comments: COMMENTS, blanks: ANY_SEPARATOR }, start);
  let header: { readonly text: string; readonly line: number } | undefined;
  let hasRows = nextRow(any);
  if (!hasRows) throw formatError(where, { line: any.line }, "there is no line with points.");
  if (!beginsWithNumber(any)) {
    passTitles(any);
    header = { text: restOfLine({ ...any, pos: lineStart(any) }), line: any.line };
    nextLine(any);
    hasRows = nextRow(any);
  }
  const row = restOfLine(any);
  const between = [";", "|"].find((each) => row.includes(each)) ??
    (hasDecimalCommas(row) ? undefined : ",");
  const separator = options.delimiter ?? [between].find((each) => each && row.includes(each));
  const decimalCommas = separator !== "," && row.includes(",") && !row.includes(".");
  const scanner = scanText(
    decimalCommas ? bytes.map((byte) => byte === 0x2c ? 0x2e : byte) : bytes,
    where,
    { comments: COMMENTS, blanks: '"', separator: separator === " " ? undefined : separator },
    any.pos,
    any.line,
  );
  const first: TextScanner = { ...scanner };
  const counted = hasRows && countValues(first) === 1;
  if (counted) {
    nextLine(first);
    hasRows = nextRow(first);
  }
  const given = options.columns ?? (header && splitNames(header.text, separator));
  const found = hasRows ? countValues(first) : given?.length ?? 3;
  // A row may end with an empty value.
  const width = given?.length === found + 1 && endsEmpty(first) ? found + 1 : found;
  const names = given ?? commentedNames(bytes.subarray(start, any.pos), width);
  if (names !== undefined && names.length !== width) {
    throw formatError(
      where,
      { line: first.line },
      `expected ${names.length} values (${names.join(", ").slice(0, 200)}), got ${width}.`,
    );
  }
  if (width > MOST_COLUMNS || (names === undefined && width < 3)) {
    const limit = width < 3 ? "at least 3" : `at most ${MOST_COLUMNS}`;
    throw formatError(where, { line: first.line }, `expected ${limit} columns, got ${width}.`);
  }
  const passed = Array.from({ length: width }, (_, k) => names?.[k] === SKIPPED);
  if (hasRows) findWords(first, names ?? ["x", "y", "z"], passed);
  return { scanner, names, line: header?.line ?? first.line, width, counted, passed };
}

/** Marks the columns that hold words in the row here, such as a class's name or a date. Coordinates never do. */
function findWords(row: TextScanner, names: readonly string[], passed: boolean[]): void {
  const probe = { ...row };
  for (let k = 0; k < passed.length; k++) {
    const start = { ...probe };
    if (passField(probe) && !/^[xyz]$/i.test(names[k] ?? "") && !holdsNumber(start)) {
      passed[k] = true;
    }
    passSeparator(probe);
  }
}

function holdsNumber(field: TextScanner): boolean {
  if (!nextWord(field) || isMissing(field)) return true;
  try {
    readNumber(field);
    return true;
  } catch (error) {
    if (error instanceof DataError) return false;
    throw error;
  }
}

/** True at a word that stands for no value: NA, N/A, NULL, None. */
function isMissing({ bytes, pos }: TextScanner): boolean {
  return (bytes[pos] | 32) === 0x6e &&
    /^(na|n\/a|null|none)(?![\w.])/i.test(textOf(bytes.subarray(pos, pos + 5)));
}

/** True for three numbers or more that blanks separate, some of them like 1,5: the commas are no separators. */
function hasDecimalCommas(row: string): boolean {
  const words = row.trim().split(/\s+/);
  return words.length >= 3 && words.every((word) => /^[-+]?\d+(,\d+)?(e[-+]?\d+)?$/i.test(word));
}

/** Goes on to the line of names where others stand before it; stays where there is none. */
function passTitles(s: TextScanner): void {
  const probe = { ...s };
  for (let line = 0; line < MOST_TITLES && !beginsWithNumber(probe); line++) {
    if (areAxes(splitNames(restOfLine({ ...probe, pos: lineStart(probe) }), undefined))) {
      s.pos = probe.pos;
      s.line = probe.line;
      return;
    }
    nextLine(probe);
    if (!nextRow(probe)) return;
  }
}

function areAxes(names: readonly string[]): boolean {
  const known = names.map((name) => name.toLowerCase());
  return known.includes("x") && known.includes("y");
}

function beginsWithNumber(s: TextScanner): boolean {
  const word = textOf(s.bytes.subarray(s.pos, s.pos + 8));
  return /^"?[-+]?(\.?\d|nan\b|inf)/i.test(word);
}

/** How many values the line here has; an empty one after a last separator is none. */
function countValues(s: TextScanner): number {
  const probe = { ...s };
  let count = 0;
  for (;;) {
    const word = passField(probe);
    const separated = passSeparator(probe);
    if (!word && !separated) return count;
    count++;
  }
}

/** True when a separator is the last thing on the line here. */
function endsEmpty(s: TextScanner): boolean {
  const probe = { ...s };
  let separated = false;
  for (;;) {
    const word = passField(probe);
    const passed = passSeparator(probe);
    if (!word && !passed) return separated;
    separated = passed;
  }
}

function splitNames(text: string, separator: string | undefined): string[] {
  const own = separator !== undefined && text.includes(separator)
    ? separator
    : [";", "|", ","].find((each) => text.includes(each)) ?? /\s+/;
  const names = text.trim().split(own).map((name) => name.trim().replace(/^"(.*)"$/, "$1").trim());
  const named = names.at(-1) === "" ? names.slice(0, -1) : names;
  return named.map((name, k) => name === "" ? `column_${k + 1}` : name);
}

/** Names in the last comment before the first row ("//X Y Z", "# x y z"), if they are that: one for each column. */
function commentedNames(before: Uint8Array, width: number): string[] | undefined {
  const lines = textOf(before.subarray(-4096)).trim().split(/[\n\r]+/);
  const match = /^\s*(?:#|%|\/\/)+\s*(.+)$/.exec(lines.at(-1)!);
  if (match === null) return;
  const names = splitNames(match[1], undefined);
  return names.length === width && areAxes(names) ? names : undefined;
}

/** Fills the columns; returns the number of rows. */
function readRows(table: Table, values: Float64Array[]): number {
  const { scanner: s, counted } = table;
  let count = 0;
  let declared = 0;
  while (nextRow(s)) {
    if (counted && count === declared) {
      // PTS files of several scans have a count before each.
      const got = countValues(s);
      if (got !== 1) {
        throw formatError(
          s.where,
          { line: s.line },
          `the file declares ${declared} points and holds more.`,
        );
      }
      declared += readInteger(s, "a number of points");
    } else {
      readRow(table, values, count++);
    }
    nextLine(s);
  }
  if (counted && count < declared) {
    throw formatError(
      s.where,
      { line: s.line },
      `the file declares ${declared} points and holds ${count}.`,
    );
  }
  return count;
}

function readRow(
  { scanner: s, names, width, passed }: Table,
  values: Float64Array[],
  row: number,
): void {
  const separated = s.kinds.includes(SEPARATOR);
  let got = 0;
  while (got < width) {
    if (passed[got] ? passField(s) : nextWord(s)) {
      if (!passed[got]) {
        if (isMissing(s)) {
          skipWord(s);
          values[got][row] = NaN;
        } else values[got][row] = readNumber(s);
      }
      got++;
      if (separated && !passSeparator(s)) break;
    } else if (separated && passSeparator(s)) values[got++][row] = NaN;
    else if (separated && got === width - 1 && got > 0) values[got++][row] = NaN;
    else break;
  }
  if (got === width && !nextWord(s) && !passSeparator(s)) return;
  throw formatError(
    s.where,
    { line: s.line },
    `expected ${width} values${
      names === undefined ? "" : ` (${names.join(", ").slice(0, 200)})`
    }, got ${countValues({ ...s, pos: lineStart(s) })}.`,
  );
}

function lineStart({ bytes, pos }: TextScanner): number {
  let start = pos;
  while (start > 0 && bytes[start - 1] !== 10 && bytes[start - 1] !== 13) start--;
  return start;
}
