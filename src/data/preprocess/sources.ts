/** Which scenes a list of files and folders holds, with what folders say of their class and split. */

import { basename, dirname, extname, join, relative, resolve } from "@std/path";
import { DataError, UsageError } from "../../errors.ts";
import { filesBelow, isPointCloudFile } from "../files_below.ts";
import { openNpyStack, readNpyNumbers } from "../npy_stack.ts";
import type { Split } from "../scenes_dataset.ts";

/** One cloud to be made a scene. */
export interface Source {
  readonly path: string;
  /** Number of the cloud in a file that holds several (an NPY stack). */
  readonly index?: number;
  /** For people: the path from the input's parent, slashes between, `#index` for one of several. */
  readonly name: string;
  /** What it is called where that is no other's name: the file's stem, or the name a stack gives it. */
  readonly stem: string;
  /** Bytes of this cloud, about; progress goes by them. */
  readonly bytes: number;
  /** When the file was changed, in milliseconds. */
  readonly modified: number;
  readonly split?: Split;
  readonly className?: string;
}

/** How folders are read as classes: `auto` only where they look like it. */
export type FolderLabels = "auto" | "folder" | "none";

/** What was found. */
export interface Sources {
  readonly sources: readonly Source[];
  /** Names of all classes; a label is a place in this list. */
  readonly classes: readonly string[];
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

/**
 * The clouds in `inputs`. A folder gives every file below it with the ending or the first bytes of a known format. Folders named train, val or test
 * (or training, …) are splits, wherever they stand in the path. The first other folder of the path is the class, if
 * `labels` is `folder`; if it is `auto`, where each file of a split has one (CLASS/train/FILE, train/CLASS/FILE), or
 * where there are no splits, every file lies in one folder and these hold two files each or more on average. The
 * order of classes is that of a file classes.txt in the input folder, one name a line, else that of the alphabet.
 *
 * @param ignore Folder whose files are left out: the output, should it lie inside an input.
 * @throws {UsageError} An input is not there, or nothing is found. @throws {DataError} A stack's labels do not fit it.
 */
export async function findSources(
  inputs: readonly string[],
  labels: FolderLabels,
  ignore: string,
): Promise<Sources> {
  const sources = new Map<string, Source>(); // by real path: overlapping inputs name a file once
  const named: string[] = [];
  for (const input of inputs) {
    for (const [key, source] of await sourcesOf(input, labels, ignore, named)) {
      if (!sources.has(key)) sources.set(key, source);
    }
  }
  if (sources.size === 0) {
    throw new UsageError(
      `Cannot read ${inputs.join(", ")}: there are no point cloud files in it`,
    );
  }
  const used = new Set([...sources.values()].flatMap(({ className }) => className ?? []));
  const listed = [...new Set(named)].filter((name) => used.has(name));
  const rest = [...used].filter((name) => !listed.includes(name)).sort(byText);
  return { sources: [...sources.values()], classes: [...listed, ...rest] };
}

/** Orders text by its characters' codes: everywhere the same. */
export function byText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

async function sourcesOf(
  input: string,
  labels: FolderLabels,
  ignore: string,
  classNames: string[],
): Promise<[string, Source][]> {
  const info = await statOf(input);
  if (!info.isDirectory) return await clouds(input, basename(input), {}, classNames);
  const root = resolve(input);
  const outside = (path: string) => /^\.\.([/\\]|$)/.test(relative(resolve(ignore), resolve(path)));
  const files: string[] = [];
  for (const path of await filesBelow(input)) {
    if (outside(path) && await isPointCloudFile(path)) files.push(path);
  }
  classNames.push(...await linesOf(join(input, "classes.txt")) ?? []);
  const companions = new Set([join(input, "classes.txt"), ...files.flatMap(companionsOf)]);
  const wanted = files.filter((path) => !companions.has(path));
  const placed = wanted.map((path) => ({ path, ...placeOf(root, path) }));
  const classed = labels === "folder" || labels === "auto" && foldersAreClasses(placed);
  const found: [string, Source][] = [];
  for (const { path, split, folders } of placed) {
    const name = join(basename(root), relative(root, resolve(path)));
    const className = classed ? folders[0] : undefined;
    found.push(...await clouds(path, name, { split, className }, classNames));
  }
  return found;
}

async function statOf(path: string): Promise<Deno.FileInfo> {
  try {
    return await Deno.stat(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) {
      throw new UsageError(`Cannot read ${path}: there is no such file or folder`);
    }
    throw new DataError(
      `Cannot read ${path}: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}

interface Place {
  readonly split?: Split;
  /** Folders on the way from the input to the file, splits aside. */
  readonly folders: readonly string[];
}

function placeOf(root: string, path: string): Place {
  const folders: string[] = relative(root, resolve(path)).split(/[/\\]/).slice(0, -1);
  if (splitNamed(basename(root)) !== undefined) folders.unshift(basename(root));
  const at = folders.findIndex((folder) => splitNamed(folder) !== undefined);
  if (at < 0) return { folders };
  return { split: splitNamed(folders[at]), folders: folders.filter((_, i) => i !== at) };
}

function foldersAreClasses(places: readonly Place[]): boolean {
  if (places.length === 0) return false;
  if (places.every(({ split, folders }) => split !== undefined && folders.length > 0)) return true;
  const classes = new Set(places.map(({ folders }) => folders.join("/")));
  return places.every(({ split, folders }) => split === undefined && folders.length === 1) &&
    classes.size >= 2 && places.length >= 2 * classes.size;
}

/** The clouds of one file: several where it is a stack. Keys name each once, however it was reached. */
async function clouds(
  path: string,
  name: string,
  place: { readonly split?: Split; readonly className?: string },
  classNames: string[],
): Promise<[string, Source][]> {
  const { size, mtime } = await statOf(path);
  const key = await Deno.realPath(path);
  const file = { path, modified: mtime?.getTime() ?? 0, ...place };
  const stem = basename(path, extname(path));
  const plain: [string, Source] = [key, {
    ...file,
    name: name.replaceAll("\\", "/"),
    stem,
    bytes: size,
  }];
  if (extname(path).toLowerCase() !== ".npy") return [plain];
  let stack;
  try {
    stack = await openNpyStack(path);
  } catch (error) {
    if (error instanceof DataError) return [plain]; // whoever reads it will say the same
    throw error;
  }
  if (stack === undefined) return [plain];
  const [labels, names, classes] = await besideStack(path, stack.clouds);
  classNames.push(...classes ?? []);
  const prefix = stackPrefix(path);
  const digits = String(stack.clouds - 1).length;
  return Array.from({ length: stack.clouds }, (_, index): [string, Source] => {
    const number = String(index).padStart(digits, "0");
    return [`${key}#${index}`, {
      ...file,
      index,
      name: `${plain[1].name}#${index}`,
      stem: names?.[index] ?? `${prefix || stem}_${number}`,
      bytes: size / stack.clouds,
      split: place.split ?? splitNamed(prefix),
      className: labels === undefined ? place.className : classOf(labels[index], classes, path),
    }];
  });
}

