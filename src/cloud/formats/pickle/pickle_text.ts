/** How pickles write text and numbers: decimal lines, two's complement, Python string escapes. */

import type { DataError } from "../../../base/errors.ts";
import { printable } from "../../../base/printable.ts";

const MAX_INT_BYTES = 64;
const latin1 = new TextDecoder("latin1");

/** Bytes one by one as characters 0 to 255, the way Python 2 strings hold binary data. */
export function latin1Text(bytes: Uint8Array): string {
  // TextDecoder's "latin1" is windows-1252, which differs from 0x80 to 0x9f.
  if (bytes.every((byte) => byte < 0x80 || byte > 0x9f)) return latin1.decode(bytes);
  const parts: string[] = [];
  for (let i = 0; i < bytes.length; i += 8192) {
    parts.push(String.fromCharCode(...bytes.subarray(i, i + 8192)));
  }
  return parts.join("");
}

/** The reverse of {@link latin1Text}; undefined when a character is above 255. */
export function latin1Bytes(text: string): Uint8Array | undefined {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 255) return undefined;
    bytes[i] = code;
  }
  return bytes;
}

function integer(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

/** A decimal line of an INT or LONG opcode. */
export function parseInteger(text: string, fail: (message: string) => DataError): number | bigint {
  const trimmed = text.trim();
  if (!/^[+-]?\d{1,150}$/.test(trimmed)) {
    throw fail(`expected an integer, got ${JSON.stringify(printable(trimmed))}`);
  }
  return integer(BigInt(trimmed.replace(/^\+/, "")));
}

/** Two's complement, little endian. */
export function decodeLong(
  bytes: Uint8Array,
  fail: (message: string) => DataError,
): number | bigint {
  if (bytes.length > MAX_INT_BYTES) throw fail(`an integer of ${bytes.length} bytes: refused`);
  let value = 0n;
  for (let i = bytes.length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i]);
  return integer(BigInt.asIntN(8 * bytes.length, value));
}

/** A FLOAT line; undefined for what is no number. */
export function parseFloatText(text: string): number | undefined {
  const trimmed = text.trim().toLowerCase();
  const special = /^([+-]?)(nan|inf|infinity)$/.exec(trimmed);
  if (special !== null) {
    return special[2] === "nan" ? NaN : special[1] === "-" ? -Infinity : Infinity;
  }
  const value = trimmed === "" ? NaN : Number(trimmed);
  return Number.isNaN(value) ? undefined : value;
}

const ESCAPES: Readonly<Record<string, string>> = {
  n: "\n",
  t: "\t",
  r: "\r",
  a: "\x07",
  b: "\b",
  f: "\f",
  v: "\v",
  "\\": "\\",
  "'": "'",
  '"': '"',
};

/** A Python 2 string literal's escapes. */
export function unescape(text: string): string {
  return text.replace(
    /\\(?:x([0-9a-fA-F]{2})|([0-7]{1,3})|(.))/gs,
    (whole, hex, octal, single) =>
      hex !== undefined
        ? String.fromCharCode(parseInt(hex, 16))
        : octal !== undefined
        ? String.fromCharCode(parseInt(octal, 8) & 255)
        : ESCAPES[single] ?? whole,
  );
}

/** The \\u and \\U escapes of a UNICODE line. */
export function rawUnicode(text: string): string {
  return text.replace(/\\(?:u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))/g, (whole, short, long) => {
    const code = parseInt(short ?? long, 16);
    return code <= 0x10ffff ? String.fromCodePoint(code) : whole;
  });
}
