/** Where a text table begins, what separates its columns, and what they are called. */

import { areAxes, isLabelName } from "../column_names.ts";
import { printable } from "../../../base/printable.ts";
import { formatError, type ReadOptions } from "../reader.ts";
import {
  beginsWithNumber,
  COMMENTS,
  countValues,
  endsEmpty,
  holdsNumber,
  lineStart,
  nextRow,
  splitLine,
  splitNames,
} from "./text_rows.ts";
import {
  nextLine,
  passField,
  passSeparator,
  restOfLine,
  scanText,
  textOf,
  type TextScanner,
} from "./text_scanner.ts";

/** A table's place and shape. */
export interface TextTable {
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
  /** The column whose words are the points' classes. */
  readonly wordLabels?: number;
  /** Said where names in a comment do not fit the rows. */
  readonly note?: string;
}

/** What separates columns where a file does not say. */
export const ANY_SEPARATOR = '",;|';
/** Lines that may stand before the line of names, such as a title. */
const MOST_TITLES = 20;
/** The name of a column that is passed over. */
const SKIPPED = "_";
/** More columns than any scan has: the file is something else. */
const MOST_COLUMNS = 1000;
/** Rows that are asked whether commas separate columns or decimals. */
const SAMPLE_ROWS = 50;
/** Where comments before the first row are looked for. */
const MOST_COMMENTS = 65_536;
const COMMA = 0x2c, POINT = 0x2e, QUOTE = 0x22;

/**
 * Finds a text's table, from `start` on.
 * @throws {DataError} There is none, or its columns are not as told.
 */
