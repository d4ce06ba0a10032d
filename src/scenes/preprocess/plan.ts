/** From sources to scenes: what each is called, which split it goes to, what its label is. */

import { basename, extname } from "@std/path";
import { UsageError } from "../../base/errors.ts";
import { Random } from "../../base/random.ts";
import type { Split } from "../scenes_dataset.ts";
import { splitNamed } from "./places.ts";
import { byText, linesOf, type Source, type Sources } from "./sources.ts";

/** One scene to be made. */
export interface PlannedScene {
  /** File name without ending; no two scenes of a run have the same. */
  readonly id: string;
  readonly split: Split;
  /** Place of `className` in the plan's classes. */
  readonly label?: number;
  readonly className?: string;
  readonly source: Source;
}

/** Everything a run makes. */
export interface Plan {
  /** In order of split and id. */
  readonly scenes: readonly PlannedScene[];
  readonly classes: readonly string[];
  /** Sources that a given split file does not name. */
  readonly leftOut: number;
  /** Who decided the splits: once it is known what can be read, they are drawn anew. */
  readonly options: SplitOptions;
  /** What the inputs hold besides the sources. */
  readonly beside: Pick<Sources, "leftOut" | "passedOver" | "lists">;
}

/**
 * Who decides the splits: lists of names, or shares; default: folders, and 0.9, 0.1, 0 where they
 * say nothing.
 */
export interface SplitOptions {
  /** Shares of train, val and test. */
  readonly ratio?: readonly number[];
  /** Names (paths or stems) by split. */
  readonly lists?: ReadonlyMap<string, Split>;
  readonly seed: number;
}

const SPLITS: readonly Split[] = ["train", "val", "test"];
const DEFAULT_RATIO = [0.9, 0.1, 0];

/**
 * Gives every source an id and a split.
 *
 * @throws {UsageError} No source is in a given list, or a listed name is no source.
 */
export function makePlan(found: Sources, options: SplitOptions): Plan {
  const { sources, classes, leftOut, passedOver, lists } = found;
  const ids = idsOf(sources);
  const splits = splitsOf(sources, ids, options);
  const scenes = sources.flatMap((source, i): PlannedScene[] => {
    const split = splits[i], { className } = source;
    if (split === undefined) return [];
    const label = className === undefined ? undefined : classes.indexOf(className);
    return [{ id: ids[i], split, label, className, source }];
  });
  scenes.sort(bySplitAndId);
  const beside = { leftOut, passedOver, lists };
  return { scenes, classes, leftOut: sources.length - scenes.length, options, beside };
}

/**
 * The scenes of the plan that can be read, with the splits they have without the others: a share is
 * drawn among what is there. Where lists decide, nothing changes.
 */
export function settledScenes(
  { scenes, options }: Plan,
  isReadable: (scene: PlannedScene) => boolean,
): PlannedScene[] {
  const readable = scenes.filter(isReadable);
  if (options.lists !== undefined) return readable;
  const sources = readable.map(({ source }) => source);
  const splits = splitsOf(sources, readable.map(({ id }) => id), options);
  return readable.map((scene, i) => ({ ...scene, split: splits[i]! })).sort(bySplitAndId);
}

function bySplitAndId(a: PlannedScene, b: PlannedScene): number {
  return SPLITS.indexOf(a.split) - SPLITS.indexOf(b.split) || byText(a.id, b.id);
}

/**
 * Stems; where several sources share one, their paths; where that is not enough, with the ending or
 * a number.
 */
function idsOf(sources: readonly Source[]): string[] {
  const ways: ((source: Source) => string)[] = [
    ({ stem }) => stem,
    ({ name, stem, index }) =>
      index === undefined
        ? name.slice(0, name.length - extname(name).length).replaceAll("/", "__")
        : `${name.slice(0, name.lastIndexOf("#")).replaceAll("/", "__")}__${stem}`,
    ({ name }) => name.replaceAll("/", "__").replaceAll(".", "_"),
  ];
  let ids = sources.map((source) => tidy(ways[0](source)));
  for (const way of ways.slice(1)) {
    const counts = countsOf(ids);
    ids = ids.map((id, i) => counts.get(id.toLowerCase())! > 1 ? tidy(way(sources[i])) : id);
  }
  const taken = new Set<string>();
  return ids.map((id) => {
    let free = id;
    for (let n = 2; taken.has(free.toLowerCase()); n++) free = `${id}_${n}`;
    taken.add(free.toLowerCase());
    return free;
  });
}

/** A name that every file system takes, and that is not hidden. */
function tidy(name: string): string {
  const safe = name.replace(/[^\p{L}\p{N}._-]+/gu, "_").replace(/^\.+/, "").slice(0, 120);
  return safe === "" ? "scene" : safe;
}

/** File systems may not tell upper from lower case. */
function countsOf(ids: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const id of ids) counts.set(id.toLowerCase(), (counts.get(id.toLowerCase()) ?? 0) + 1);
  return counts;
}

