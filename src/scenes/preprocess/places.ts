/** What the folders on the way to a cloud say of it: its split and its class. */

import { basename, relative, resolve } from "@std/path";
import type { Split } from "../scenes_dataset.ts";

/** Where a cloud lies. */
export interface Place {
  readonly split?: Split;
  /** Folders on the way from the input to the file, splits aside. */
  readonly folders: readonly string[];
}

const SPLIT_NAMES: Readonly<Record<string, Split>> = {
  train: "train",
  training: "train",
  val: "val",
  valid: "val",
  validation: "val",
  test: "test",
  testing: "test",
};

/** The split that a folder's or list's name means, if it is one. */
export function splitNamed(name: string): Split | undefined {
  const key = name.toLowerCase();
  return Object.hasOwn(SPLIT_NAMES, key) ? SPLIT_NAMES[key] : undefined;
}

/** Where `path` lies below `root`, the input as it was given, resolved. */
export function placeOf(root: string, path: string): Place {
  const folders: string[] = relative(root, resolve(path)).split(/[/\\]/).slice(0, -1);
  if (splitNamed(basename(root)) !== undefined) folders.unshift(basename(root));
  const at = folders.findIndex((folder) => splitNamed(folder) !== undefined);
  if (at < 0) return { folders };
  return { split: splitNamed(folders[at]), folders: folders.filter((_, i) => i !== at) };
}

/**
 * Share of the clouds that must lie where classes would be. The rest are strays, and have no class.
 */
const MAJORITY = 0.75;

/** Folders named after what their files are, which says nothing of what is in them. */
const KINDS_OF_DATA =
  /^(velodyne\w*|lidar\w*|points?|point_?clouds?|clouds?|scans?|mesh(es)?|pcd|ply|bin|las|laz|npy|off|obj)$/i;

/**
 * Whether folders are classes, by the vote of the clouds in them: most have a split and a folder
 * besides (CLASS/train/FILE, train/CLASS/FILE), or there are no splits and most lie in one folder
 * each. A class repeats: there are two clouds a class on average, or half of the classes are in
 * several splits. A folder a cloud is its name, and one called `velodyne` or `points` is none.
 */
export function foldersAreClasses(places: readonly Place[]): boolean {
  const divided = places.some(({ split }) => split !== undefined);
  const votes = places.filter(({ split, folders }) =>
    divided ? split !== undefined && folders.length > 0 : folders.length === 1
  );
  if (votes.length === 0 || votes.length < MAJORITY * places.length) return false;
  // A deeper folder is no stray: something other than classes divides the clouds.
  if (!divided && places.some(({ folders }) => folders.length > 1)) return false;
  if (votes.some(({ folders: [name] }) => KINDS_OF_DATA.test(name))) return false;
  const splits = new Map<string, Set<Split | undefined>>();
  for (const { split, folders: [name] } of votes) {
    splits.set(name, (splits.get(name) ?? new Set()).add(split));
  }
  const several = [...splits.values()].filter((each) => each.size > 1).length;
  if (!divided) return splits.size >= 2 && votes.length >= 2 * splits.size;
  return votes.length >= 2 * splits.size || 2 * several >= splits.size;
}
