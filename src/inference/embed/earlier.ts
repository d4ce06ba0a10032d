/**
 * What earlier runs of `embed` left in a folder. What files say there is data: it is checked before
 * it is believed.
 */

import { join } from "@std/path";
import { printable } from "../../base/printable.ts";
import { DataError, UsageError } from "../../base/errors.ts";
import { JOURNAL, MANIFEST, type Recipe, type SceneEntry } from "./manifest.ts";
import { FEATURES } from "./outputs.ts";

/** What earlier runs left in a folder. */
export interface Earlier {
  /** Scenes of the same recipe, by id. */
  readonly entries: ReadonlyMap<string, SceneEntry>;
  /** Files of another recipe; empty where there was none. */
  readonly others: readonly string[];
  /** The checkpoint of that other recipe. */
  readonly otherCheckpoint?: string;
}

async function textOf(path: string): Promise<string | undefined> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    if (error instanceof Deno.errors.NotADirectory) {
      throw new UsageError(`Cannot write to ${path}: its folder is a file`);
    }
    throw new DataError(`Cannot read ${path}: ${(error as Error).message}`);
  }
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined; // the line that a killed run did not finish
  }
}

/** Recipes are the same if all but the checkpoint's place is. */
function keyOf({ checkpoint, ...rest }: Recipe): string {
  return JSON.stringify({ ...rest, checkpoint: checkpoint.sha256 });
}

/**
 * What is in `folder` from before.
 *
 * @throws {UsageError} Its manifest.json is of something else, or damaged. @throws {DataError} It
 * cannot be read.
 */
export async function readEarlier(folder: string, recipe: Recipe): Promise<Earlier> {
  const text = await textOf(join(folder, MANIFEST));
  const [head, ...lines] = (await textOf(join(folder, JOURNAL)) ?? "").trimEnd().split("\n")
    .map(parsed);
  const journal = isRecipe(head) ? [{ made: head, scenes: lines.filter(isEntry) }] : [];
  const manifest = text === undefined ? [] : [manifestOf(parsed(text), folder)];
  const entries = new Map<string, SceneEntry>();
  const others: string[] = [];
  let otherCheckpoint: string | undefined;
  for (const { made, scenes } of [...manifest, ...journal]) {
    const isSame = keyOf(made) === keyOf(recipe);
    for (const entry of scenes) {
      const own = entry.files.filter((file) => isOwnFile(file, entry.id));
      // An entry that names files which no run writes was not made by one.
      if (isSame && own.length === entry.files.length) entries.set(entry.id, entry);
      else others.push(...own);
    }
    if (!isSame) otherCheckpoint = printable(made.checkpoint.path);
  }
  return { entries, others, otherCheckpoint };
}

function manifestOf(value: unknown, folder: string): { made: Recipe; scenes: SceneEntry[] } {
  const fail = (what: string): never => {
    throw new UsageError(
      `Cannot write features to ${folder}: its manifest.json is ${what}. Choose another --output`,
    );
  };
  if (!isRecord(value) || value.format !== "dbbd-features") return fail("of something else");
  const { recipe, scenes } = value;
  if (!isRecipe(recipe)) return fail("damaged (it has no recipe), or remove it");
  if (!Array.isArray(scenes)) return fail("damaged (it has no list of scenes), or remove it");
  const bad = scenes.findIndex((entry) => !isEntry(entry));
  if (bad >= 0) return fail(`damaged (entry ${bad} of its scenes is none), or remove it`);
  return { made: recipe, scenes };
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isRecipe(value: unknown): value is Recipe {
  return isRecord(value) && isRecord(value.checkpoint) &&
    typeof value.checkpoint.sha256 === "string" && typeof value.checkpoint.path === "string";
}

function isEntry(value: unknown): value is SceneEntry {
  return isRecord(value) && typeof value.id === "string" && PLAIN.test(value.id) &&
    isRecord(value.source) && typeof value.source.name === "string" &&
    typeof value.points === "number" && Array.isArray(value.regions) &&
    Array.isArray(value.files) && value.files.every((file) => typeof file === "string");
}

/** Names as `preprocess` and `embed` give them: no separators, not hidden. */
const PLAIN = /^[\p{L}\p{N}_-][\p{L}\p{N}._-]*$/u;

/** True for the names that a run gives the files of a scene: those alone may ever be removed. */
function isOwnFile(file: string, id: string): boolean {
  const [folder, name, array, ...more] = file.split("/");
  if (folder !== FEATURES || more.length > 0) return false;
  if (array === undefined) return name === `${id}.safetensors` || name === `${id}.ply`;
  return name === id && /^[a-z0-9_]+\.npy$/.test(array);
}

/**
 * Removes a file of an earlier run, if it is there: a file, in folders that are no links to
 * elsewhere.
 * @param file One of `Earlier`'s, relative to `folder`
 */
export async function removeOwnFile(folder: string, file: string): Promise<void> {
  const parts = file.split("/");
  for (let depth = 1; depth <= parts.length; depth++) {
    const path = join(folder, ...parts.slice(0, depth));
    try {
      const { isFile, isDirectory } = await Deno.lstat(path);
      if (depth < parts.length ? !isDirectory : !isFile) return;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return;
      throw error;
    }
  }
  await Deno.remove(join(folder, file));
}
