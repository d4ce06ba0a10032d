/**
 * manifest.json, which says what a folder of features holds, and the journal that grows while it is
 * made.
 */

import { join } from "@std/path";
import { writeFileAtomically } from "../../base/atomic_write.ts";
import type { SceneSettings } from "../../scenes/preprocess/settings.ts";
import type { ConfigValues } from "../../run/config.ts";
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
  /**
   * With `file_scale`: the file's coordinates, in its own unit, are file_origin + coords /
   * file_scale.
   */
  readonly file_origin?: readonly [number, number, number];
  /** What the file's coordinates were multiplied by. */
  readonly file_scale?: number;
  /** Of labels in words: label i of the scene's points is the i-th of these. */
  readonly label_names?: readonly string[];
  /** F, rows of the input file; absent where features are of the scene's points. */
  readonly rows?: number;
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

/** The files of a folder of features that say what it holds: when all is made, and while it is. */
export const MANIFEST = "manifest.json", JOURNAL = "manifest.partial.jsonl";

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
