/**
 * One writer a folder: a lock that the system takes back when its process ends, however it ends.
 */

import { join } from "@std/path";
import { DataError, UsageError } from "./errors.ts";

/** The lock's file in the folder; it is there while somebody writes. */
const LOCK = ".dbbd.lock";

/** A folder that is locked until this is closed. */
export interface FolderLock extends Disposable {
  /** Gives the folder free. */
  close(): void;
}

/**
 * A program that only asks whether it could write has the lock for a moment: so often, so far
 * apart, it is tried again.
 */
const TRIES = 20, WAIT_MS = 50;

/** Opens the file and locks it; null: somebody else has it locked. */
async function tryLock(path: string): Promise<Deno.FsFile | null> {
  for (let refused = 0;;) {
    const file = await Deno.open(path, { read: true, write: true, create: true });
    try {
      if (!await file.tryLock(true)) {
        file.close();
        if (++refused === TRIES) return null;
        await new Promise((resolve) => setTimeout(resolve, WAIT_MS));
        continue;
      }
    } catch {
      return file; // a file system without locks: nothing to be had there
    }
    // Whoever had it may have removed the file between opening and locking: then this is a lock
    // that nobody sees.
    const now = await Deno.stat(path).catch(() => null);
    if (now !== null && now.ino === (await file.stat()).ino) return file;
    file.close();
  }
}

async function ownerOf(path: string): Promise<string> {
  const text = await Deno.readTextFile(path).catch(() => "");
  const pid = /^\d{1,10}$/.exec(text.trim())?.[0];
  return pid === undefined ? "" : ` (process ${pid})`;
}

/** The error for a folder in which another run writes. */
async function taken(folder: string, key: string): Promise<UsageError> {
  return new UsageError(
    `Cannot write into ${folder} (${key}): another run${await ownerOf(
      join(folder, LOCK),
    )} writes there. ` +
      `Give each run a ${key} of its own, or wait for the other to end.`,
  );
}

/** Whether somebody has the lock; asking takes none away. */
async function isLocked(path: string): Promise<boolean> {
  try {
    using file = await Deno.open(path);
    return !await file.tryLock(false);
  } catch {
    return false; // there is no such file, or there are no locks
  }
}

/**
 * Makes `folder` where it isn't there, and finds out whether it can be written and nobody else
 * writes there.
 *
 * @param key The setting that names the folder, for messages.
 * @throws {UsageError} It cannot be made or written, or another run has locked it.
 */
export async function checkFolder(folder: string, key: string): Promise<void> {
  try {
    await Deno.mkdir(folder, { recursive: true });
    await Deno.remove(await Deno.makeTempFile({ dir: folder, prefix: ".", suffix: ".tmp" }));
  } catch (error) {
    throw new UsageError(
      `Cannot write checkpoints into ${folder} (${key}): ${(error as Error).message}`,
    );
  }
  if (await isLocked(join(folder, LOCK))) throw await taken(folder, key);
}

/**
 * Makes `folder` where it isn't there, and locks it, which also shows that it can be written.
 *
 * @param key The setting or flag that names the folder, for messages.
 * @param what What goes there, for messages; default "checkpoints".
 * @throws {UsageError} The folder cannot be made or written, or another run has locked it.
 */
export async function lockFolder(
  folder: string,
  key: string,
  what = "checkpoints",
): Promise<FolderLock> {
  const path = join(folder, LOCK);
  let file: Deno.FsFile | null;
  try {
    await Deno.mkdir(folder, { recursive: true });
    file = await tryLock(path);
  } catch (error) {
    throw new UsageError(
      `Cannot write ${what} into ${folder} (${key}): ${(error as Error).message}`,
    );
  }
  if (!file) throw await taken(folder, key);
  let open = true;
  const close = (): void => {
    if (!open) return;
    open = false;
    try {
      Deno.removeSync(path); // while it is locked: who opens it now finds another file, or none
    } catch {
      // the folder is gone, and the lock with it
    }
    file.close();
  };
  try {
    await file.truncate();
    await file.write(new TextEncoder().encode(String(Deno.pid)));
  } catch (error) {
    close();
    throw new DataError(
      `Cannot write into ${folder} (${key}): ${(error as Error).message}`,
    );
  }
  return { close, [Symbol.dispose]: close };
}
