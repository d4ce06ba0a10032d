/** Makes one scene file of one source, and sees whether that was done before. */

import { join } from "@std/path";
import { DataError, UsageError } from "../../base/errors.ts";
import { readArrayParts } from "../../cloud/array_parts.ts";
import { findReader, readPointCloud } from "../../cloud/formats/registry.ts";
import { hasRegionTree } from "../inspect.ts";
import { openNpyStack, readStackedCloud } from "../../cloud/npy_stack.ts";
import type { PointCloud } from "../../cloud/point_cloud.ts";
import { prepare, type PreparedCloud, type PrepareReport } from "../../cloud/prepare.ts";
import { readSafetensorsHeader } from "../../base/safetensors.ts";
import { parseSceneFile, type SceneFile, writeScene } from "../scene_file.ts";
import { buildTree } from "../tree_builder.ts";
import type { PlannedScene } from "./plan.ts";
import { parseSettings, type SceneSettings } from "./settings.ts";

/** A request to a worker. */
export interface SceneRequest {
  readonly scene: PlannedScene;
  readonly output: string;
}

/** What became of a source. */
export interface SceneOutcome {
  readonly points: number;
  readonly regions: number;
  /** Absent where the scene was taken as it is. */
  readonly report?: PrepareReport;
  /** What its reader guessed or doubts. */
  readonly notes?: readonly string[];
  /** Of labels in words: what the scene's labels number. */
  readonly classNames?: readonly string[];
}

/** Why a source gave no scene: it cannot be read, or holds no points. The run may go on. */
export interface SceneFailure {
  readonly failure: string;
}

/** What a scene file remembers of its making. */
interface Record {
  readonly settings: SceneSettings;
  readonly source: { name: string; bytes: number; modified: number };
  readonly className?: string;
  readonly report?: PrepareReport;
  readonly classNames?: readonly string[];
}

/** Where a scene's file is or will be. */
export function scenePath(output: string, { split, id }: PlannedScene): string {
  return join(output, split, `${id}.safetensors`);
}

/**
 * Reads, prepares and writes one scene.
 *
 * @throws {DataError | UsageError} The file cannot be written: no other could be either.
 */
export async function makeScene(
  { scene, output }: SceneRequest,
  settings: SceneSettings,
): Promise<SceneOutcome | SceneFailure> {
  let made: { file: SceneFile; outcome: SceneOutcome };
  try {
    made = await sceneOfSource(scene, settings);
  } catch (error) {
    return { failure: error instanceof Error ? reasonOf(error) : String(error) };
  }
  await writeScene(scenePath(output, scene), made.file);
  return made.outcome;
}

/** Why a file gave no scene, for a person. */
export function reasonOf(error: Error): string {
  const expected = error instanceof DataError || error instanceof UsageError ||
    error.name in Deno.errors;
  // A reader's fault must not cost the other files their run; it is told as what it is.
  return expected ? error.message : `a fault of this program, please report it: ${error.stack}`;
}

/**
 * The scene of a source, as `makeScene` writes it; `prepared` is absent where the source was a
 * scene already.
 *
 * @throws {DataError | UsageError} The source cannot be read, or gives no points.
 */
export async function sceneOfSource(
  scene: PlannedScene,
  settings: SceneSettings,
): Promise<{ file: SceneFile; outcome: SceneOutcome; prepared?: PreparedCloud }> {
  const { id, label, source } = scene;
  const ready = settings.keepTrees ? await sceneWithTree(source.path) : undefined;
  const file = (
    cloud: PointCloud,
    tree: SceneFile["tree"],
    report?: PrepareReport,
    sceneLabel = label,
  ): { file: SceneFile; outcome: SceneOutcome } => ({
    file: {
      id,
      cloud,
      tree,
      sceneLabel,
      source: source.name,
      settings: {
        ...{ ...recordOf(scene, settings), report },
        ...(cloud.classNames && { classNames: cloud.classNames }),
      },
    },
    outcome: {
      ...{ points: cloud.count, regions: tree.level.length, report },
      ...(cloud.notes && { notes: cloud.notes }),
      ...(cloud.classNames && { classNames: cloud.classNames }),
    },
  });
  if (ready !== undefined) {
    return file(ready.cloud, ready.tree, undefined, label ?? ready.sceneLabel);
  }
  const prepared = prepare(await cloudOf(scene, settings), settings.prepare, source.path);
  const { cloud, report } = prepared;
  return { ...file(cloud, buildTree(cloud.coords, settings.tree), report), prepared };
}

