/** A file that only grows, one whole piece at a time. */

import { DataError } from "./errors.ts";

/**
 * An open file to append to. Every `append` reaches the system at once, so that a killed run loses
 * nothing.
 */
export interface AppendFile extends Disposable {
  /** Appends all of `bytes`. Throws a DataError if the system refuses (disk full). */
  append(bytes: Uint8Array): void;
  /** Closes the file; later calls do nothing. */
  close(): void;
}

/**
 * Opens `path` for appending, and makes it if it isn't there.
 *
 * @throws {DataError} The system refuses.
 */
export function openAppendFile(path: string): AppendFile {
  const guard = <T>(use: () => T): T => {
    try {
      return use();
    } catch (error) {
      throw new DataError(`Cannot write ${path}: ${(error as Error).message}`, { cause: error });
    }
  };
  const file = guard(() => Deno.openSync(path, { append: true, create: true }));
  let open = true;
  const close = (): void => {
    if (open) file.close();
    open = false;
  };
  return {
    append: (bytes) =>
      guard(() => {
        for (let done = 0; done < bytes.length;) done += file.writeSync(bytes.subarray(done));
      }),
    close,
    [Symbol.dispose]: close,
  };
}
