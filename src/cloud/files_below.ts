/** The files of a folder. */

import { extname, join } from "@std/path";
import { formatReaders, hasSignature, HEAD_BYTES } from "./formats/registry.ts";

/**
 * Something below a folder that could not be looked at: it costs the others nothing, and is told.
 */
export interface PassedOver {
  /** Where it is. */
  readonly path: string;
  /** For a person: why. */
  readonly reason: string;
}

/** How the decoder writes bytes that are no UTF-8; a path with it opens nothing. */
const NOT_UTF8 = "\ufffd";

/**
 * A folder that is reached by more links than this is read no more: they may branch without end.
 */
const MOST_VISITS = 8;

/** A folder to be read. */
interface Pending {
  readonly path: string;
  /** Where the folder is when links are followed. */
  readonly real: string;
  /** The folders on the way to it, links followed. */
  readonly above: readonly string[];
}

/**
 * All files below a folder in order of path, hidden ones and those in hidden folders aside. Links
 * are followed, to files and to folders, but not to a folder that they lie in: they may go in
 * circles.
 *
 * @param onPassedOver Called with whatever below the folder cannot be read.
 * Throws what `Deno.readDir` throws where the folder itself cannot be read.
 */
export async function filesBelow(
  folder: string,
  onPassedOver: (entry: PassedOver) => void = () => {},
): Promise<string[]> {
  const files: string[] = [];
  const visits = new Map<string, number>();
  const pending: Pending[] = [{ path: folder, real: await Deno.realPath(folder), above: [] }];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const { path: from, real } = next, above = [...next.above, real];
    const count = visits.get(real) ?? 0;
    visits.set(real, count + 1);
    if (count >= MOST_VISITS) {
      const reason = `${MOST_VISITS} other links lead to the same folder`;
      if (count === MOST_VISITS) onPassedOver({ path: from, reason });
      continue;
    }
    const found = await attempt(() => entriesOf(from), from !== folder, onPassedOver, from);
    for (const { name, path, isDirectory, isFile, isSymlink } of found ?? []) {
      if (isDirectory) pending.push({ path, real: join(real, name), above });
      else if (isFile && !name.includes(NOT_UTF8)) files.push(path);
      else if (isFile || isSymlink) {
        const info = await attempt(() => targetOf(path), true, onPassedOver, path);
        if (info?.isFile) files.push(path);
        if (!info?.isDirectory) continue;
        const target = await attempt(() => Deno.realPath(path), true, onPassedOver, path);
        if (target !== undefined && !above.includes(target)) {
          pending.push({ path, real: target, above });
        }
      }
    }
  }
  return files.sort((a, b) => (a < b ? -1 : 1));
}

/** What `read` gives; where it fails and `mayFail`, undefined, and the reason is told. */
async function attempt<T>(
  read: () => Promise<T>,
  mayFail: boolean,
  tell: (entry: PassedOver) => void,
  path: string,
): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    if (!mayFail || !(error instanceof Error && isSystemError(error))) throw error;
    tell({ path, reason: reasonOf(path, error) });
  }
}

/** True for what the operating system says of a path, such as a circle of links (ELOOP). */
function isSystemError(error: Error): boolean {
  return error.name in Deno.errors || "code" in error;
}

function reasonOf(path: string, error: Error): string {
  if (error instanceof Deno.errors.NotFound) {
    return path.includes(NOT_UTF8)
      ? "its name is not UTF-8; rename it"
      : "it is not there any more";
  }
  return error.message.replace(/,? \w+ '.*'$/, "");
}

interface Entry extends Deno.DirEntry {
  readonly path: string;
}

/** The entries that are not hidden. */
async function entriesOf(folder: string): Promise<Entry[]> {
  const entries: Entry[] = [];
  for await (const entry of Deno.readDir(folder)) {
    if (!entry.name.startsWith(".")) entries.push({ ...entry, path: join(folder, entry.name) });
  }
  return entries;
}

/**
 * What a path leads to; undefined for a link that leads nowhere, as an unpacked data set often has
 * them.
 */
async function targetOf(path: string): Promise<Deno.FileInfo | undefined> {
  try {
    return await Deno.stat(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound && !path.includes(NOT_UTF8)) return undefined;
    throw error;
  }
}

const EXTENSIONS = new Set(formatReaders.flatMap(({ extensions }) => extensions));

/**
 * Whether a file is a point cloud's by its ending or, whatever that is, by the signature it begins
 * with.
 */
export async function isPointCloudFile(path: string): Promise<boolean> {
  if (hasKnownExtension(path)) return true;
  const head = await headOf(path);
  return head !== undefined && hasSignature(head.bytes, path, head.size);
}

/** Formats that every file of them begins with a signature of. */
const SIGNED = new Set(["ply", "pcd", "las", "laz", "e57", "npy", "npz"]);

/**
 * Whether a file may be read as the cloud that its ending says: false where its first bytes are of
 * none.
 */
export async function looksReadable(path: string): Promise<boolean> {
  const head = await headOf(path);
  if (head === undefined || head.bytes.length === 0) return false;
  if (hasSignature(head.bytes, path, head.size)) return true;
  const extension = extname(path).slice(1).toLowerCase();
  if (SIGNED.has(extension)) return false;
  const reader = formatReaders.find(({ extensions }) => extensions.includes(extension));
  return reader?.plausible?.(head.bytes, path, head.size) ?? true;
}

/**
 * Whether what stands at a path is neither file nor folder. To open a pipe is to wait for its
 * writer, and to read a device may never end: neither is done.
 */
export function isDevice({ isFile, isDirectory }: Deno.FileInfo): boolean {
  return !isFile && !isDirectory;
}

/** The first bytes of a file and its size; undefined where it cannot be read. */
export async function headOf(
  path: string,
  length = HEAD_BYTES,
): Promise<{ bytes: Uint8Array; size: number } | undefined> {
  try {
    if (isDevice(await Deno.stat(path))) return undefined;
    using file = await Deno.open(path);
    const head = new Uint8Array(length);
    const { size, isFile } = await file.stat();
    const read = isFile ? await file.read(head) ?? 0 : 0;
    return { bytes: head.subarray(0, read), size };
  } catch (error) {
    if (error instanceof Error && error.name in Deno.errors) return undefined;
    throw error;
  }
}

/** Whether a file's ending is one of a known point cloud format's. */
export function hasKnownExtension(path: string): boolean {
  return EXTENSIONS.has(extname(path).slice(1).toLowerCase());
}
