/**
 * The outer layer of E57 (ASTM E2807): pages with checksums, the XML section, and compressed
 * vectors of records.
 */

import type { DataError } from "../../../base/errors.ts";
import { crc32c } from "../../../base/crc32c.ts";
import { formatError } from "../reader.ts";
import { parseXml, type XmlElement } from "./xml.ts";

/** An E57 file with its checksums taken out. */
export interface E57File {
  readonly where: string;
  /** The contents of all pages, one after the other. */
  readonly logical: Uint8Array;
  readonly pageSize: number;
  readonly root: XmlElement;
}

const MAGIC = new TextEncoder().encode("ASTM-E57");
const HEADER_SIZE = 48;
const CHECKSUM_SIZE = 4;
const MAX_PAGE = 1 << 20;

/** True for bytes that begin as an E57 file. */
export function isE57(head: Uint8Array): boolean {
  return MAGIC.every((byte, i) => head[i] === byte);
}

/**
 * Checks every page and reads the XML.
 * @throws {DataError} naming the byte, when the file is cut short, damaged or of another version.
 */
export function openE57(bytes: Uint8Array, where: string): E57File {
  const fail = (byte: number, message: string): DataError => formatError(where, { byte }, message);
  if (!isE57(bytes)) throw fail(0, 'expected "ASTM-E57" at the beginning of an E57 file');
  if (bytes.length < HEADER_SIZE) throw fail(bytes.length, "the E57 header is cut short");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const [major, minor] = [view.getUint32(8, true), view.getUint32(12, true)];
  if (major !== 1) throw fail(8, `E57 version ${major}.${minor}: 1.x is read`);
  const [length, xmlOffset, xmlLength, pageSize] = [16, 24, 32, 40].map((at) =>
    Number(view.getBigUint64(at, true))
  );
  if (length > bytes.length) {
    throw fail(
      bytes.length,
      `the header says ${length} bytes, the file has ${bytes.length}: it was cut short`,
    );
  }
  if (
    !(pageSize > HEADER_SIZE + CHECKSUM_SIZE && pageSize <= MAX_PAGE) || length % pageSize !== 0
  ) {
    throw fail(40, `${length} bytes in pages of ${pageSize}: whole pages are expected`);
  }
  const logical = checkPages(bytes.subarray(0, length), pageSize, fail);
  const file = { where, logical, pageSize };
  const start = logicalOffset(file, xmlOffset, "the XML section");
  if (start + xmlLength > logical.length) {
    throw fail(32, `the XML section of ${xmlLength} bytes runs past the file's end`);
  }
  const text = new TextDecoder().decode(logical.subarray(start, start + xmlLength));
  const root = parseXml(text, (at, message) => fail(xmlOffset, `XML, character ${at}: ${message}`));
  return { ...file, root };
}

function checkPages(
  bytes: Uint8Array,
  pageSize: number,
  fail: (byte: number, message: string) => DataError,
): Uint8Array {
  const content = pageSize - CHECKSUM_SIZE;
  const pages = bytes.length / pageSize;
  const logical = new Uint8Array(pages * content);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let page = 0; page < pages; page++) {
    const data = bytes.subarray(page * pageSize, page * pageSize + content);
    const expected = view.getUint32(page * pageSize + content, false);
    if (crc32c(data) !== expected) {
      throw fail(
        page * pageSize,
        `the checksum (CRC-32C) of page ${page} of ${pages} is wrong: the data is damaged`,
      );
    }
    logical.set(data, page * content);
  }
  return logical;
}

/** From a position in the file to one in the pages' contents. */
export function logicalOffset(
  { where, logical, pageSize }: Omit<E57File, "root">,
  physical: number,
  what: string,
): number {
  const content = pageSize - CHECKSUM_SIZE;
  const inPage = physical % pageSize;
  const offset = Math.floor(physical / pageSize) * content + inPage;
  if (!Number.isSafeInteger(physical) || inPage >= content || offset > logical.length) {
    throw formatError(
      where,
      { byte: 0 },
      `${what} is said to begin at byte ${physical}, where nothing can`,
    );
  }
  return offset;
}

/** From a position in the pages' contents back to one in the file, for messages. */
export function physicalOffset({ pageSize }: Pick<E57File, "pageSize">, logical: number): number {
  const content = pageSize - CHECKSUM_SIZE;
  return Math.floor(logical / content) * pageSize + logical % content;
}