async function sceneWithTree(path: string): Promise<SceneFile | undefined> {
  if (!/\.(safetensors|pkl|pickle)$/i.test(path)) return undefined;
  const bytes = await Deno.readFile(path);
  const { name } = findReader(bytes, path);
  return hasRegionTree(bytes, path, name) ? parseSceneFile(bytes, path) : undefined;
}

async function cloudOf({ source }: PlannedScene, { read }: SceneSettings): Promise<PointCloud> {
  if (source.parts !== undefined) return await readArrayParts(source.path, source.parts);
  if (source.index === undefined) return await readPointCloud(source.path, read);
  const stack = await openNpyStack(source.path);
  if (stack === undefined || source.index >= stack.clouds) {
    throw new DataError(`Cannot read ${source.path}: it changed while it was read`);
  }
  return await readStackedCloud(stack, source.index);
}

function recordOf({ source, className }: PlannedScene, settings: SceneSettings): Record {
  const { name, bytes, modified } = source;
  return { settings, source: { name, bytes, modified }, className };
}

/**
 * What an earlier run made of a scene in the file `path`, or undefined where it has to be made:
 * there is no file, it is not whole, or it was made of another source or with other settings.
 */
export async function outcomeBefore(
  path: string,
  scene: PlannedScene,
  settings: SceneSettings,
): Promise<SceneOutcome | undefined> {
  const before = await readRecord(path);
  if (before === undefined) return undefined;
  const { record: { report, classNames, ...record }, label, points, regions } = before;
  const wanted = JSON.stringify({ ...recordOf(scene, settings), label: scene.label });
  // A scene that was taken as it is may have its own label.
  const found = {
    ...record,
    label: report === undefined && scene.label === undefined ? undefined : label,
  };
  return sameJson(wanted, found)
    ? { points, regions, report, ...(isListOfText(classNames) && { classNames }) }
    : undefined;
}

function isListOfText(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((each) => typeof each === "string");
}

/** Compares without regard to the order of keys. */
function sameJson(a: string, value: unknown): boolean {
  const sorted = (text: string): string =>
    JSON.stringify(
      JSON.parse(text, (_, value) =>
        typeof value === "object" && value !== null && !Array.isArray(value)
          ? Object.fromEntries(Object.entries(value).sort(([x], [y]) => (x < y ? -1 : 1)))
          : value),
    );
  try {
    return sorted(a) === sorted(JSON.stringify(value));
  } catch (error) {
    if (error instanceof RangeError) return false; // nested too deeply to be one of ours
    throw error;
  }
}

/**
 * What a scene file says of its making; undefined for a file that is not whole or not of
 * `preprocess`.
 */
export async function readRecord(
  path: string,
): Promise<{ record: Record; label?: number; points: number; regions: number } | undefined> {
  try {
    // The header is checked against the file's size: a file that was cut off is not whole.
    const { tensors, metadata } = await readSafetensorsHeader(path);
    const record = JSON.parse(metadata.settings ?? "null");
    const points = tensors.get("coords")?.shape[0], regions = tensors.get("tree/level")?.shape[0];
    if (typeof record?.source?.name !== "string" || points === undefined || regions === undefined) {
      return undefined;
    }
    const label = metadata.scene_label === undefined ? undefined : Number(metadata.scene_label);
    return { record, label, points, regions };
  } catch (error) {
    const harmless = error instanceof DataError || error instanceof UsageError ||
      error instanceof SyntaxError;
    if (harmless) return undefined;
    throw error;
  }
}

/** How the scenes of a run were made that `path` belongs to; null where the file does not say. */
export async function settingsOfScene(path: string): Promise<SceneSettings | null> {
  return parseSettings((await readRecord(path))?.record.settings);
}