export function findTable(
  bytes: Uint8Array,
  where: string,
  start: number,
  options: ReadOptions,
): TextTable {
  const any = scanText(bytes, where, { comments: COMMENTS, blanks: ANY_SEPARATOR }, start);
  if (!nextRow(any)) throw formatError(where, { line: any.line }, "there is no line with points.");
  const header = passHeader(any);
  let hasRows = nextRow(any);
  const { separator, text } = separators(any, options.delimiter, hasRows);
  const scanner = scanText(
    text,
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
  const commented = given === undefined
    ? commentedNames(bytes.subarray(start, any.pos), width)
    : undefined;
  const names = given ?? commented?.names;
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
  // A row without names may begin with its class; what stands among coordinates is an error.
  const unnamed = beginsWithNumber(first) ? ["x", "y", "z"] : ["", "x", "y", "z"];
  const words = hasRows ? findWords(first, names ?? unnamed, passed) : [];
  // Without names, words are classes where one column alone holds them.
  const wordLabels = names === undefined
    ? (words.length === 1 ? words[0] : undefined)
    : words.find((k) => isLabelName(names[k]));
  const line = header?.line ?? first.line, note = commented?.note;
  return { scanner, names, line, width, counted, passed, wordLabels, note };
}

/**
 * Goes past the line of names, titles before and units after it; undefined where rows come first.
 */
function passHeader(s: TextScanner): { readonly text: string; readonly line: number } | undefined {
  if (beginsWithNumber(s)) return undefined;
  passTitles(s);
  if (beginsWithWord(s)) return undefined;
  const header = { text: restOfLine({ ...s, pos: lineStart(s) }), line: s.line };
  nextLine(s);
  const units = { ...s };
  const isNumber = (word: string): boolean => word !== "" && !Number.isNaN(Number(word));
  if (nextRow(units) && !splitNames(restOfLine(units), undefined).some(isNumber)) {
    const row = { ...units };
    nextLine(row);
    // A row without a number is none, so what stands between names and rows are units.
    if (!beginsWithNumber(units) && nextRow(row) && beginsWithNumber(row)) Object.assign(s, row);
  }
  return header;
}

/** True for a row of a word and three numbers or more: no names. */
function beginsWithWord(s: TextScanner): boolean {
  const [, ...rest] = splitNames(restOfLine({ ...s, pos: lineStart(s) }), undefined);
  return rest.filter((word) => /^[-+]?(\d+([.,]\d*)?|[.,]\d+)(e[-+]?\d+)?$/i.test(word)).length >=
    3;
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

/**
 * What stands between the columns of the rows from here on, and the bytes to read: a decimal comma
 * becomes a point. Rows without a fraction say nothing of commas, so the first rows are asked, and
 * the first with a comma wherever it is.
 */
function separators(
  s: TextScanner,
  given: string | undefined,
  hasRows: boolean,
): { separator: string | undefined; text: Uint8Array } {
  const rows = hasRows ? sampleRows(s) : [];
  const row = rows[0] ?? "";
  const between = [";", "|"].find((each) => row.includes(each)) ??
    (rows.length > 0 && rows.every(areDecimalCommas) ? undefined : ",");
  const separator = given ?? (between !== undefined && row.includes(between) ? between : undefined);
  if (separator !== ",") {
    const fields = rows.flatMap((each) => splitLine(each, separator));
    const decimalCommas = fields.some((field) => DECIMAL_COMMA.test(field)) &&
      !fields.some((field) => /^[-+]?\d*\.\d+(e[-+]?\d+)?$/i.test(field));
    return { separator, text: decimalCommas ? commasToPoints(s.bytes, false) : s.bytes };
  }
  const quoted = rows.some((each) => /"\s*[-+]?\d*,\d+(e[-+]?\d+)?\s*"/i.test(each));
  return { separator, text: quoted ? commasToPoints(s.bytes, true) : s.bytes };
}

const DECIMAL_COMMA = /^[-+]?\d*,\d+(e[-+]?\d+)?$/i;

/**
 * True for three numbers or more that blanks separate, with decimal commas or none: no comma is a
 * separator.
 */
function areDecimalCommas(row: string): boolean {
  const words = row.trim().split(/\s+/);
  return words.length >= 3 && words.every((word) => /^[-+]?\d+(,\d+)?(e[-+]?\d+)?$/i.test(word));
}

/** The first rows from here on, then the first later one with a comma. */
function sampleRows(s: TextScanner): string[] {
  const probe = { ...s };
  const rows: string[] = [];
  while (rows.length < SAMPLE_ROWS && nextRow(probe)) {
    rows.push(restOfLine(probe));
    nextLine(probe);
  }
  if (rows.some((row) => row.includes(","))) return rows;
  const comma = s.bytes.indexOf(COMMA, probe.pos);
  if (comma >= 0) rows.push(restOfLine({ ...probe, pos: lineStart({ ...probe, pos: comma }) }));
  return rows;
}

/** The bytes with points for commas: all, or those between digits that quotation marks enclose. */
function commasToPoints(bytes: Uint8Array, quotedOnly: boolean): Uint8Array {
  const out = Uint8Array.from(bytes);
  const isDigit = (byte: number): boolean => byte >= 48 && byte <= 57;
  let quoted = !quotedOnly;
  for (let i = 0; i < out.length; i++) {
    if (quotedOnly && out[i] === QUOTE) quoted = !quoted;
    else if (out[i] === COMMA && quoted && (!quotedOnly || isDigit(out[i + 1]))) out[i] = POINT;
  }
  return out;
}

/**
 * Marks the columns that hold words in the row here, such as a class's name or a date. Coordinates
 * never do.
 */
function findWords(row: TextScanner, names: readonly string[], passed: boolean[]): number[] {
  const probe = { ...row };
  const words: number[] = [];
  for (let k = 0; k < passed.length; k++) {
    const start = { ...probe };
    if (passField(probe) && !/^[xyz]$/i.test(names[k] ?? "") && !holdsNumber({ ...start })) {
      if (!passed[k]) {
        const field = textOf(probe.bytes.subarray(start.pos, probe.pos)).trim();
        // A word begins with a letter: a date or a time is no class.
        if (/^"?\s*\p{L}/u.test(field)) words.push(k);
      }
      passed[k] = true;
    }
    passSeparator(probe);
  }
  return words;
}

/**
 * Names in a comment before the first row ("//X Y Z", "# x y z", "# time easting northing height
 * [m]"), if it is that: one for each column, of which one is an x and one a y. The last such
 * comment counts; rules and units may follow it.
 */
function commentedNames(
  before: Uint8Array,
  width: number,
): { names?: string[]; note?: string } {
  let note: string | undefined;
  const lines = textOf(before.subarray(-MOST_COMMENTS)).trim().split(/[\n\r]+/);
  for (const line of lines.reverse()) {
    const text = /^\s*(?:#|%|\/\/)+\s*(.+)$/.exec(line)?.[1];
    if (text === undefined) continue;
    // "# Columns: x y z"
    for (const part of [text, text.replace(/^[\w ]+:\s*/, "")]) {
      const names = splitNames(part, undefined);
      if (!areAxes(names)) continue;
      if (names.length === width) return { names };
      note ??=
        `a comment names ${names.length} columns (${
          printable(names.join(", "))
        }), the rows have ${width}: ` +
        "the comment is passed over; name them with --columns (option columns)";
    }
  }
  return { note };
}
