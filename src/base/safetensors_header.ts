/** The JSON header of a safetensors file: what is where, believed only after every check. */

import { DataError } from "./errors.ts";
import { CHECKSUM_KEY, findDamage } from "./checksums.ts";

/**
 * Bytes per element. The order is the one in which Python's writer lays tensors out: widest first,
 * so that every tensor is aligned for its own type.
 */
export const DTYPE_BYTES: Readonly<Record<SafeTensorDtype, number>> = {
  U64: 8,
  I64: 8,
  F64: 8,
  F32: 4,
  U32: 4,
  I32: 4,
  BF16: 2,
  F16: 2,
  U16: 2,
  I16: 2,
  I8: 1,
  U8: 1,
  BOOL: 1,
};

/** The element types that can be read and written. */
export type SafeTensorDtype =
  | "U64"
  | "I64"
  | "F64"
  | "F32"
  | "U32"
  | "I32"
  | "BF16"
  | "F16"
  | "U16"
  | "I16"
  | "I8"
  | "U8"
  | "BOOL";

/** Where one tensor stands: bytes [begin, end) counted from `dataStart`. */
export interface TensorEntry {
  /** The element type. */
  readonly dtype: SafeTensorDtype;
  /** Empty for a scalar. */
  readonly shape: readonly number[];
  /** The first byte. */
  readonly begin: number;
  /** The byte after the last. */
  readonly end: number;
}

/** A file's header. */
export interface SafeTensorsHeader {
  /** By name, in the header's order. */
  readonly tensors: Map<string, TensorEntry>;
  /** Empty where the file has none. */
  readonly metadata: Record<string, string>;
  /** The file position at which the tensors' bytes begin. */
  readonly dataStart: number;
}

/** Python's reader refuses longer headers too. */
export const MAX_HEADER_BYTES = 100_000_000;

/**
 * Reads and checks the header.
 *
 * @param bytes The file's beginning: all of the header, or less where the length it states is
 * impossible.
 * @param fileSize The whole file's size in bytes, which the tensors must fill without holes or
 * overlap.
 * @throws {DataError} The first thing that is wrong.
 */
export function parseHeader(
  bytes: Uint8Array,
  fileSize: number,
  where: string,
): SafeTensorsHeader {
  const fail = (what: string): never => {
    throw new DataError(`Cannot read ${where} as safetensors: ${what}`);
  };
  if (fileSize < 8) {
    fail(`expected 8 bytes of header length, the file has ${fileSize} bytes`);
  }
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true));
  if (length > MAX_HEADER_BYTES) {
    fail(`bytes 0-7 give a header of ${length} bytes, at most ${MAX_HEADER_BYTES} are allowed`);
  }
  if (8 + length > fileSize) {
    fail(
      `bytes 0-7 give a header of ${length} bytes, the file has only ${fileSize - 8} after them`,
    );
  }
  const header = parseJson(bytes.subarray(8, 8 + length), fail);
  let metadata: Record<string, string> = {};
  const tensors = new Map<string, TensorEntry>();
  for (const [name, value] of Object.entries(header)) {
    if (name === "__metadata__") metadata = checkMetadata(value, fail);
    else tensors.set(name, checkEntry(value, (what) => fail(`tensor ${show(name)}: ${what}`)));
  }
  checkCoverage(tensors, fileSize - 8 - length, fail);
  const damage = findDamage(bytes.subarray(0, 8 + length));
  if (damage) failDamaged(where, damage);
  // The checksums are the file's own affair.
  const { [CHECKSUM_KEY]: _, ...told } = metadata;
  return { tensors, metadata: told, dataStart: 8 + length };
}

type Fail = (what: string) => never;

/** Throws the error for a file that is not as it was written. */
export function failDamaged(where: string, damage: string): never {
  throw new DataError(
    `Cannot read ${where}: ${damage} changed after it was written (the checksum does not match). ` +
      `Take another copy of it, or make it anew; whoever changes one on purpose leaves out its metadata entry ${CHECKSUM_KEY}.`,
  );
}

function parseJson(bytes: Uint8Array, fail: Fail): Record<string, unknown> {
  let text = "";
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    fail("the header is not UTF-8 text");
  }
  if (!text.startsWith("{")) {
    fail(`the header must begin with "{" at byte 8, found ${show(text.slice(0, 12))}`);
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    fail(`the header is not JSON: ${(error as Error).message.replace(/\p{Cc}/gu, "?")}`);
  }
  const duplicate = findDuplicateKey(text);
  if (duplicate !== undefined) fail(`the header has the key ${show(duplicate)} twice`);
  return value as Record<string, unknown>;
}

/**
 * The first key that stands twice in one object of `json`, which JSON.parse would silently drop.
 */
