/**
 * Which files of a folder are clouds of their own, and which belong to another file or are no
 * clouds at all.
 */

import { basename, dirname, extname, join } from "@std/path";
import { headOf, isPointCloudFile } from "../../cloud/files_below.ts";
import { type ArrayParts, partsBeside } from "../../cloud/array_parts.ts";
import { textContent } from "../../cloud/formats/text/text_content.ts";

/** A file that is no scene. */
export interface LeftOut {
  readonly path: string;
  /** What it is, where that is known: `no points`, `poses`, `parts of clouds`. */
  readonly what?: string;
}

/** The files of a folder, told apart. */
export interface SortedFiles {
  /** Each is a cloud, or several. */
  readonly clouds: readonly string[];
  /**
   * By the path of a cloud: arrays beside it that hold its colours, labels and so on, which are
   * read with it.
   */
  readonly parts: ReadonlyMap<string, ArrayParts>;
  readonly leftOut: readonly LeftOut[];
}

/** Endings that anything written as text may have. */
const ANY_TEXT = new Set([".txt", ".csv", ".tsv", ".dat"]);
const TEXT_HEAD = 16_384;

/**
 * Tells clouds from what lies beside them. No cloud of its own is
 * - a file of no known format;
 * - a text (.txt, .csv, …) without a line of three numbers, and one of poses or matrices: by its
 *   content;
 * - what a folder `Annotations` holds, where a cloud lies beside that folder: parts of it (S3DIS);
 * - an array (`color.npy`, `X_normal.npy`) beside one of coordinates, with which it is read if it
 *   has as many rows;
 * - a second version of a mesh: `_vh_clean` beside `_vh_clean_2` (ScanNet), and what repeats
 *   another's name with `.labels`, `_semantic` and the like after it, whatever its ending.
 */
export async function sortFiles(files: readonly string[]): Promise<SortedFiles> {
  const leftOut: LeftOut[] = [];
  const known: string[] = [];
  for (const path of files) {
    const what = await whatItIs(path);
    if (what === CLOUD) known.push(path);
    else leftOut.push({ path, what });
  }
  const parts = await partsBeside(known.filter((path) => /\.npy$/i.test(path)));
  const owned = new Set([...parts.values()].flatMap(({ beside }) => Object.values(beside)));
  const misfits = new Set([...parts.values()].flatMap((each) => each.misfits));
  const there = new Set(known.flatMap((path) => [path, withoutEnding(path)]).map(lowered));
  const folders = new Set(known.map((path) => dirname(path)));
  const clouds: string[] = [];
  for (const path of known) {
    if (owned.has(path)) continue;
    const what = misfits.has(path)
      ? "arrays of other lengths"
      : isAnnotation(path, folders)
      ? "parts of clouds"
      : repeatsAnother(path, there)
      ? "other versions of clouds"
      : undefined;
    if (what === undefined) clouds.push(path);
    else leftOut.push({ path, what });
  }
  return { clouds, parts, leftOut };
}

const CLOUD = "cloud";

async function whatItIs(path: string): Promise<string | undefined> {
  if (ANY_TEXT.has(extname(path).toLowerCase())) {
    const head = await headOf(path, TEXT_HEAD);
    // What cannot be opened is told when it is read.
    return head === undefined ? CLOUD : textContent(head.bytes, head.size) ?? CLOUD;
  }
  return await isPointCloudFile(path) ? CLOUD : undefined;
}

function isAnnotation(path: string, folders: ReadonlySet<string>): boolean {
  const folder = dirname(path);
  return /^annotations?$/i.test(basename(folder)) && folders.has(dirname(folder));
}

/** What follows a cloud's name in that of a file which says something of the same points. */
const REPEATS =
  /[._-](labels?|semantics?|segmented|segmentation|instances?|instances\.annotated|lidarseg|panoptic)$/i;

function repeatsAnother(path: string, there: ReadonlySet<string>): boolean {
  const ending = extname(path);
  const stem = basename(path, ending);
  const beside = (name: string): boolean =>
    there.has(lowered(join(dirname(path), `${name}${ending}`)));
  // Raw files say nothing of themselves, so their name has to.
  if (ending.toLowerCase() === ".bin" && REPEATS.test(stem)) return true;
  // Of ScanNet's two meshes the coarser one is that which the labels are of.
  if (/_vh_clean$/i.test(stem)) return beside(`${stem}_2`);
  const original = join(dirname(path), stem.replace(REPEATS, ""));
  return REPEATS.test(stem) && there.has(lowered(original));
}

function withoutEnding(path: string): string {
  return path.slice(0, path.length - extname(path).length);
}

/** File systems may not tell upper from lower case. */
function lowered(path: string): string {
  return path.toLowerCase();
}

/** `left out: 3 .txt (lists), 1 .label`; undefined where nothing was. */
export function describeLeftOut(leftOut: readonly LeftOut[]): string | undefined {
  const counts = new Map<string, number>();
  for (const { path, what } of leftOut) {
    const ending = /(\.\w+)?\.\w+$/.exec(basename(path))?.[0] ?? "";
    // Of two endings the first counts where it says what is packed: .ply.gz, .tar.gz.
    const packed = /\.(gz|bz2|xz|zst)$/i.test(ending);
    const shown = (packed ? ending : extname(path)).toLowerCase() || "without an ending";
    const key = what === undefined ? shown : `${shown} (${what})`;
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  if (counts.size === 0) return undefined;
  const kinds = [...counts].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));
  const shown = kinds.slice(0, MOST_KINDS).map(([kind, count]) => `${count} ${kind}`);
  const rest = kinds.slice(MOST_KINDS).reduce((sum, [, count]) => sum + count, 0);
  return `left out: ${shown.join(", ")}${rest > 0 ? ` and ${rest} others` : ""}`;
}

const MOST_KINDS = 8;
