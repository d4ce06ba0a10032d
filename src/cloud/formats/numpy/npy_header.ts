/**
 * The header of an NPY array: a Python dict literal of element type, order and shape. NumPy's NEP
 * 1.
 */

import { type DType, parseDType } from "./ndarray.ts";
import { formatError } from "../reader.ts";

/** One field of a record, or the whole element where there are no fields. */
export interface NpyField {
  /** Empty for a plain array; `outer.inner` for a field of a field. */
  readonly name: string;
  /** As NumPy writes it, e.g. `<f4`. */
  readonly text: string;
  /** Missing for what is no number. */
  readonly dtype?: DType;
  /** Bytes from the record's start. */
  readonly offset: number;
  /** Shape within one record; empty for a single value. */
  readonly shape: readonly number[];
}

/** What an NPY header says. */
export interface NpyHeader {
  readonly shape: readonly number[];
  readonly fortran: boolean;
  /** Bytes per element or record. */
  readonly itemSize: number;
  readonly fields: readonly NpyField[];
  /** Whether the elements are records with named fields. */
  readonly structured: boolean;
  /** Where the elements begin. */
  readonly dataStart: number;
}

const MAGIC = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59];
const MAX_FIELDS = 1000;
const MAX_DIMENSIONS = 64;

/** True for bytes that begin as an NPY file. */
export function isNpy(head: Uint8Array): boolean {
  return MAGIC.every((byte, i) => head[i] === byte);
}

/**
 * Reads the header of versions 1 to 3.
 * @throws {DataError} naming the byte, when it is cut short or damaged, or its records hold Python
 * objects. A plain array of Python objects has one field without `dtype`.
 */
