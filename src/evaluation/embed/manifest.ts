/** manifest.json, which says what a folder of features holds, and the journal that grows while it is made. */

import { join } from "@std/path";
import { writeFileAtomically } from "../../data/atomic_write.ts";
import type { SceneSettings } from "../../data/preprocess/settings.ts";
import { DataError, UsageError } from "../../errors.ts";
import type { ConfigValues } from "../../training/config.ts";
import type { EmbedOutputs } from "./outputs.ts";

/** All that the features follow from besides the sources. Features of two recipes do not mix. */
export interface Recipe {
  /** Where the weights come from. */
  readonly checkpoint: {
    readonly path: string;
    readonly sha256: string;
    /** Epochs and steps it was trained for; null where it does not say. */
    readonly epoch: number | null;
    readonly step: number | null;
  };
  /** How it was trained. */
  readonly config: ConfigValues;
  /** How clouds became scenes. */
  readonly preparation: SceneSettings;
  /** What is written of each scene. */
  readonly outputs: EmbedOutputs;
}

/** One scene of a manifest. */
export interface SceneEntry {
  /** Names its files. */
  readonly id: string;
  /** The file it was made of, with what tells whether that has changed. */
  readonly source: { readonly name: string; readonly bytes: number; readonly modified: number };
  /** As the source's folder says. */
  readonly split?: string;
  /** As the source's folder says. */
  readonly class?: string;
  /** Class of the scene. */
  readonly label?: number;
  /** N. */
  readonly points: number;
  /** Regions of each level. */
  readonly regions: readonly number[];
  /** Added to coords it gives the file's coordinates. */
  readonly origin: readonly [number, number, number];
  /** Relative to the manifest. */
  readonly files: readonly string[];
}

/** What manifest.json holds. */
export interface Manifest {
  /** Names the kind of file. */
  readonly format: "dbbd-features";
  /** Of this layout. */
  readonly version: 1;
  /** How the features were made. */
  readonly recipe: Recipe;
  /** What computed them. */
  readonly device: string;
  /** D, values of a feature. */
  readonly width: number;
  /** What each array is. */
  readonly arrays: Readonly<Record<string, string>>;
  /** A label that folders gave is a place in this list. */
  readonly classes: readonly string[];
  /** In order of id. */
  readonly scenes: readonly SceneEntry[];
  /** Files of all scenes together, relative to the manifest. */
  readonly tables: readonly string[];
  /** Files that were skipped. */
  readonly failed: readonly { readonly source: string; readonly reason: string }[];
}

const MANIFEST = "manifest.json", JOURNAL = "manifest.partial.jsonl";

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
 * @throws {UsageError} Its manifest.json is of something else. @throws {DataError} It cannot be read.
 */
export async function readEarlier(folder: string, recipe: Recipe): Promise<Earlier> {
  const path = join(folder, MANIFEST);
  const text = await textOf(path);
  const manifest = text === undefined ? undefined : parsed(text) as Manifest | undefined;
  if (text !== undefined && manifest?.format !== "dbbd-features") {
    throw new UsageError(
      `Cannot write features to ${folder}: its manifest.json is of something else. Choose another --output`,
    );
  }
  const [head, ...lines] = (await textOf(join(folder, JOURNAL)) ?? "").trimEnd().split("\n")
    .map(parsed);
  const parts: [Recipe | undefined, readonly SceneEntry[]][] = [
    [manifest?.recipe, manifest?.scenes ?? []],
    [head as Recipe | undefined, lines.filter((line) => line !== undefined) as SceneEntry[]],
  ];
  const entries = new Map<string, SceneEntry>();
  const others: string[] = [];
  let otherCheckpoint: string | undefined;
  for (const [made, scenes] of parts) {
    if (made === undefined) continue;
    if (keyOf(made) === keyOf(recipe)) {
      for (const entry of scenes) entries.set(entry.id, entry);
    } else {
      others.push(...scenes.flatMap(({ files }) => files));
      otherCheckpoint = made.checkpoint.path;
    }
  }
  return { entries, others, otherCheckpoint };
}

/** The journal's path and its first bytes, which name the recipe and the scenes that stay. */
export async function startJournal(
  folder: string,
  recipe: Recipe,
  kept: Iterable<SceneEntry>,
): Promise<string> {
  const path = join(folder, JOURNAL);
  const lines = [recipe, ...kept].map((line) => JSON.stringify(line) + "\n");
  await writeFileAtomically(path, new TextEncoder().encode(lines.join("")));
  return path;
}

/** Writes manifest.json and removes the journal. */
export async function finishManifest(folder: string, manifest: Manifest): Promise<void> {
  const text = JSON.stringify(manifest, null, 1) + "\n";
  await writeFileAtomically(join(folder, MANIFEST), new TextEncoder().encode(text));
  await Deno.remove(join(folder, JOURNAL));
}
