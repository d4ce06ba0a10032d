/**
 * Which scenes a list of files and folders holds, with what folders say of their class and split.
 */

import { basename, dirname, extname, join, relative, resolve } from "@std/path";
import { DataError, UsageError } from "../../base/errors.ts";
import type { ArrayParts } from "../../cloud/array_parts.ts";
import { filesBelow, isDevice, looksReadable, type PassedOver } from "../../cloud/files_below.ts";
import { openNpyStack, readNpyNumbers } from "../../cloud/npy_stack.ts";
import type { Split } from "../scenes_dataset.ts";
import { describeLeftOut, type LeftOut, sortFiles } from "./belongs.ts";
import { foldersAreClasses, type Place, placeOf, splitNamed } from "./places.ts";
import { splitsOfLists } from "./split_lists.ts";

/** One cloud to be made a scene. */
export interface Source {
  readonly path: string;
  /** Number of the cloud in a file that holds several (an NPY stack). */
  readonly index?: number;
  /** Arrays beside that of the coordinates, by what they hold: the cloud is all of them. */
  readonly parts?: ArrayParts["beside"];
  /** For people: the path from the input's parent, slashes between, `#index` for one of several. */
  readonly name: string;
  /**
   * What it is called where that is no other's name: the file's stem, or the name a stack gives it.
   */
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
  /** Files that are no clouds of their own. */
  readonly leftOut?: readonly LeftOut[];
  /** Files and folders that cannot be looked at. */
  readonly passedOver?: readonly PassedOver[];
  /** Lists in the inputs that say which clouds are for training and which for tests. */
  readonly lists?: readonly string[];
}

/**
 * The clouds in `inputs`. A folder gives every file below it, through links too, that is a cloud of
 * its own, as `sortFiles` tells. Folders named train, val or test (or training, …) are splits,
 * wherever they stand in the path; where there are none, lists such as `NAME_train.txt` are. The
 * first other folder of the path is the class, if `labels` is `folder`; if it is `auto`, where
 * `foldersAreClasses` says so. The order of classes is that of a file classes.txt in the input
 * folder, one name a line, else that of the alphabet.
 *
 * @param ignore Folder whose files are left out: the output, should it lie inside an input.
 * @throws {UsageError} An input is not there, or nothing is found. @throws {DataError} A stack's
 * labels do not fit it.
 */
export async function findSources(
  inputs: readonly string[],
  labels: FolderLabels,
  ignore: string,
): Promise<Sources> {
  const sources = new Map<string, Source>(); // by real path: overlapping inputs name a file once
  const named: string[] = [];
  const beside: Beside = { leftOut: new Map(), passedOver: [], lists: [] };
  for (const input of inputs) {
    for (const [key, source] of await sourcesOf(input, labels, ignore, named, beside)) {
      if (!sources.has(key)) sources.set(key, source);
    }
  }
  const leftOut = [...beside.leftOut.values()], { passedOver, lists } = beside;
  if (sources.size === 0) {
    const others = describeLeftOut(leftOut) ?? passedOver[0]?.reason;
    throw new UsageError(
      `Cannot read ${inputs.join(", ")}: there are no point cloud files in it${
        others === undefined ? "" : ` (${others})`
      }`,
    );
  }
  const used = new Set([...sources.values()].flatMap(({ className }) => className ?? []));
  const listed = [...new Set(named)].filter((name) => used.has(name));
  const rest = [...used].filter((name) => !listed.includes(name)).sort(byText);
  const classes = [...listed, ...rest];
  return { sources: [...sources.values()], classes, leftOut, passedOver, lists };
}

/** What inputs hold besides clouds. */
interface Beside {
  /** By path. */
  readonly leftOut: Map<string, LeftOut>;
  readonly passedOver: PassedOver[];
  readonly lists: string[];
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
  beside: Beside,
): Promise<[string, Source][]> {
  const info = await statOf(input);
  if (!info.isDirectory) {
    return await clouds(input, await Deno.realPath(input), basename(input), {}, classNames);
  }
  const root = resolve(input);
  const outside = (path: string) => /^\.\.([/\\]|$)/.test(relative(resolve(ignore), resolve(path)));
  const passOver = (entry: PassedOver) => beside.passedOver.push(entry);
  const all = await filesBelow(input, passOver);
  const files = await sortFiles(all.filter(outside));
  classNames.push(...await linesOf(join(input, "classes.txt")) ?? []);
  const companions = new Set([join(input, "classes.txt"), ...files.clouds.flatMap(companionsOf)]);
  const candidates = files.clouds.filter((path) => !companions.has(path));
  const reals = await distinct(root, candidates, passOver);
  const wanted = candidates.filter((path) => reals.has(path));
  const places = wanted.map((path) => placeOf(root, path));
  const splits = await listedSplits(root, wanted, places, files.leftOut, beside);
  for (const each of files.leftOut) {
    const used = companions.has(each.path) || beside.lists.includes(each.path);
    if (!used) beside.leftOut.set(each.path, each);
  }
  const classed = labels === "folder" || labels === "auto" && await votesForClasses(wanted, places);
  const found: [string, Source][] = [];
  for (const [i, path] of wanted.entries()) {
    const name = join(basename(root), relative(root, resolve(path)));
    const className = classed ? places[i].folders[0] : undefined;
    const place = { split: places[i].split ?? splits[i], className };
    const parts = files.parts.get(path);
    found.push(...await clouds(path, reals.get(path)!, name, place, classNames, parts));
  }
  return found;
}

