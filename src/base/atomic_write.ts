/** Files that are either the old one or the whole new one, never half of it. */

import { basename, dirname, join } from "@std/path";
import { DataError, UsageError } from "./errors.ts";

/** A temporary file's name: a dot, the name it will have, eight digits that tell writers apart. */
const TEMPORARY = /^\.(.+)\.[0-9a-f]{8}\.tmp$/;

/**
 * Removes what writers that were killed have left in `folder`: temporary files of
 * `writeFileAtomically` for names that `which` picks. A file that cannot be removed stays; the
 * folder need not be there.
 *
 * @param olderThan Milliseconds since a file was last written to, where other writers may be at
 * work; default 0: all.
 */
export async function removeTemporaries(
  folder: string,
  which: (name: string) => boolean,
  olderThan = 0,
): Promise<void> {
  try {
    for await (const { name, isFile } of Deno.readDir(folder)) {
      const target = TEMPORARY.exec(name)?.[1];
      if (!isFile || target === undefined || !which(target)) continue;
      const path = join(folder, name);
      const written = (await Deno.stat(path)).mtime?.getTime() ?? Date.now();
      if (Date.now() - written >= olderThan) await Deno.remove(path);
    }
  } catch {
    // Litter harms nobody: whoever writes here next says what is wrong with the folder.
  }
}

/**
 * Writes `bytes` to `path`: a temporary file in the same folder is written, flushed to the disk and
 * renamed over `path`. On any failure the temporary file is removed and what stood at `path` before
 * still stands. A device or a pipe, such as /dev/null, is written to as it is.
 *
 * @throws {UsageError} The folder does not exist, or `path` is a folder.
 * @throws {DataError} The system refused: no permission, disk full.
 */
export async function writeFileAtomically(path: string, bytes: Uint8Array): Promise<void> {
  const folder = dirname(path);
  const temporary = join(folder, `.${basename(path)}.${crypto.randomUUID().slice(0, 8)}.tmp`);
  let created = false;
  try {
    if (await isStream(path)) {
      // Renamed over, /dev/null would be an ordinary file from then on, for every program.
      await Deno.writeFile(path, bytes, { create: false });
      return;
    }
    {
      using file = await Deno.open(temporary, { write: true, createNew: true });
      created = true;
      for (let done = 0; done < bytes.length;) done += await file.write(bytes.subarray(done));
      await file.sync();
    }
    await Deno.rename(temporary, path);
    await syncFolder(folder);
  } catch (error) {
    // The first failure is the one to tell.
    if (created) await Deno.remove(temporary).catch(() => {});
    if (!created && error instanceof Deno.errors.NotFound) {
      throw new UsageError(`Cannot write ${path}: the folder ${folder} does not exist`);
    }
    if (error instanceof Deno.errors.IsADirectory) {
      throw new UsageError(`Cannot write ${path}: expected a file name, found a folder`);
    }
    throw new DataError(`Cannot write ${path}: ${reason(error)}`, { cause: error });
  }
}

/**
 * Flushes a folder's names to the disk, so that a rename outlives a power cut, on systems that can
 * open a folder.
 */
async function syncFolder(folder: string): Promise<void> {
  let opened: Deno.FsFile;
  try {
    opened = await Deno.open(folder);
  } catch {
    return; // Windows, or a folder that may be written but not read
  }
  using file = opened;
  await file.sync().catch(() => {}); // some file systems have nothing to flush
}

/**
 * Whether something stands at `path` that takes bytes and keeps none: a device such as /dev/null, a
 * pipe.
 */
async function isStream(path: string): Promise<boolean> {
  const found = await Deno.stat(path).catch(() => null);
  return found !== null && !found.isFile && !found.isDirectory;
}

/** What the system said, without a stack. */
function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
