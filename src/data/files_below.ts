/** The files of a folder. */

import { extname, join } from "@std/path";
import { formatReaders } from "./formats/registry.ts";

/** All files below a folder in order of path, hidden ones and those in hidden folders aside. Links are not followed. */
export async function filesBelow(folder: string): Promise<string[]> {
  const files: string[] = [];
  const pending = [folder];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    for await (const { name, isDirectory, isFile, isSymlink } of Deno.readDir(next)) {
      if (name.startsWith(".")) continue;
      if (isDirectory) pending.push(join(next, name));
      else if (isFile || isSymlink && await isLinkToFile(join(next, name))) {
        files.push(join(next, name));
      }
    }
  }
  return files.sort((a, b) => (a < b ? -1 : 1));
}

async function isLinkToFile(path: string): Promise<boolean> {
  try {
    return (await Deno.stat(path)).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false; // it points nowhere
    throw error;
  }
}

const EXTENSIONS = new Set(formatReaders.flatMap(({ extensions }) => extensions));

/** Whether a file's ending is one of a known point cloud format's. */
export function hasKnownExtension(path: string): boolean {
  return EXTENSIONS.has(extname(path).slice(1).toLowerCase());
}