function findDuplicateKey(json: string): string | undefined {
  const open: Set<string>[] = [];
  for (let i = 0; i < json.length; i++) {
    const char = json[i];
    if (char === "{") open.push(new Set());
    else if (char === "}") open.pop();
    else if (char === '"') {
      const begin = i;
      for (i++; json[i] !== '"'; i++) if (json[i] === "\\") i++;
      let next = i + 1;
      while (" \t\r\n".includes(json[next])) next++;
      if (json[next] !== ":") continue;
      const key = JSON.parse(json.slice(begin, i + 1)) as string;
      const keys = open[open.length - 1];
      if (keys.has(key)) return key;
      keys.add(key);
    }
  }
  return undefined;
}

function checkMetadata(value: unknown, fail: Fail): Record<string, string> {
  if (!isObject(value)) return fail(`__metadata__: expected an object, found ${show(value)}`);
  for (const [key, text] of Object.entries(value)) {
    if (typeof text !== "string") {
      fail(`__metadata__: expected text under ${show(key)}, found ${show(text)}`);
    }
  }
  return value as Record<string, string>;
}

function checkEntry(value: unknown, fail: Fail): TensorEntry {
  if (!isObject(value)) return fail(`expected an object, found ${show(value)}`);
  const { dtype, shape, data_offsets: offsets } = value;
  if (typeof dtype !== "string" || !Object.hasOwn(DTYPE_BYTES, dtype)) {
    return fail(`expected dtype ${Object.keys(DTYPE_BYTES).join(", ")}; found ${show(dtype)}`);
  }
  if (!Array.isArray(shape) || !shape.every(isCount)) {
    return fail(`expected a shape of whole numbers, found ${show(shape)}`);
  }
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isCount)) {
    return fail(`expected data_offsets of two byte positions, found ${show(offsets)}`);
  }
  const [begin, end] = offsets as [number, number];
  const bytes = elementCount(shape) * DTYPE_BYTES[dtype as SafeTensorDtype];
  if (end - begin !== bytes) {
    fail(
      `shape ${show(shape)} of ${dtype} takes ${bytes} bytes, ` +
        `data_offsets ${show(offsets)} hold ${end - begin}`,
    );
  }
  return { dtype: dtype as SafeTensorDtype, shape, begin, end };
}

/** Elements of a tensor of this shape. Past 2^53 it is inexact, which no file's size can match. */
export function elementCount(shape: readonly number[]): number {
  return shape.includes(0) ? 0 : shape.reduce((product, size) => product * size, 1);
}

function checkCoverage(
  tensors: ReadonlyMap<string, TensorEntry>,
  available: number,
  fail: Fail,
): void {
  const sorted = [...tensors].sort(([, a], [, b]) => a.begin - b.begin || a.end - b.end);
  let reached = 0;
  let previous = "the header";
  for (const [name, { begin, end }] of sorted) {
    if (end > available) {
      fail(
        `tensor ${
          show(name)
        } ends at data byte ${end}, the file has only ${available} data bytes ` +
          `(cut short?)`,
      );
    }
    if (begin < reached) {
      fail(`tensor ${show(name)} begins at data byte ${begin}, inside ${previous}`);
    }
    if (begin > reached) {
      fail(`data bytes ${reached} to ${begin} before tensor ${show(name)} belong to no tensor`);
    }
    reached = end;
    previous = `tensor ${show(name)}`;
  }
  if (reached !== available) {
    fail(`the tensors end at data byte ${reached}, the file has ${available} data bytes`);
  }
}

/**
 * Places tensors one after the other as Python's writer does and gives the header's bytes, length
 * included.
 */
export function layOut(
  tensors: ReadonlyMap<
    string,
    { readonly dtype: SafeTensorDtype; readonly shape: readonly number[] }
  >,
  metadata: Readonly<Record<string, string>>,
): { head: Uint8Array; entries: [name: string, entry: TensorEntry][]; size: number } {
  const ranks = Object.keys(DTYPE_BYTES);
  const names = [...tensors.keys()].sort((a, b) => {
    const byType = ranks.indexOf(tensors.get(a)!.dtype) - ranks.indexOf(tensors.get(b)!.dtype);
    return byType || (a < b ? -1 : 1);
  });
  const members: string[] = [];
  const member = (name: string, value: unknown) =>
    // Not as an object: "1" would move first.
    members.push(`${JSON.stringify(name)}:${JSON.stringify(value)}`);
  if (Object.keys(metadata).length > 0) member("__metadata__", metadata);
  const entries: [string, TensorEntry][] = [];
  let size = 0;
  for (const name of names) {
    const { dtype, shape } = tensors.get(name)!;
    const end = size + elementCount(shape) * DTYPE_BYTES[dtype];
    entries.push([name, { dtype, shape, begin: size, end }]);
    member(name, { dtype, shape, data_offsets: [size, end] });
    size = end;
  }
  const json = new TextEncoder().encode(`{${members.join(",")}}`);
  const head = new Uint8Array(8 + Math.ceil(json.length / 8) * 8).fill(0x20);
  new DataView(head.buffer).setBigUint64(0, BigInt(head.length - 8), true);
  head.set(json, 8);
  return { head, entries, size };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** A value as an error message shows it: JSON, cut short. */
function show(value: unknown): string {
  const text = JSON.stringify(value) ?? "nothing";
  return text.length > 80 ? `${text.slice(0, 77)}…` : text;
}