function splitsOf(
  sources: readonly Source[],
  ids: readonly string[],
  { ratio, lists, seed }: SplitOptions,
): (Split | undefined)[] {
  if (lists !== undefined) return listedSplits(sources, ids, lists);
  const given = sources.map(({ split }) => (ratio === undefined ? split : undefined));
  const open = given.flatMap((split, i) => (split === undefined ? [i] : []));
  const drawn = new Map(open.map((i) => [i, new Random(seed, "split", ids[i]).uniform()]));
  // Class by class, so that each is divided alike; in an order drawn from the names, so that it is
  // nobody's.
  open.sort((a, b) =>
    byText(sources[a].className ?? "", sources[b].className ?? "") ||
    drawn.get(a)! - drawn.get(b)!
  );
  divide(open.length, ratio ?? DEFAULT_RATIO).forEach((split, k) => given[open[k]] = split);
  return given;
}

/**
 * Splits for `count` things in a row, evenly spread; at least one for each share above 0, train
 * first.
 */
function divide(count: number, ratio: readonly number[]): Split[] {
  const total = ratio[0] + ratio[1] + ratio[2];
  const [, val, test] = ratio.map((share) => share / total);
  const taken = { val: 0, test: 0 };
  const splits = Array.from({ length: count }, (_, k): Split => {
    // What is 7.000000001 by rounding is 7.
    if (Math.ceil((k + 1) * test - 1e-9) > taken.test) return taken.test++, "test";
    if (Math.ceil((k + 1) * val - 1e-9) > taken.val) return taken.val++, "val";
    return "train";
  });
  return splits.includes("train") || ratio[0] === 0 ? splits : splits.map(() => "train");
}

function listedSplits(
  sources: readonly Source[],
  ids: readonly string[],
  lists: ReadonlyMap<string, Split>,
): (Split | undefined)[] {
  const found = new Set<string>();
  const splits = sources.map((source, i) => {
    const path = source.name;
    const inside = path.slice(path.indexOf("/") + 1);
    const names = [path, inside, withoutExtension(path), withoutExtension(inside)];
    names.push(basename(path), source.stem, ids[i]);
    const name = names.find((each) => lists.has(each));
    if (name === undefined) return undefined;
    found.add(name);
    return lists.get(name);
  });
  const missing = [...lists.keys()].filter((name) => !found.has(name));
  if (missing.length === lists.size) {
    throw new UsageError(
      `Cannot split: none of the ${lists.size} names in the split file is an input, such as ${
        missing[0]
      }; ` +
        `inputs are called like ${sources[0].name} or ${sources[0].stem}`,
    );
  }
  if (missing.length > 0) {
    throw new UsageError(
      `Cannot split: ${missing.length} of the ${lists.size} names in the split file are no inputs: ` +
        `${missing.slice(0, 5).join(", ")}${missing.length > 5 ? ", …" : ""}`,
    );
  }
  return splits;
}

function withoutExtension(path: string): string {
  return path.slice(0, path.length - extname(path).length);
}

/**
 * Reads split files: JSON `{"train": [names], "val": …, "test": …}`; text with a name and a split a
 * line, a comma, tab or space between; or, given as SPLIT=PATH, text with a name a line.
 *
 * @throws {UsageError} There is no such file, it is of none of these forms, or a name has two
 * splits.
 */
export async function readSplitFiles(files: readonly string[]): Promise<Map<string, Split>> {
  const lists = new Map<string, Split>();
  const add = (file: string, name: unknown, split: Split | undefined): void => {
    const fail = (message: string): never => {
      throw new UsageError(`Cannot use the split file ${file}: ${message}`);
    };
    if (typeof name !== "string" || split === undefined) {
      return fail(`expected names and the splits train, val or test, got ${JSON.stringify(name)}`);
    }
    const key = name.trim().replaceAll("\\", "/").replace(/^\.\//, "");
    const before = lists.get(key);
    if (before !== undefined && before !== split) fail(`${key} is in ${before} and in ${split}`);
    lists.set(key, split);
  };
  for (const file of files) {
    const [, before, rest] = file.match(/^(\w+)=(.*)$/s) ?? [];
    const split = before === undefined ? undefined : splitNamed(before);
    const path = split === undefined ? file : rest;
    const lines = await linesOf(path);
    if (lines === undefined) {
      throw new UsageError(`Cannot use the split file ${path}: there is no such file`);
    }
    if (split !== undefined) lines.forEach((line) => add(path, line, split));
    else if (lines[0]?.startsWith("{")) {
      for (const [name, members] of Object.entries(parseLists(lines.join("\n"), path))) {
        for (const member of members) add(path, member, splitNamed(name));
      }
    } else {
      for (const line of lines) {
        const [, name, word] = line.match(/^(.*?)[,;\s]+(\w+)$/) ?? [];
        add(path, name ?? line, word === undefined ? undefined : splitNamed(word));
      }
    }
  }
  return lists;
}

function parseLists(text: string, path: string): Record<string, unknown[]> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new UsageError(
      `Cannot use the split file ${path}: ${error instanceof Error ? error.message : error}`,
    );
  }
  const lists = value as Record<string, unknown[]>;
  if (Object.values(lists).every(Array.isArray)) return lists;
  throw new UsageError(
    `Cannot use the split file ${path}: expected {"train": [names], "val": [names], "test": [names]}`,
  );
}
