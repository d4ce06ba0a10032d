/** A small disk that can be filled, where the system lets one be mounted. */

import { join } from "@std/path";

/** A disk of a few megabytes. */
export interface SmallDisk extends AsyncDisposable {
  /** Where it is mounted. */
  readonly path: string;
  /** Takes all of its space. */
  fill(): void;
  /** Gives it back. */
  free(): void;
}

async function system(command: string, ...args: readonly string[]): Promise<string | null> {
  try {
    const { code, stderr } = await new Deno.Command(command, { args: [...args], stdout: "null" })
      .output();
    return code === 0 ? null : new TextDecoder().decode(stderr).trim();
  } catch (error) {
    return (error as Error).message;
  }
}

/** Writes pieces of a size until the disk takes no more. */
function writeAll(file: Deno.FsFile, size: number): void {
  const piece = new Uint8Array(size);
  try {
    for (;;) file.writeSync(piece);
  } catch {
    // full
  }
}

/**
 * Mounts a disk of `kilobytes` at `path`, a folder that is made.
 *
 * @returns the disk, or why there is none: only the superuser of a Linux may mount
 */
export async function mountSmallDisk(
  path: string,
  kilobytes: number,
): Promise<SmallDisk | string> {
  if (Deno.build.os !== "linux") return "small disks can be mounted on Linux alone";
  await Deno.mkdir(path, { recursive: true });
  const why = await system("mount", "-t", "tmpfs", "-o", `size=${kilobytes}k`, "tmpfs", path);
  if (why !== null) return why;
  const filler = join(path, "filler");
  return {
    path,
    fill() {
      using file = Deno.openSync(filler, { create: true, append: true });
      for (const size of [4096, 1]) writeAll(file, size);
    },
    free() {
      Deno.removeSync(filler);
    },
    async [Symbol.asyncDispose]() {
      const stuck = await system("umount", path);
      if (stuck !== null) await system("umount", "-l", path);
    },
  };
}
