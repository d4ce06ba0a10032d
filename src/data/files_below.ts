/** The files of a folder. */

import { extname, join } from "@std/path";
import { formatReaders, hasSignature, HEAD_BYTES } from "./formats/registry.ts";

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

/** Whether a file is a point cloud's by its ending or, whatever that is, by the signature it begins with. */
export async function isPointCloudFile(path: string): Promise<boolean> {
  if (hasKnownExtension(path)) return true;
  try {
    using file = await Deno.open(path);
    const head = new Uint8Array(HEAD_BYTES);
    const { size, isFile } = await file.stat();
    const length = isFile ? await file.read(head) ?? 0 : 0;
    return hasSignature(head.subarray(0, length), path, size);
  } catch (error) {
    // What cannot be opened and has no ending of ours is nobody's.
    if (error instanceof Error && error.name in Deno.errors) return false;
    throw error;
  }
}

/** Whether a file's ending is one of a known point cloud format's. */
export function hasKnownExtension(path: string): boolean {
  return EXTENSIONS.has(extname(path).slice(1).toLowerCase());
}
