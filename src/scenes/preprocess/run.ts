/** A run of `preprocess`: plans, makes what is not made yet, writes the index. */

import { basename, join } from "@std/path";
import { removeTemporaries, writeFileAtomically } from "../../base/atomic_write.ts";
import { lockFolder } from "../../base/folder_lock.ts";
import { DataError, UsageError } from "../../base/errors.ts";
import type { PrepareReport } from "../../cloud/prepare.ts";
import type { Split } from "../scenes_dataset.ts";
import { eachScene } from "./each_scene.ts";
import { outcomeBefore, readRecord, type SceneOutcome, scenePath } from "./make_scene.ts";
import { allClassNames, renumberScene } from "./point_classes.ts";
import { makePlan, type Plan, type PlannedScene, readSplitFiles, settledScenes } from "./plan.ts";
import type { SceneSettings } from "./settings.ts";
import { findSources, type FolderLabels } from "./sources.ts";

/** What to make of what. */
export interface PreprocessOptions {
  /** Files and folders. */
  readonly inputs: readonly string[];
  /** Folder for the scenes. */
  readonly output: string;
  /** How each scene is made. */
  readonly settings: SceneSettings;
  /** Whether folders are classes. */
  readonly labels: FolderLabels;
  /** Shares of train, val and test; undefined: as folders say, else 0.9, 0.1, 0. */
  readonly ratio?: readonly number[];
  /** As `readSplitFiles` takes them; none: no lists. */
  readonly splitFiles: readonly string[];
  /** 0: in this thread. */
  readonly workers: number;
  /** End at the first file that cannot be read. */
  readonly strict: boolean;
  /** Remove scenes that an earlier run made and this one would not. */
  readonly clean: boolean;
  /** For the split. */
  readonly seed: number;
}

/** A run before anything is written. */
export interface Prepared {
  /** Every scene. */
  readonly plan: Plan;
  /** By id: what an earlier run made that stays. */
  readonly done: ReadonlyMap<string, SceneOutcome>;
  /** By id of those: the file, which may lie in another split than planned and is moved there. */
  readonly places: ReadonlyMap<string, string>;
  /** Files of an earlier run whose scenes this one makes under another path. */
  readonly moved: readonly string[];
  /** Files of an earlier run that this one would not make. */
  readonly stale: readonly string[];
}

/** How far a run is. */
export interface PreprocessProgress {
  /** Scenes made, in earlier runs too. */
  readonly done: number;
  /** Files skipped. */
  readonly failed: number;
  /** Scenes of the plan. */
  readonly total: number;
  /** Share of the bytes that were to be read, 0 to 1. */
  readonly share: number;
}

/** Hooks of `preprocess`. */
export interface PreprocessHooks {
  /** After each scene. */
  readonly onProgress?: (progress: PreprocessProgress) => void;
  /** A file was skipped. */
  readonly onFailure?: (scene: PlannedScene, reason: string) => void;
  /** When aborted the run ends at once; finished scenes stay. */
  readonly signal?: AbortSignal;
}

/** What index.json holds. */
export interface PreprocessIndex {
  /** Names the kind of file. */
  readonly format: "dbbd-index";
  /** Of this layout. */
  readonly version: 1;
  /** How each scene was made. */
  readonly settings: SceneSettings;
  /** A scene's label is a place in this list. */
  readonly classes: readonly string[];
  /** Where files had labels in words: a point's label is a place in this list. */
  readonly pointClasses?: readonly string[];
  /** Points removed and so on, over all scenes. */
  readonly totals: Readonly<Record<string, number>>;
  /** Scenes and their points by split. */
  readonly counts: Readonly<Record<Split, { readonly scenes: number; readonly points: number }>>;
  /** Every scene, its file relative to the index. */
  readonly scenes: readonly {
    readonly file: string;
    readonly source: string;
    readonly label?: number;
    readonly points: number;
    readonly regions: number;
    readonly report?: PrepareReport;
    readonly notes?: readonly string[];
  }[];
  /** Files that were skipped. */
  readonly failed: readonly { readonly source: string; readonly reason: string }[];
}

const SPLITS: readonly Split[] = ["train", "val", "test"];
const SCENE = ".safetensors";

/**
 * Finds the sources, plans the scenes and looks at what is done. Writes nothing. Errors as those of
 * its parts.
 */
