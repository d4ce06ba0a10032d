/** Reading zip archives that lie whole in memory: NPZ files, and what `torch.save` writes. */

import { crc32, inflateRawSync } from "node:zlib";
import { formatError } from "../reader.ts";

/** One file of an archive. Nothing is unpacked before `read`. */
export interface ZipEntry {
  readonly name: string;
  /** Unpacked size in bytes. */
  readonly size: number;
  /**
   * The unpacked bytes. Throws a DataError when they are damaged or packed in a way that is not
   * known.
   */
  read(): Uint8Array;
}

const END_OF_DIRECTORY = 0x06054b50;
const END_OF_DIRECTORY_64 = 0x06064b50;
const LOCATOR_64 = 0x07064b50;
const DIRECTORY_ENTRY = 0x02014b50;
const LOCAL_ENTRY = 0x04034b50;
const ZIP64_EXTRA = 1;
const MAX_COMMENT = 0xffff;
/** Deflate packs at most 1,032 bytes into one; an entry that claims more is damaged or hostile. */
const MAX_DEFLATE_RATIO = 1032;
/**
 * Numbers of scans pack far less: what unpacks to more bytes than this must not be that much
 * smaller packed.
 */
const LARGE_BYTES = 2 ** 28;
const MAX_LARGE_RATIO = 64;

/** True for bytes that begin as a zip archive with at least one file. */
export function isZip(head: Uint8Array): boolean {
  return head.length >= 4 && head[0] === 0x50 && head[1] === 0x4b && head[2] === 3 && head[3] === 4;
}

/**
 * The archive's directory. `where` names the file in errors.
 * @throws {DataError} when the directory is missing (a file cut short) or unsound.
 */
export function readZip(bytes: Uint8Array, where: string): ZipEntry[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const directory = findDirectory(bytes, view, where);
  const entries: ZipEntry[] = [];
  let at = directory.offset;
  for (let i = 0; i < directory.count; i++) {
    if (at + 46 > bytes.length || view.getUint32(at, true) !== DIRECTORY_ENTRY) {
      throw formatError(
        where,
        { byte: at },
        `zip directory: expected entry ${i + 1} of ${directory.count}, found none`,
      );
    }
    const [nameLength, extraLength, commentLength] = [28, 30, 32].map((k) =>
      view.getUint16(at + k, true)
    );
    const next = at + 46 + nameLength + extraLength + commentLength;
    if (next > bytes.length) {
      throw formatError(
        where,
        { byte: at },
        `zip directory: entry ${i + 1} runs past the file's end`,
      );
    }
    const name = new TextDecoder().decode(bytes.subarray(at + 46, at + 46 + nameLength));
    const sizes = entrySizes(view, at, at + 46 + nameLength, extraLength);
    const packed: PackedEntry = {
      name,
      where,
      flags: view.getUint16(at + 8, true),
      method: view.getUint16(at + 10, true),
      crc: view.getUint32(at + 16, true),
      ...sizes,
    };
    entries.push({ name, size: sizes.size, read: () => unpack(bytes, view, packed) });
    at = next;
  }
  return entries;
}

interface PackedEntry {
  readonly name: string;
  readonly where: string;
  readonly flags: number;
  readonly method: number;
  readonly crc: number;
  readonly packedSize: number;
  readonly size: number;
  readonly offset: number;
}

function findDirectory(
  bytes: Uint8Array,
  view: DataView,
  where: string,
): { offset: number; count: number } {
  const lowest = Math.max(0, bytes.length - 22 - MAX_COMMENT);
  for (let at = bytes.length - 22; at >= lowest; at--) {
    if (view.getUint32(at, true) !== END_OF_DIRECTORY) continue;
    const count = view.getUint16(at + 10, true);
    const offset = view.getUint32(at + 16, true);
    if (at >= 20 && view.getUint32(at - 20, true) === LOCATOR_64) {
      const far = Number(view.getBigUint64(at - 12, true));
      if (far + 56 <= bytes.length && view.getUint32(far, true) === END_OF_DIRECTORY_64) {
        return {
          count: Number(view.getBigUint64(far + 32, true)),
          offset: Number(view.getBigUint64(far + 48, true)),
        };
      }
    }
    return { count, offset };
  }
  throw formatError(
    where,
    { byte: bytes.length },
    "the zip archive has no directory at its end: the file was cut short",
  );
}

/** Sizes and offset of a directory entry; 0xffffffff stands for "in the zip64 extra field". */
function entrySizes(
  view: DataView,
  at: number,
  extra: number,
  extraLength: number,
): { packedSize: number; size: number; offset: number } {
  let packedSize = view.getUint32(at + 20, true);
  let size = view.getUint32(at + 24, true);
  let offset = view.getUint32(at + 42, true);
  let field = extra;
  while (field + 4 <= extra + extraLength) {
    const end = Math.min(field + 4 + view.getUint16(field + 2, true), extra + extraLength);
    if (view.getUint16(field, true) === ZIP64_EXTRA) {
      let value = field + 4;
      const take = (now: number): number => {
        if (now !== 0xffffffff || value + 8 > end) return now;
        value += 8;
        return Number(view.getBigUint64(value - 8, true));
      };
      size = take(size);
      packedSize = take(packedSize);
      offset = take(offset);
    }
    field = end;
  }
  return { packedSize, size, offset };
}

function unpack(bytes: Uint8Array, view: DataView, entry: PackedEntry): Uint8Array {
  const { name, where, method, offset, packedSize, size } = entry;
  const fail = (message: string) =>
    formatError(
      where,
      { byte: Math.min(offset, bytes.length) },
      `zip entry ${JSON.stringify(name)}: ${message}`,
    );
  if (offset + 30 > bytes.length || view.getUint32(offset, true) !== LOCAL_ENTRY) {
    throw fail("there is no entry where the directory says");
  }
  if ((entry.flags & 1) !== 0) throw fail("is encrypted, which is not read");
  const start = offset + 30 + view.getUint16(offset + 26, true) + view.getUint16(offset + 28, true);
  if (start + packedSize > bytes.length) {
    throw fail(`needs ${packedSize} bytes, the file has ${Math.max(0, bytes.length - start)} left`);
  }
  const packed = bytes.subarray(start, start + packedSize);
  let plain: Uint8Array;
  if (method === 0) {
    plain = packed;
  } else if (method === 8) {
    if (size > packedSize * (size > LARGE_BYTES ? MAX_LARGE_RATIO : MAX_DEFLATE_RATIO)) {
      throw fail(`cannot unpack to ${size} bytes out of ${packedSize}`);
    }
    try {
      const { buffer, byteOffset, length } = inflateRawSync(packed, {
        maxOutputLength: Math.max(1, size),
      });
      // A plain array: the slice of the Buffer that node gives is no copy.
      plain = new Uint8Array(buffer, byteOffset, length);
    } catch (error) {
      throw fail(`cannot be unpacked: ${error instanceof Error ? error.message : error}`);
    }
  } else {
    throw fail(`is packed with method ${method}; stored (0) and deflate (8) are read`);
  }
  if (plain.length !== size) throw fail(`expected ${size} unpacked bytes, got ${plain.length}`);
  if (crc32(plain) !== entry.crc) throw fail("its CRC-32 is wrong: the data is damaged");
  return plain;
}