/** `train` for `train_points.npy`, nothing for `points.npy`. */
function stackPrefix(path: string): string {
  return basename(path, extname(path)).replace(/[_-]?(points|coords|xyz|data|clouds)$/i, "");
}

/** Where a stack's labels, names and class names would be. */
function companionsOf(path: string): string[] {
  if (extname(path).toLowerCase() !== ".npy") return [];
  const folder = dirname(path), prefix = stackPrefix(path);
  if (prefix === basename(path, extname(path))) return [];
  const start = prefix === "" ? "" : `${prefix}_`;
  return [
    join(folder, `${start}labels.npy`),
    join(folder, `${start}names.txt`),
    join(folder, "classes.txt"),
  ];
}

async function besideStack(
  path: string,
  clouds: number,
): Promise<[number[] | undefined, string[] | undefined, string[] | undefined]> {
  const [labelFile, nameFile, classFile] = companionsOf(path);
  if (labelFile === undefined) return [undefined, undefined, undefined];
  const labels = await exists(labelFile) ? await readNpyNumbers(labelFile) : undefined;
  if (labels !== undefined && labels.data.length !== clouds) {
    throw new DataError(
      `Cannot use ${labelFile}: expected one label for each of the ${clouds} clouds in ${
        basename(path)
      }, got shape (${labels.shape.join(", ")})`,
    );
  }
  const names = await linesOf(nameFile);
  if (names !== undefined && names.length !== clouds) {
    throw new DataError(
      `Cannot use ${nameFile}: expected one name for each of the ${clouds} clouds in ${
        basename(path)
      }, got ${names.length} lines`,
    );
  }
  return [labels?.data, names, await linesOf(classFile)];
}

function classOf(label: number, classes: readonly string[] | undefined, path: string): string {
  const name = classes === undefined ? String(label) : classes[label];
  if (name !== undefined) return name;
  throw new DataError(
    `Cannot use the labels of ${path}: ${label} has no name, classes.txt has ${
      classes!.length
    } lines`,
  );
}

async function exists(path: string): Promise<boolean> {
  try {
    return (await Deno.stat(path)).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** The lines of a text that are not empty, or undefined where there is no such file. */
export async function linesOf(path: string): Promise<string[] | undefined> {
  if (!await exists(path)) return undefined;
  const text = await Deno.readTextFile(path);
  return text.split(/\r?\n/).map((line) => line.trim()).filter((line) => line !== "");
}