export async function prepareRun(options: PreprocessOptions): Promise<Prepared> {
  const { inputs, output, settings, ratio, splitFiles, seed } = options;
  const lists = splitFiles.length > 0 ? await readSplitFiles(splitFiles) : undefined;
  const sources = await findSources(inputs, options.labels, output);
  const plan = makePlan(sources, { ratio, lists, seed });
  const done = new Map<string, SceneOutcome>();
  const places = new Map<string, string>();
  for (const scene of plan.scenes) {
    for (const split of new Set([scene.split, ...SPLITS])) {
      const path = scenePath(output, { ...scene, split });
      const outcome = done.has(scene.id) ? undefined : await outcomeBefore(path, scene, settings);
      if (outcome === undefined) continue;
      done.set(scene.id, outcome);
      places.set(scene.id, path);
    }
  }
  const planned = new Set(
    plan.scenes.map((scene) => places.get(scene.id) ?? scenePath(output, scene)),
  );
  const names = new Set(plan.scenes.map(({ source }) => source.name));
  const moved: string[] = [], stale: string[] = [];
  for (const path of await scenesIn(output)) {
    if (planned.has(path)) continue;
    const before = await readRecord(path);
    if (before !== undefined) (names.has(before.record.source.name) ? moved : stale).push(path);
  }
  return { plan, done, places, moved, stale };
}

async function scenesIn(output: string): Promise<string[]> {
  const found: string[] = [];
  for (const split of SPLITS) {
    for (const name of await namesIn(join(output, split))) {
      if (name.endsWith(SCENE) && !name.startsWith(".")) found.push(join(output, split, name));
    }
  }
  return found;
}