export function parseNpyHeader(bytes: Uint8Array, where: string): NpyHeader {
  const fail = (byte: number, message: string) => formatError(where, { byte }, message);
  if (!isNpy(bytes)) throw fail(0, "expected \\x93NUMPY at the beginning of an NPY file");
  const wide = bytes[6] >= 2;
  const start = wide ? 12 : 10;
  if (bytes.length < start) throw fail(bytes.length, "the NPY header is cut short");
  if (bytes[6] < 1 || bytes[6] > 3) throw fail(6, `NPY version ${bytes[6]}: 1 to 3 are read`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = wide ? view.getUint32(8, true) : view.getUint16(8, true);
  const dataStart = start + length;
  if (dataStart > bytes.length) {
    throw fail(bytes.length, `the NPY header is cut short: ${dataStart} bytes expected`);
  }
  const text = new TextDecoder().decode(bytes.subarray(start, dataStart));
  const literal = parseLiteral(text, (at, message) => fail(start + at, `NPY header: ${message}`));
  const bad = (key: string) => fail(start, `NPY header: ${key} is missing or of the wrong kind`);
  if (!(literal instanceof Map)) throw bad("the dict");
  const shape = literal.get("shape");
  const fortran = literal.get("fortran_order");
  const descr = literal.get("descr");
  if (!isSizes(shape)) throw bad("shape");
  if (typeof fortran !== "boolean") throw bad("fortran_order");
  if (typeof descr !== "string" && !Array.isArray(descr)) throw bad("descr");
  if (typeof descr === "string" && isObjects(descr)) {
    const objects = { name: "", text: descr, offset: 0, shape: [] };
    return { shape, fortran, itemSize: 0, fields: [objects], structured: false, dataStart };
  }
  const fields: NpyField[] = [];
  const message = { text: "" };
  const itemSize = layOut(descr, "", [], 0, fields, message);
  if (itemSize === undefined) throw fail(start, `NPY header: ${message.text}`);
  return { shape, fortran, itemSize, fields, structured: Array.isArray(descr), dataStart };
}

type Literal = string | number | boolean | null | Literal[] | Map<Literal, Literal>;

/** Adds the fields of a type to the list; gives its size, or undefined after saying why not. */
function layOut(
  descr: Literal,
  name: string,
  shape: readonly number[],
  offset: number,
  fields: NpyField[],
  message: { text: string },
): number | undefined {
  if (typeof descr === "string") {
    const size = elementSize(descr);
    if (size === undefined || size > 2 ** 31) {
      message.text = isObjects(descr)
        ? `the elements are Python objects (dtype ${descr}), which are not read`
        : `elements of type ${JSON.stringify(descr.slice(0, 40))} are not known`;
      return undefined;
    }
    if (fields.length >= MAX_FIELDS) {
      message.text = `more than ${MAX_FIELDS} fields`;
      return undefined;
    }
    fields.push({ name, text: descr, dtype: parseDType(descr), offset, shape });
    return size * shape.reduce((product, each) => product * each, 1);
  }
  message.text = "a field's description is damaged";
  if (!Array.isArray(descr) || shape.length > 0) return undefined;
  let size = 0;
  for (const field of descr) {
    if (!Array.isArray(field) || field.length < 2) return undefined;
    const [title, type, inner] = field;
    const label = Array.isArray(title) ? title[1] : title; // (title, name)
    if (typeof label !== "string" || (inner !== undefined && !isSizes(inner))) return undefined;
    const full = name === "" ? label : `${name}.${label}`;
    const taken = layOut(type, full, inner ?? [], offset + size, fields, message);
    if (taken === undefined) return undefined;
    size += taken;
  }
  return size;
}

/** True for the element type of Python objects, which lie in the file as a pickle. */
function isObjects(descr: string): boolean {
  return /^[|<>=]?O/.test(descr);
}

/** Bytes of an element type, numbers or not. */
function elementSize(text: string): number | undefined {
  const match = /^[<>=|]?(?:([?])|([fiubcmMSaV])(\d{1,9})(?:\[\w+\])?|U(\d{1,8}))$/.exec(text);
  if (match === null) return undefined;
  if (match[1] !== undefined) return 1;
  return match[4] !== undefined ? 4 * Number(match[4]) : Number(match[3]);
}

function isSizes(value: Literal | undefined): value is number[] {
  return Array.isArray(value) && value.length <= MAX_DIMENSIONS &&
    value.every((size) => typeof size === "number" && Number.isSafeInteger(size) && size >= 0);
}

/** A literal of strings, integers, booleans, None, tuples, lists and dicts. */
function parseLiteral(text: string, fail: (at: number, message: string) => Error): Literal {
  let at = 0;
  const skip = (): void => {
    while (/\s/.test(text[at] ?? "")) at++;
  };
  const sequence = (close: string, read: () => void): void => {
    for (;;) {
      skip();
      if (text[at] === close) break;
      read();
      skip();
      if (text[at] === ",") at++;
      else if (text[at] !== close) throw fail(at, `expected "," or "${close}"`);
    }
    at++;
  };
  const value = (depth: number): Literal => {
    if (depth > 16) throw fail(at, "nested too deeply");
    skip();
    const first = text[at];
    if (first === "{") {
      at++;
      const dict = new Map<Literal, Literal>();
      sequence("}", () => {
        const key = value(depth + 1);
        skip();
        if (text[at] !== ":") throw fail(at, 'expected ":"');
        at++;
        dict.set(key, value(depth + 1));
      });
      return dict;
    }
    if (first === "(" || first === "[") {
      at++;
      const list: Literal[] = [];
      sequence(first === "(" ? ")" : "]", () => {
        list.push(value(depth + 1));
      });
      return list;
    }
    const rest = text.slice(at, at + 1024);
    const string = /^[ub]?(?:'([^'\\]*)'|"([^"\\]*)")/.exec(rest);
    if (string !== null) {
      at += string[0].length;
      return string[1] ?? string[2];
    }
    const word = /^(True|False|None|\d{1,15}L?)(?![\w.])/.exec(rest);
    if (word === null) throw fail(at, "expected a value");
    at += word[0].length;
    if (word[1] === "None") return null;
    return word[1] === "True" ? true : word[1] === "False" ? false : parseInt(word[1]);
  };
  return value(0);
}
