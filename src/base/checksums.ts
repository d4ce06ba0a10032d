/**
 * Checksums in the metadata of a safetensors file, so that a bit that flips later does not load as
 * another value. One entry holds two CRC-32 as hexadecimal digits: of the header, its own digits
 * taken as zeros, and of the tensors' bytes. Readers that do not know it see one more text.
 */

import { crc32 } from "node:zlib";

/** The metadata entry. */
export const CHECKSUM_KEY = "crc32";
/** What stands there until the checksums are known: header, then data. */
export const NO_CHECKSUMS = "00000000 00000000";
/** The entry by its name, or by its value, so that it is known where one of the two was damaged. */
const BY_NAME = /"crc32":"([^"]{8}).([^"]{8})"/;
const BY_VALUE = /"[^"]{5}":"([0-9a-f]{8}) ([0-9a-f]{8})"/;

const digits = (crc: number): string => crc.toString(16).padStart(8, "0");

/** Where the entry's text begins in a header's JSON, and what it says; null where there is none. */
function findEntry(head: Uint8Array): { at: number; header: string; data: string } | null {
  const text = new TextDecoder("latin1").decode(head); // a character a byte
  const found = BY_NAME.exec(text) ?? BY_VALUE.exec(text);
  if (!found) return null;
  return { at: found.index + '"crc32":"'.length, header: found[1], data: found[2] };
}

/** The header's checksum, as if its own digits were zeros. */
function headerChecksum(head: Uint8Array, at: number): string {
  const copy = head.slice();
  copy.fill(0x30, at, at + 8);
  return digits(crc32(copy));
}

/**
 * Puts the checksums into a header that has `NO_CHECKSUMS` in its place; `data` are the tensors'
 * bytes.
 */
export function fillChecksums(head: Uint8Array, data: Uint8Array): void {
  const place = findEntry(head);
  if (!place) throw new Error("The header has no place for checksums");
  const write = (text: string, at: number) => head.set(new TextEncoder().encode(text), at);
  write(digits(crc32(data)), place.at + 9);
  write(headerChecksum(head, place.at), place.at);
}

/**
 * What of a file is not as it was written, in words; null: nothing, or the file has no checksums,
 * as those of earlier versions and other programs.
 *
 * @param head The length and the JSON. @param data The tensors' bytes; absent: not looked at.
 */
export function findDamage(head: Uint8Array, data?: Uint8Array): string | null {
  const entry = findEntry(head);
  if (!entry) return null;
  if (headerChecksum(head, entry.at) !== entry.header) return "its header";
  if (data && digits(crc32(data)) !== entry.data) return "its tensors' bytes";
  return null;
}
