/**
 * All point cloud formats, and reading a file of any of them: by content first, extension second.
 */

import { extname } from "@std/path";
import { DataError } from "../../base/errors.ts";
import type { PointCloud } from "../point_cloud.ts";
import { binReader } from "./bin.ts";
import { e57Reader } from "./e57/e57.ts";
import { lasReader } from "./las/las.ts";
import { npyReader, npzReader } from "./numpy/npy.ts";
import { objReader } from "./mesh/obj.ts";
import { offReader } from "./mesh/off.ts";
import { pcdReader } from "./pcd/pcd.ts";
import { pickleReader } from "./pickle/pkl_scene.ts";
import { plyReader } from "./ply/ply.ts";
import { formatError, type FormatReader, type ReadOptions } from "./reader.ts";
import { safetensorsReader } from "./safetensors.ts";
import { stlReader } from "./mesh/stl.ts";
import { textReader } from "./text/text.ts";

/**
 * Every known format. Where two could claim a file by its extension alone, the earlier one gets it.
 */
export const formatReaders: readonly FormatReader[] = [
  plyReader,
  pcdReader,
  offReader,
  stlReader,
  objReader,
  lasReader,
  e57Reader,
  npyReader,
  npzReader,
  pickleReader,
  safetensorsReader,
  binReader,
  textReader,
];

/** How much of a file's beginning its format is known from. */
export const HEAD_BYTES = 4096;
const DEFAULT_MAX_BYTES = 4 * 2 ** 30;

/**
 * The points of a file of any known format.
 * @throws {DataError} when there is no such file, or it is empty, of no known format, or damaged.
 * The message names the file and the line or byte.
 */
export async function readPointCloud(
  path: string,
  options: ReadOptions = {},
): Promise<PointCloud> {
  return await readPointCloudBytes(await readFile(path, options), path, options);
}

/**
 * As `readPointCloud`, from a file's bytes. `fileName` gives the extension and stands in messages.
 */
export async function readPointCloudBytes(
  bytes: Uint8Array,
  fileName: string,
  options: ReadOptions = {},
): Promise<PointCloud> {
  return await findReader(bytes, fileName).read(bytes, fileName, options);
}

/**
 * The reader for a file's content; its extension decides only where the content carries no
 * signature.
 */
export function findReader(bytes: Uint8Array, fileName: string): FormatReader {
  if (bytes.length === 0) throw formatError(fileName, undefined, "the file is empty (0 bytes).");
  const head = bytes.subarray(0, HEAD_BYTES);
  const extension = extname(fileName).slice(1).toLowerCase();
  const reader = readerBySignature(head, fileName, bytes.length) ??
    formatReaders.find((each) => each.extensions.includes(extension)) ??
    formatReaders.find((each) => each.plausible?.(head, fileName, bytes.length));
  if (reader !== undefined) return reader;
  throw formatError(
    fileName,
    undefined,
    `the content is of no known format: it begins with ${describe(head)}. ` +
      "`deno task inspect --help` lists the formats that are read.",
  );
}

function readerBySignature(
  head: Uint8Array,
  fileName: string,
  size: number,
): FormatReader | undefined {
  return formatReaders.find((each) => each.detect(head, fileName, size));
}

/** Whether the first bytes of a file of `size` bytes carry a format's signature. */
export function hasSignature(head: Uint8Array, fileName: string, size: number): boolean {
  return head.length > 0 && readerBySignature(head, fileName, size) !== undefined;
}

/** Every known format with its endings, for help texts. */
export function describeFormats(): string {
  return formatReaders.map(({ name, extensions }) => `${name} (.${extensions.join(", .")})`)
    .join("; ");
}

async function readFile(path: string, options: ReadOptions): Promise<Uint8Array> {
  const limit = options.maxBytes ?? DEFAULT_MAX_BYTES;
  try {
    const info = await Deno.stat(path);
    if (info.isDirectory) {
      throw new DataError(`Cannot read ${path}: expected a file, got a directory.`);
    }
    if (!info.isFile) { // to open a pipe is to wait for its writer
      throw new DataError(`Cannot read ${path}: expected a file, got a device or a pipe.`);
    }
    if (info.size > limit) {
      throw new DataError(
        `Cannot read ${path}: expected at most ${limit} bytes, got ${info.size}. Cut the scan into tiles.`,
      );
    }
    return await Deno.readFile(path);
  } catch (error) {
    if (error instanceof DataError) throw error;
    if (error instanceof Deno.errors.NotFound) {
      throw new DataError(`Cannot read ${path}: there is no such file.`);
    }
    throw new DataError(
      `Cannot read ${path}: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}

const OTHER_CONTENTS: readonly (readonly [string, readonly number[]])[] = [
  ["gzip-compressed data (unpack it first)", [0x1f, 0x8b]],
  ["xz-compressed data (unpack it first)", [0xfd, 0x37, 0x7a, 0x58, 0x5a]],
  ["bzip2-compressed data (unpack it first)", [0x42, 0x5a, 0x68]],
  ["a zip archive (unpack it first)", [0x50, 0x4b, 3, 4]],
  ["a PNG picture", [0x89, 0x50, 0x4e, 0x47]],
  ["a JPEG picture", [0xff, 0xd8, 0xff]],
  ["HDF5 data", [0x89, 0x48, 0x44, 0x46]],
  ["a binary glTF model", [0x67, 0x6c, 0x54, 0x46]],
];

/** The first bytes for a message: what they are known as, else as text, else in hexadecimal. */
function describe(head: Uint8Array): string {
  const known = OTHER_CONTENTS.find(([, magic]) => magic.every((byte, i) => head[i] === byte));
  if (known !== undefined) return known[0];
  const start = head.subarray(0, 24);
  if (start.every((byte) => (byte >= 32 && byte < 127) || (byte >= 9 && byte <= 13))) {
    return JSON.stringify(new TextDecoder().decode(start));
  }
  return `bytes ${
    Array.from(start.subarray(0, 16), (byte) => byte.toString(16).padStart(2, "0")).join(" ")
  }`;
}
