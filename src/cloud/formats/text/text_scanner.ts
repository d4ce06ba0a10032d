/** Numbers and words out of a text file's bytes, without making strings of them. */

import { formatError } from "../reader.ts";

const BLANK = 1;
const NEWLINE = 2;
const COMMENT = 3;
/** The kind of a column separator in `TextScanner.kinds`. */
export const SEPARATOR = 4;

/** A place in a text file. Lines end with LF, CRLF or CR. */
export interface TextScanner {
  readonly where: string;
  readonly bytes: Uint8Array;
  /**
   * What each byte is: part of a word, a blank, a line end, the start of a comment, a column
   * separator.
   */
  readonly kinds: Uint8Array;
  pos: number;
  /** From 1. */
  line: number;
}

/** How a text file is written. */
export interface TextSyntax {
  /** Characters between words beside space and tab; several in a row count as one. */
  readonly blanks?: string;
  /** Characters that start a comment, to the end of the line. */
  readonly comments?: string;
  /** The character between columns: two in a row enclose an empty column. */
  readonly separator?: string;
}

/** A scanner at `pos`, on line `line`. */
export function scanText(
  bytes: Uint8Array,
  where: string,
  syntax: TextSyntax = {},
  pos = 0,
  line = 1,
): TextScanner {
  const kinds = new Uint8Array(256);
  for (const char of ` \t\v\f${syntax.blanks ?? ""}`) kinds[char.charCodeAt(0)] = BLANK;
  for (const char of syntax.comments ?? "") kinds[char.charCodeAt(0)] = COMMENT;
  for (const char of syntax.separator ?? "") kinds[char.charCodeAt(0)] = SEPARATOR;
  kinds[10] = NEWLINE;
  kinds[13] = NEWLINE;
  return { where, bytes, kinds, pos, line };
}

/** Goes to the next word of this line. False when there is none. */
export function nextWord(s: TextScanner): boolean {
  const { bytes, kinds } = s;
  let { pos } = s;
  while (pos < bytes.length && kinds[bytes[pos]] === BLANK) pos++;
  s.pos = pos;
  return pos < bytes.length && kinds[bytes[pos]] === 0;
}

/** Goes to the start of the next line. */
export function nextLine(s: TextScanner): void {
  const { bytes } = s;
  let { pos } = s;
  while (pos < bytes.length && bytes[pos] !== 10 && bytes[pos] !== 13) pos++;
  if (pos < bytes.length) {
    pos += bytes[pos] === 13 && bytes[pos + 1] === 10 ? 2 : 1;
    s.line++;
  }
  s.pos = pos;
}

/**
 * Goes to the first word of this line or, where it has none, of the next line that has. False at
 * the end.
 */
export function nextWordAnyLine(s: TextScanner): boolean {
  while (!nextWord(s)) {
    if (s.pos >= s.bytes.length) return false;
    nextLine(s);
  }
  return true;
}

/**
 * Passes one column separator. False when there is none here; the scanner then stays where it is.
 */
export function passSeparator(s: TextScanner): boolean {
  const { bytes, kinds } = s;
  let { pos } = s;
  while (pos < bytes.length && kinds[bytes[pos]] === BLANK) pos++;
  if (pos >= bytes.length || kinds[bytes[pos]] !== SEPARATOR) return false;
  s.pos = pos + 1;
  return true;
}

/** What encloses words with separators. */
export const QUOTE = 0x22;

/**
 * Passes one column's value, words in quotes with separators and all. False when there is none
 * here.
 */
export function passField(s: TextScanner): boolean {
  const { bytes, kinds } = s;
  const separated = kinds.includes(SEPARATOR);
  let { pos } = s;
  while (pos < bytes.length && kinds[bytes[pos]] === BLANK && bytes[pos] !== QUOTE) pos++;
  const start = pos;
  let quoted = false;
  for (; pos < bytes.length; pos++) {
    const kind = kinds[bytes[pos]];
    if (kind === NEWLINE) break;
    if (bytes[pos] === QUOTE) quoted = !quoted;
    else if (!quoted && kind !== 0 && (kind !== BLANK || !separated)) break;
  }
  s.pos = pos;
  return pos > start;
}

/** Passes the word here unread. */
export function skipWord(s: TextScanner): void {
  const { bytes, kinds } = s;
  while (s.pos < bytes.length && kinds[bytes[s.pos]] === 0) s.pos++;
}

const decoder = new TextDecoder();

/** The text of bytes in UTF-8; what is no UTF-8 becomes U+FFFD. */
export function textOf(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}

/** Reads the word here. */
export function readWord(s: TextScanner): string {
  const start = s.pos;
  skipWord(s);
  return textOf(s.bytes.subarray(start, s.pos));
}

/** The rest of this line, comments and all, without its end. The scanner stays where it is. */
export function restOfLine(s: TextScanner): string {
  const { bytes, pos } = s;
  let end = pos;
  while (end < bytes.length && bytes[end] !== 10 && bytes[end] !== 13) end++;
  return textOf(bytes.subarray(pos, end));
}

/**
 * Checks that the rest of the file can hold `rows` lines of `width` values (two bytes each), before
 * anything is allocated for them. `what` names the rows.
 * @throws {DataError} when it cannot: the count is false, or lines are short.
 */
