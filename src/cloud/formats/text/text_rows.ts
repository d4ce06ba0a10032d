/** Lines of text tables: where rows begin, how many values they have, what a line of names says. */

import { DataError } from "../../../base/errors.ts";
import {
  nextLine,
  nextWord,
  nextWordAnyLine,
  passField,
  passSeparator,
  QUOTE,
  readNumber,
  textOf,
  type TextScanner,
} from "./text_scanner.ts";

/** Characters that start a comment. */
export const COMMENTS = "#%";

/** The position of the first byte that no text holds, or -1. */
export function binaryByte(head: Uint8Array): number {
  return head.findIndex((byte) => byte < 32 && (byte < 9 || byte > 13) && byte !== 0x1a);
}

/** Goes to the next line that is neither blank nor a comment. */
export function nextRow(s: TextScanner): boolean {
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

/** True at a word that stands for no value: NA, N/A, NULL, None. */
export function isMissing({ bytes, pos }: TextScanner): boolean {
  return (bytes[pos] | 32) === 0x6e &&
    /^(na|n\/a|null|none)(?![\w.])/i.test(textOf(bytes.subarray(pos, pos + 5)));
}

/** Whether the word here begins as numbers do. */
export function beginsWithNumber(s: TextScanner): boolean {
  const word = textOf(s.bytes.subarray(s.pos, s.pos + 8));
  return /^"?[-+]?(\.?\d|nan\b|inf)/i.test(word);
}

/** How many values the line here has; an empty one after a last separator is none. */
export function countValues(s: TextScanner): number {
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
export function endsEmpty(s: TextScanner): boolean {
  const probe = { ...s };
  let separated = false;
  for (;;) {
    const word = passField(probe);
    const passed = passSeparator(probe);
    if (!word && !passed) return separated;
    separated = passed;
  }
}

/** Where the line here begins. */
export function lineStart({ bytes, pos }: TextScanner): number {
  let start = pos;
  while (start > 0 && bytes[start - 1] !== 10 && bytes[start - 1] !== 13) start--;
  return start;
}

/** Whether the column's value here is a number, or none. */
export function holdsNumber(field: TextScanner): boolean {
  if (!nextWord(field) || isMissing(field)) return true;
  try {
    readNumber(field);
    return true;
  } catch (error) {
    if (error instanceof DataError) return false;
    throw error;
  }
}

/** The values of a line of text, quotation marks protecting what they enclose. */
export function splitLine(text: string, separator: string | undefined): string[] {
  const fields: string[] = [];
  let field = "", quoted = false;
  for (const char of text.trim()) {
    if (char === '"') quoted = !quoted;
    else if (quoted || (separator === undefined ? !/\s/.test(char) : char !== separator)) {
      field += char;
    } else if (separator !== undefined || field !== "") {
      fields.push(field.trim());
      field = "";
    }
  }
  return [...fields, field.trim()];
}

/**
 * The names in a line, apart by `separator` where the line has it, else by `;`, `|`, tabs, commas
 * or blanks. A unit that stands alone (`X [m] Y [m]`) belongs to the name before it.
 */
export function splitNames(text: string, separator: string | undefined): string[] {
  const bare = text.replace(/"[^"]*"/g, "");
  const own = [separator, ";", "|", "\t", ","].find((each) =>
    each !== undefined && bare.includes(each) && (each !== "\t" || bare.split("\t").length > 2)
  );
  const words = splitLine(text, own);
  const names = own === undefined
    ? words.filter((word) => !/^[[(][^\])]*[\])]$/.test(word))
    : words;
  const named = names.at(-1) === "" ? names.slice(0, -1) : names;
  return named.map((name, k) => name === "" ? `column_${k + 1}` : name);
}
