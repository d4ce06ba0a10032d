/**
 * Lists beside clouds that say which are for training and which for tests, as benchmarks bring
 * them.
 */

import { basename, extname } from "@std/path";
import type { Split } from "../scenes_dataset.ts";
import type { LeftOut } from "./belongs.ts";
import { splitNamed } from "./places.ts";

/** A list larger than this is something else. */
const MOST_BYTES = 16 * 2 ** 20;
/** What decides where lists do not agree: nothing that is for tests is trained on. */
const ORDER: readonly Split[] = ["test", "val", "train"];

/** What the lists of a folder say. */
export interface ListedSplits {
  /** The lists that name clouds. */
  readonly lists: readonly string[];
  /** By what a cloud is called. */
  readonly splits: ReadonlyMap<string, Split>;
}

/**
 * The splits that lists give: texts named like `modelnet40_train.txt` with a name (stem or path) a
 * line. They count where they name half of the clouds or more.
 *
 * @param names All names of each cloud: its stem, its path in the folder, that without its ending.
 */
export async function splitsOfLists(
  leftOut: readonly LeftOut[],
  names: readonly (readonly string[])[],
): Promise<ListedSplits> {
  const known = new Set(names.flat());
  const lists: string[] = [];
  const splits = new Map<string, Split>();
  for (const { path, what } of leftOut) {
    const split = what === "no points" ? splitOfList(path) : undefined;
    if (split === undefined || (await Deno.stat(path)).size > MOST_BYTES) continue;
    const listed = (await Deno.readTextFile(path)).split(/[\r\n]+/)
      .map((line) => line.trim().replaceAll("\\", "/").replace(/^\.\//, ""))
      .filter((line) => known.has(line));
    if (listed.length > 0) lists.push(path);
    for (const name of listed) {
      const before = splits.get(name);
      const wins = before === undefined || ORDER.indexOf(split) < ORDER.indexOf(before);
      if (wins) splits.set(name, split);
    }
  }
  const named = names.filter((each) => each.some((name) => splits.has(name))).length;
  return 2 * named < names.length ? { lists: [], splits: new Map() } : { lists, splits };
}

/** The one split that a list's name has among its words: `modelnet40_train`, `test-list`. */
function splitOfList(path: string): Split | undefined {
  const words: string[] = basename(path, extname(path)).split(/[^A-Za-z]+/);
  const found = new Set<Split>(words.flatMap((word) => splitNamed(word) ?? []));
  return found.size === 1 ? [...found][0] : undefined;
}
