/**
 * Points as text: XYZ, TXT, ASC, CSV, PTS and the like: a line a point. Delimiter and columns are
 * found out or given. Columns that hold words in the first row (a date, a remark) are passed over,
 * but for one of classes.
 */

import { UsageError } from "../../../base/errors.ts";
import type { PointCloud } from "../../point_cloud.ts";
import { cloudFromColumns, type Column } from "../columns.ts";
import { isPtx, readPtx } from "../ptx.ts";
import { formatError, type FormatReader, type ReadOptions } from "../reader.ts";
import { guessNotes, nameColumns } from "./text_layout.ts";
import { binaryByte, COMMENTS, countValues, isMissing, lineStart, nextRow } from "./text_rows.ts";
import {
  countLines,
  nextLine,
  nextWord,
  passField,
  passSeparator,
  readInteger,
  readNumber,
  scanText,
  SEPARATOR,
  skipWord,
  textOf,
  type TextScanner,
} from "./text_scanner.ts";
import { ANY_SEPARATOR, findTable, type TextTable } from "./text_table.ts";

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

/**
 * The `delimiter` that a command line names: one character, or `\\t`.
 * @throws {UsageError} It is not that.
 */
export function parseDelimiter(text: string | undefined): string | undefined {
  if (text === "\\t") return "\t";
  if (text === undefined || text.length === 1) return text;
  throw new UsageError(`--delimiter: expected one character, or \\t, got ${JSON.stringify(text)}`);
}

function readText(bytes: Uint8Array, where: string, options: ReadOptions): PointCloud {
  const binary = binaryByte(bytes.subarray(0, 4096));
  if (binary >= 0) {
    const utf16 = (bytes[0] === 0xff && bytes[1] === 0xfe) ||
      (bytes[0] === 0xfe && bytes[1] === 0xff);
    const before = scanText(bytes, where, {}, 0);
    while (nextLineBefore(before, binary));
    throw formatError(
      where,
      { line: before.line, column: binary - before.pos + 1 },
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

/** Goes to the next line if that begins at `end` or before. */
function nextLineBefore(s: TextScanner, end: number): boolean {
  const next = { ...s };
  nextLine(next);
  if (next.pos > end || next.line === s.line) return false;
  Object.assign(s, next);
  return true;
}

function readTable(
  bytes: Uint8Array,
  where: string,
  start: number,
  extension: string,
  options: ReadOptions,
): PointCloud {
  const table = findTable(bytes, where, start, options);
  const { scanner, width, line, names, passed, note } = table;
  // A row takes at least two bytes a value, so no file makes this allocate more than a few times
  // its size.
  const left = bytes.length - scanner.pos + 1;
  const capacity = Math.min(countLines(scanner), Math.ceil(left / (2 * width)));
  const values = Array.from({ length: width }, () => new Float64Array(capacity));
  const words = new Words();
  const count = readRows(table, values, words);
  const filled = values.map((column) => column.subarray(0, count));
  const columns: Column[] = [];
  const kept = filled.filter((_, k) => !passed[k]);
  const keptNames = names?.filter((_, k) => !passed[k]) ?? nameColumns(kept, extension);
  // Without a name for them, words are classes only where they repeat.
  const classes = words.numbered(names === undefined ? count / 2 : MOST_CLASSES);
  if (classes !== undefined) columns.push({ name: "label", data: classes.labels });
  kept.forEach((data, k) => columns.push({ name: keptNames[k], data }));
  return cloudFromColumns(where, columns, {
    at: { line },
    classNames: classes?.names,
    notes: note !== undefined ? [note] : names === undefined ? guessNotes(keptNames) : [],
  });
}

/** More different words than this are no classes. */
const MOST_CLASSES = 1000;

/** The words of a column of classes, row by row. */
class Words {
  readonly #numbers = new Map<string, number>();
  readonly #rows: number[] = [];

  add(word: string): void {
    const bare = word.trim().replace(/^"\s*(.*?)\s*"$/, "$1");
    let number = bare === "" ? -1 : this.#numbers.get(bare);
    if (number === undefined) this.#numbers.set(bare, number = this.#numbers.size);
    this.#rows.push(number);
  }

  /** Labels by the words' alphabet, -1 for none; undefined where there are more than `most`. */
  numbered(most: number): { labels: Int32Array; names: string[] } | undefined {
    if (this.#numbers.size === 0 || this.#numbers.size > Math.min(most, MOST_CLASSES)) {
      return undefined;
    }
    const words = [...this.#numbers.keys()];
    const names = words.toSorted((a, b) => (a < b ? -1 : 1));
    const places = words.map((word) => names.indexOf(word));
    return { labels: Int32Array.from(this.#rows, (row) => places[row] ?? -1), names };
  }
}

/** Fills the columns; returns the number of rows. */
function readRows(table: TextTable, values: Float64Array[], words: Words): number {
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
      readRow(table, values, count++, words);
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
  { scanner: s, names, width, passed, wordLabels }: TextTable,
  values: Float64Array[],
  row: number,
  words: Words,
): void {
  const separated = s.kinds.includes(SEPARATOR);
  let got = 0;
  while (got < width) {
    const start = s.pos;
    const there = passed[got] ? passField(s) : nextWord(s);
    if (got === wordLabels) words.add(there ? textOf(s.bytes.subarray(start, s.pos)) : "");
    if (there) {
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