/** `foldersAreClasses` by the clouds that can be read: a stray that is none has no say. */
async function votesForClasses(
  paths: readonly string[],
  places: readonly Place[],
): Promise<boolean> {
  const voters: Place[] = [];
  for (const [i, place] of places.entries()) {
    if (place.folders.length > 0 || await looksReadable(paths[i])) voters.push(place);
  }
  return foldersAreClasses(voters);
}

/**
 * Each file once where links lead to it several ways: by the way that says its split, else the
 * first. Gives where the files are when links are followed, by path.
 */
async function distinct(
  root: string,
  paths: readonly string[],
  onPassedOver: (entry: PassedOver) => void,
): Promise<Map<string, string>> {
  const ways = new Map<string, string>();
  for (const path of paths) {
    try {
      const real = await Deno.realPath(path), before = ways.get(real);
      const wins = before === undefined ||
        placeOf(root, before).split === undefined && placeOf(root, path).split !== undefined;
      if (wins) ways.set(real, path);
    } catch (error) {
      if (!(error instanceof Error && error.name in Deno.errors)) throw error;
      onPassedOver({ path, reason: error.message });
    }
  }
  return new Map([...ways].map(([real, path]) => [path, real]));
}

/** The splits of these clouds by the lists in their folder, where folders say nothing of splits. */
async function listedSplits(
  root: string,
  paths: readonly string[],
  places: readonly Place[],
  leftOut: readonly LeftOut[],
  beside: Beside,
): Promise<(Split | undefined)[]> {
  if (places.some(({ split }) => split !== undefined)) return paths.map(() => undefined);
  const names = paths.map((path) => {
    const inside = relative(root, resolve(path)).replaceAll("\\", "/"), ending = extname(path);
    const stem = basename(path, ending);
    return [stem, `${stem}${ending}`, inside, inside.slice(0, inside.length - ending.length)];
  });
  const { lists, splits } = await splitsOfLists(leftOut, names);
  beside.lists.push(...lists);
  return names.map((each) => {
    const name = each.find((one) => splits.has(one));
    return name === undefined ? undefined : splits.get(name);
  });
}

async function statOf(path: string): Promise<Deno.FileInfo> {
  try {
    const info = await Deno.stat(path);
    if (!isDevice(info)) return info;
    throw new UsageError(
      `Cannot read ${path}: expected a file or a folder, found a device or a pipe`,
    );
  } catch (error) {
    if (error instanceof UsageError) throw error;
    if (error instanceof Deno.errors.NotFound) {
      throw new UsageError(`Cannot read ${path}: there is no such file or folder`);
    }
    throw new DataError(
      `Cannot read ${path}: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}

/**
 * The clouds of one file: several where it is a stack. Keys name each once, however it was reached.
 */
async function clouds(
  path: string,
  key: string,
  name: string,
  place: { readonly split?: Split; readonly className?: string },
  classNames: string[],
  parts?: ArrayParts,
): Promise<[string, Source][]> {
  const files = await Promise.all([path, ...Object.values(parts?.beside ?? {})].map(statOf));
  const size = files.reduce((sum, info) => sum + info.size, 0);
  const modified = Math.max(...files.map(({ mtime }) => mtime?.getTime() ?? 0));
  const file = { path, modified, ...place, ...(parts && { parts: parts.beside }) };
  const stem = parts?.name ?? basename(path, extname(path));
  const plain: [string, Source] = [key, {
    ...file,
    name: name.replaceAll("\\", "/"),
    stem,
    bytes: size,
  }];
  if (parts !== undefined || extname(path).toLowerCase() !== ".npy") return [plain];
  let stack;
  try {
    stack = await openNpyStack(path);
  } catch (error) {
    // Whoever reads it will say the same.
    const told = error instanceof DataError || error instanceof Error && error.name in Deno.errors;
    if (told) return [plain];
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
    throw readError(path, error);
  }
}

/** What a person is told of a file that the system does not let us read. */
function readError(path: string, error: unknown): unknown {
  const isSystem = error instanceof Error && error.name in Deno.errors;
  return isSystem ? new DataError(`Cannot read ${path}: ${error.message}`) : error;
}

/** The lines of a text that are not empty, or undefined where there is no such file. */
export async function linesOf(path: string): Promise<string[] | undefined> {
  if (!await exists(path)) return undefined;
  const text = await Deno.readTextFile(path).catch((error) => {
    throw readError(path, error);
  });
  return text.split(/\r?\n/).map((line) => line.trim()).filter((line) => line !== "");
}