async function namesIn(folder: string): Promise<string[]> {
  const names: string[] = [];
  try {
    for await (const { name, isFile } of Deno.readDir(folder)) if (isFile) names.push(name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    if (error instanceof Deno.errors.NotADirectory) {
      throw new UsageError(`Cannot write to ${folder}: expected a folder, found a file`);
    }
    throw writeError(folder, error);
  }
  return names.sort();
}

/**
 * Makes every scene of the plan that is not made yet, and `index.json`, which is there when the run
 * is complete.
 *
 * @throws {UsageError} The output holds scenes of another run. @throws {DataError} Writing failed,
 * a file could not be read and `strict` is set, or no scene at all came out. @throws what the
 * signal was aborted with.
 */
export async function preprocess(
  { plan, done, places, moved, stale }: Prepared,
  options: PreprocessOptions,
  hooks: PreprocessHooks = {},
): Promise<PreprocessIndex> {
  const { output, settings, strict, clean } = options;
  if (stale.length > 0 && !clean) throw mixed(output, stale);
  using _ = await lockFolder(output, "--output", "scenes");
  // What writers that were killed have left: nobody else writes here now.
  for (const folder of [output, ...SPLITS.map((split) => join(output, split))]) {
    await removeTemporaries(folder, (name) => name === "index.json" || name.endsWith(SCENE));
  }
  const left = plan.scenes.filter(({ id }) => !done.has(id));
  await makeFolders(output, plan, left.length > 0);
  const outcomes = new Map(done);
  const failed = new Map<string, string>();
  const bytes = left.reduce((sum, { source }) => sum + source.bytes, 0);
  let read = 0;
  const tell = (): void =>
    hooks.onProgress?.({
      done: outcomes.size,
      failed: failed.size,
      total: plan.scenes.length,
      share: bytes > 0 ? read / bytes : 1,
    });
  tell();
  await eachScene(left, options, hooks.signal, (scene, made) => {
    read += scene.source.bytes;
    if ("failure" in made) {
      if (strict) throw new DataError(`Stopped at ${scene.source.name}: ${made.failure}`);
      failed.set(scene.id, made.failure);
      hooks.onFailure?.(scene, made.failure);
    } else outcomes.set(scene.id, made);
    tell();
  });
  for (const path of [...moved, ...stale]) await removeIfThere(path);
  for (const scene of plan.scenes) {
    // An earlier run read what this one cannot: what is left of it is of other settings.
    if (failed.has(scene.id)) await removeIfThere(scenePath(output, scene));
  }
  if (outcomes.size === 0) {
    throw new DataError(
      `Cannot preprocess: none of the ${plan.scenes.length} files can be read; the first: ${
        [...failed.values()][0]
      }`,
    );
  }
  const scenes = settledScenes(plan, ({ id }) => outcomes.has(id));
  await moveToSplits(output, plan, scenes, places);
  const pointClasses = await numberAlike(output, scenes, outcomes);
  const index = indexOf(plan, scenes, settings, outcomes, failed, pointClasses);
  const text = new TextEncoder().encode(JSON.stringify(index, null, 1) + "\n");
  await writeFileAtomically(join(output, "index.json"), text);
  return index;
}

/** The error for scenes of another run that are in the way. */
function mixed(output: string, stale: readonly string[]): UsageError {
  const count = `${stale.length} scene${stale.length === 1 ? "" : "s"}`;
  return new UsageError(
    `Cannot preprocess into ${output}: it holds ${count} of another run (${stale[0]}${
      stale.length > 1 ? ", …" : ""
    }), which would be mixed with these. ` +
      "Choose another --output, or pass --clean to remove them",
  );
}

/** Moves the files of scenes to the splits that they have now that it is known what can be read. */
async function moveToSplits(
  output: string,
  { scenes: planned }: Plan,
  scenes: readonly PlannedScene[],
  places: ReadonlyMap<string, string>,
): Promise<void> {
  const made = new Map(planned.map((scene) => [scene.id, scenePath(output, scene)]));
  for (const scene of scenes) {
    const from = places.get(scene.id) ?? made.get(scene.id)!, to = scenePath(output, scene);
    if (from === to) continue;
    try {
      await Deno.mkdir(join(output, scene.split), { recursive: true });
      await Deno.rename(from, to);
    } catch (error) {
      throw writeError(to, error);
    }
  }
}

/**
 * Gives labels in words the same numbers in all scenes: the places in the list that is returned.
 */
async function numberAlike(
  output: string,
  scenes: readonly PlannedScene[],
  outcomes: ReadonlyMap<string, SceneOutcome>,
): Promise<readonly string[]> {
  const names = allClassNames([...outcomes.values()].map(({ classNames }) => classNames ?? []));
  for (const scene of scenes) {
    const own = outcomes.get(scene.id)!.classNames;
    if (own === undefined || own.join("\n") === names.join("\n")) continue;
    await renumberScene(scenePath(output, scene), own, names);
  }
  return names;
}

async function makeFolders(output: string, plan: Plan, changes: boolean): Promise<void> {
  try {
    for (const split of SPLITS) {
      if (plan.scenes.some((scene) => scene.split === split)) {
        await Deno.mkdir(join(output, split), { recursive: true });
      }
    }
    if (changes) await removeIfThere(join(output, "index.json"));
  } catch (error) {
    throw writeError(output, error);
  }
}

/** What a person is told where the system does not let us write. */
function writeError(path: string, error: unknown): unknown {
  const isSystem = error instanceof Error && error.name in Deno.errors;
  return isSystem ? new DataError(`Cannot write to ${path}: ${error.message}`) : error;
}

async function removeIfThere(path: string): Promise<void> {
  try {
    await Deno.remove(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw writeError(path, error);
  }
}

function indexOf(
  plan: Plan,
  made: readonly PlannedScene[],
  settings: SceneSettings,
  outcomes: ReadonlyMap<string, SceneOutcome>,
  failed: ReadonlyMap<string, string>,
  pointClasses: readonly string[],
): PreprocessIndex {
  const totals: Record<string, number> = {};
  for (const { report } of outcomes.values()) {
    for (const [key, value] of Object.entries(report ?? {})) {
      if (typeof value === "number" && key !== "scale") totals[key] = (totals[key] ?? 0) + value;
    }
  }
  const counts = Object.fromEntries(SPLITS.map((split) => {
    const scenes = made.filter((scene) => scene.split === split);
    const points = scenes.reduce((sum, { id }) => sum + outcomes.get(id)!.points, 0);
    return [split, { scenes: scenes.length, points }];
  })) as PreprocessIndex["counts"];
  return {
    format: "dbbd-index",
    version: 1,
    settings,
    classes: plan.classes,
    ...(pointClasses.length > 0 && { pointClasses }),
    totals,
    counts,
    scenes: made.map((scene) => ({
      file: `${scene.split}/${basename(scenePath("", scene))}`,
      source: scene.source.name,
      label: scene.label,
      ...{ ...outcomes.get(scene.id)!, classNames: undefined },
    })),
    failed: plan.scenes.filter(({ id }) => failed.has(id)).map(({ id, source }) => ({
      source: source.name,
      reason: failed.get(id)!,
    })),
  };
}