export function checkRowsFit(s: TextScanner, rows: number, width: number, what: string): void {
  const left = s.bytes.length - s.pos;
  if (rows * width * 2 <= left + 1) return;
  const lines = countLines(s);
  throw formatError(
    s.where,
    { line: s.line },
    rows > lines
      ? `the header declares ${rows} ${what}, the file holds ${lines}.`
      : `${rows} ${what} of ${width} values do not fit into the ${left} bytes left.`,
  );
}

/** How many lines from here on hold a word. */
export function countLines(s: TextScanner): number {
  const rest: TextScanner = { ...s };
  let count = 0;
  while (nextWordAnyLine(rest)) {
    count++;
    nextLine(rest);
  }
  return count;
}

const POWERS = Float64Array.from({ length: 23 }, (_, i) => Number(`1e${i}`));
const MAX_EXACT = 2 ** 53;

/**
 * Reads the number here, rounded correctly to float64. Decimal numbers with or without an exponent,
 * `nan` and `inf` as the usual C libraries print them.
 * @throws {DataError} when the word here is not a number.
 */
export function readNumber(s: TextScanner): number {
  const { bytes, kinds } = s;
  const start = s.pos;
  let pos = start;
  const sign = bytes[pos];
  if (sign === 45 || sign === 43) pos++;
  // A mantissa up to 2^53 and a power of ten up to 10^22 are exact, so one operation rounds
  // correctly.
  let mantissa = 0;
  let exponent = 0;
  const first = pos;
  let digit = bytes[pos] - 48;
  while (digit >= 0 && digit <= 9) {
    mantissa = mantissa * 10 + digit;
    digit = bytes[++pos] - 48;
  }
  let digits = pos - first;
  if (bytes[pos] === 46) {
    const point = ++pos;
    digit = bytes[pos] - 48;
    while (digit >= 0 && digit <= 9) {
      mantissa = mantissa * 10 + digit;
      digit = bytes[++pos] - 48;
    }
    exponent = point - pos;
    digits += pos - point;
  }
  if (digits > 0 && (bytes[pos] === 101 || bytes[pos] === 69)) {
    let at = pos + 1;
    const down = bytes[at] === 45;
    if (down || bytes[at] === 43) at++;
    const firstDigit = at;
    let power = 0;
    digit = bytes[at] - 48;
    while (digit >= 0 && digit <= 9) {
      power = power * 10 + digit;
      digit = bytes[++at] - 48;
    }
    if (at > firstDigit) {
      exponent += down ? -power : power;
      pos = at;
    }
  }
  if (digits === 0 || (pos < bytes.length && kinds[bytes[pos]] === 0)) return readUnusualNumber(s);
  s.pos = pos;
  if (mantissa > MAX_EXACT || exponent < -22 || exponent > 22) {
    return Number(textOf(bytes.subarray(start, pos)));
  }
  const value = exponent < 0 ? mantissa / POWERS[-exponent] : mantissa * POWERS[exponent];
  return sign === 45 ? -value : value;
}

const DECIMAL = /^[+-]?(\d+\.?\d*|\.\d+)([eEdD][+-]?\d+)?$/;
const NOT_A_NUMBER = /^[+-]?(1\.#)?(nan|qnan|snan|ind)0*(\(\w*\))?$/i;
const INFINITE = /^[+-]?(1\.#)?(inf|infinity)0*$/i;

function readUnusualNumber(s: TextScanner): number {
  const start = s.pos;
  skipWord(s);
  // A word of megabytes is no number, and a message must not quote it whole.
  const length = s.pos - start;
  const word = textOf(s.bytes.subarray(start, start + Math.min(length, 400)));
  if (length <= 400) {
    if (DECIMAL.test(word)) return Number(word.replace(/[dD]/, "e"));
    if (NOT_A_NUMBER.test(word)) return NaN;
    if (INFINITE.test(word)) return word.startsWith("-") ? -Infinity : Infinity;
  }
  s.pos = start;
  throw formatError(s.where, placeOf(s), `expected a number, got ${quote(word)}.`);
}

/** The line here and the column in it, for messages. */
export function placeOf({ bytes, pos, line }: TextScanner): { line: number; column: number } {
  let start = pos;
  while (start > 0 && bytes[start - 1] !== 10 && bytes[start - 1] !== 13) start--;
  return { line, column: pos - start + 1 };
}

/** Reads the integer here, at least `min`. `what` names it in the error. */
export function readInteger(s: TextScanner, what: string, min = 0): number {
  const start = s.pos;
  const value = readNumber(s);
  if (Number.isSafeInteger(value) && value >= min) return value;
  const word = textOf(s.bytes.subarray(start, s.pos));
  throw formatError(
    s.where,
    { line: s.line },
    `expected ${what}, a whole number${min === 0 ? " of 0 or more" : ""}, got ${quote(word)}.`,
  );
}

/** A word for a message: in quotes, control characters spelt out, cut to 40 characters. */
export function quote(word: string): string {
  return JSON.stringify(word.length > 40 ? `${word.slice(0, 40)}…` : word);
}
