/** Finds the checkpoint of a folder that a run goes on from. */

import { join } from "@std/path";
import { DataError, UsageError } from "../base/errors.ts";
import { readSafetensors, readSafetensorsHeader } from "../base/safetensors.ts";
import { FORMAT } from "./checkpoint.ts";

/**
 * Whether a file is a whole checkpoint of this program; else why not, or null for a file that is
 * none at all.
 */
async function soundness(path: string): Promise<true | string | null> {
  try {
    const { metadata } = await readSafetensorsHeader(path);
    if (metadata.format !== FORMAT) return null;
    await readSafetensors(path); // all of it, against its checksums
    return true;
  } catch (error) {
    if (error instanceof DataError || error instanceof UsageError) return error.message;
    throw error;
  }
}

/**
 * The newest checkpoint in a folder that is whole. Other safetensors files are passed over; damaged
 * ones are told.
 *
 * @param say Told of each damaged file that is newer.
 * @throws {DataError} There is none, or the folder cannot be read.
 */
export async function newestCheckpoint(
  directory: string,
  say: (line: string) => void = () => {},
): Promise<string> {
  const found: { path: string; time: number }[] = [];
  try {
    for await (const entry of Deno.readDir(directory)) {
      if (!entry.name.endsWith(".safetensors")) continue;
      const path = join(directory, entry.name);
      const about = await Deno.stat(path).catch(() => null);
      if (about?.isFile) found.push({ path, time: about.mtime?.getTime() ?? 0 });
    }
  } catch (error) {
    throw new DataError(
      error instanceof Deno.errors.NotFound
        ? `Cannot resume: there is no checkpoint, for there is no folder ${directory}.`
        : `Cannot look for checkpoints in ${directory}: ${(error as Error).message}`,
    );
  }
  const damaged: string[] = [];
  for (const { path } of found.sort((a, b) => b.time - a.time)) {
    const sound = await soundness(path);
    if (sound === true) {
      for (const reason of damaged) say(`Passed over: ${reason}`);
      return path;
    }
    if (sound !== null) damaged.push(sound);
  }
  throw new DataError(
    `Cannot resume: there is no checkpoint (*.safetensors) in ${directory}${
      damaged.length > 0 ? ` that is whole:\n  ${damaged.join("\n  ")}` : "."
    }`,
  );
}
