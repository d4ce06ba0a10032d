/** Reads a configuration's file, for every command that takes one. */

import { UsageError } from "../base/errors.ts";
import { type ConfigOverride, TrainingConfig } from "./config.ts";

/** Far more than any configuration: what is larger is something else, and is not read. */
const MOST_BYTES = 4_000_000;

/** The first byte that is not UTF-8, counted from 0; null: all are. */
function firstWrongByte(bytes: Uint8Array): number | null {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  const right = (end: number): boolean => {
    try {
      decoder.decode(bytes.subarray(0, end), { stream: true });
      return true;
    } catch {
      return false;
    } finally {
      // Without this the next call would go on in the middle of a character.
      try {
        decoder.decode();
      } catch {
        // an unfinished character at the end of a part is none of ours
      }
    }
  };
  if (right(bytes.length)) return null;
  let low = 0, high = bytes.length;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (right(middle)) low = middle;
    else high = middle;
  }
  // The wrong byte may be the one that does not follow: the character began before it.
  const begin = [1, 2, 3].map((back) => low - back).find((at) => bytes[at] >= 0xc0);
  return begin ?? low;
}

/**
 * The settings in a YAML file.
 *
 * @throws {UsageError} It is not there, no text, or lists everything that is wrong with its
 * settings.
 */
export async function readConfigFile(
  path: string,
  overrides: readonly ConfigOverride[] = [],
): Promise<TrainingConfig> {
  const refuse = (why: string): never => {
    throw new UsageError(`Cannot read the configuration ${path}: ${why}.`);
  };
  let bytes: Uint8Array;
  try {
    const { isFile, isDirectory, size } = await Deno.stat(path);
    if (!isFile) return refuse(`expected a file, found ${isDirectory ? "a folder" : "a device"}`);
    if (size > MOST_BYTES) return refuse(`expected a YAML text of settings, found ${size} bytes`);
    bytes = await Deno.readFile(path);
  } catch (error) {
    if (error instanceof UsageError) throw error;
    return refuse(
      error instanceof Deno.errors.NotFound ? "there is no such file" : (error as Error).message,
    );
  }
  const wrong = firstWrongByte(bytes);
  if (wrong !== null) {
    const line = bytes.subarray(0, wrong).reduce((count, byte) => count + Number(byte === 10), 1);
    return refuse(
      `expected UTF-8 text, found the byte 0x${
        bytes[wrong].toString(16)
      } in line ${line}; save it as UTF-8`,
    );
  }
  return TrainingConfig.fromYaml(new TextDecoder().decode(bytes), { file: path, overrides });
}
