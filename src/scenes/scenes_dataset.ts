/** Scene files in a folder as a dataset, with the scenes read lately kept in memory. */

import { extname, join, relative } from "@std/path";
import { DataError, UsageError } from "../base/errors.ts";
import { filesBelow, hasKnownExtension, type PassedOver } from "../cloud/files_below.ts";
import { printable } from "../base/printable.ts";
import { readSafetensorsHeader } from "../base/safetensors.ts";
import type { Dataset, Scene } from "./scene.ts";
import { featureAttribute, readSceneFile, sceneFromFile } from "./scene_file.ts";

/** The parts a folder of scenes may be divided into, each a folder of that name. */
export type Split = "train" | "val" | "test";

/** What training takes of each scene, and how much is kept. */
export interface ScenesOptions {
  /** Attributes that become feature channels, in this order. Default `["normals"]`. */
  readonly features?: readonly string[];
  /** Regions at this level become leaves; null, the default: no limit. */
  readonly maxHierarchyDepth?: number | null;
  /**
   * Bytes of scenes that stay in memory once read, the least recently used ones leaving first.
   * Default 1 GiB.
   */
  readonly cacheBytes?: number;
}

/** Enough to open the same dataset elsewhere: in a worker. */
export interface ScenesSource {
  /** Tells sources apart. */
  readonly kind: "scenes";
  /** The scenes' paths. */
  readonly files: readonly string[];
  /** What is taken of each. */
  readonly options: ScenesOptions;
}

const SPLITS: readonly Split[] = ["train", "val", "test"];
const SCENE_FILES: readonly string[] = [".safetensors", ".pkl", ".pickle"];
const DEFAULT_CACHE = 2 ** 30;

/** Prepared scenes (`.safetensors`) and pickled ones (`.pkl`), one per file. */
export class ScenesDataset implements Dataset {
  readonly length: number;
  /** What opens this dataset again. */
  readonly source: ScenesSource;
  readonly #cache: SceneCache;
  readonly #reading = new Map<number, Promise<Scene>>();

  /**
   * The scenes of `files`, in this order. Nothing is read yet. Where several threads read the same
   * dataset, each may use one of `readers` parts of the cache.
   */
  constructor(files: readonly string[], options: ScenesOptions = {}, readers = 1) {
    this.length = files.length;
    this.source = { kind: "scenes", files, options };
    this.#cache = new SceneCache((options.cacheBytes ?? DEFAULT_CACHE) / readers);
  }

  /**
   * Reads scene `index`, or gives it from memory.
   *
   * @throws {UsageError} The file is gone. @throws {DataError} It is damaged, or lacks a feature.
   */
  async get(index: number): Promise<Scene> {
    const path = this.source.files[index];
    if (path === undefined) {
      throw new UsageError(
        `Cannot read scene ${index}: expected a number from 0 to ${this.length - 1}`,
      );
    }
    const kept = this.#cache.get(index);
    if (kept !== undefined) return kept;
    let reading = this.#reading.get(index);
    if (reading === undefined) {
      reading = this.#read(path);
      this.#reading.set(index, reading);
    }
    try {
      const scene = await reading;
      this.#cache.set(index, scene);
      return scene;
    } finally {
      this.#reading.delete(index);
    }
  }

  async #read(path: string): Promise<Scene> {
    const { features, maxHierarchyDepth: maxDepth } = this.source.options;
    const scene = sceneFromFile(await readSceneFile(path), { features, maxDepth }, path);
    // A copy, because the coordinates are a view that would keep the whole file in memory.
    return { ...scene, coords: scene.coords.slice() };
  }

  /**
   * Points of scene `index`; of a prepared scene only the file's header is read. Errors as `get`.
   */
  async pointCount(index: number): Promise<number> {
    const path = this.source.files[index];
    if (path?.endsWith(".safetensors")) {
      const { tensors } = await readSafetensorsHeader(path);
      const points = tensors.get("coords")?.shape[0];
      if (points !== undefined) return points;
    }
    return (await this.get(index)).coords.length / 3;
  }

  /**
   * Reads the first scene to see whether the features are there and `width` channels together.
   *
   * @throws {UsageError} They are not: the message says what there is. Otherwise errors as `get`.
   */
  async checkFeatures(width: number): Promise<void> {
    const { features = ["normals"] } = this.source.options;
    const path = this.source.files[0];
    const { cloud } = await readSceneFile(path);
    const offered = [...cloud.attributes].filter(([name]) => !/^(labels|instances)$/.test(name))
      .map(([name, attribute]) => `${name} (${attribute.width})`).join(", ") || "none";
    const widths = features.map((name) => featureAttribute(cloud, name)?.width);
    const missing = features.filter((_, i) => widths[i] === undefined);
    if (missing.length > 0) {
      throw new UsageError(
        `Cannot train with features [${features.join(", ")}]: ${path} has no ${
          missing.join(" and no ")
        }. It offers, with the number of channels: ${offered}`,
      );
    }
    const total = (widths as number[]).reduce((sum, each) => sum + each, 0);
    if (total === width) return;
    const named = features.map((name, i) => `${name} ${widths[i]}`).join(" + ");
    throw new UsageError(
      `Cannot train: features are ${total} channels wide (${named}), input_feat_dim is ${width}. ` +
        `Set input_feat_dim: ${total}, or choose other features; ${path} offers: ${offered}`,
    );
  }
}

/** Scenes by number, the least recently used ones leaving when there are too many bytes. */
class SceneCache {
  readonly #limit: number;
  readonly #scenes = new Map<number, Scene>(); // in order of use
  #bytes = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get(index: number): Scene | undefined {
    const scene = this.#scenes.get(index);
    if (scene !== undefined) {
      this.#scenes.delete(index);
      this.#scenes.set(index, scene);
    }
    return scene;
  }

  set(index: number, scene: Scene): void {
    const bytes = sceneBytes(scene);
    if (bytes > this.#limit || this.#scenes.has(index)) return;
    this.#scenes.set(index, scene);
    this.#bytes += bytes;
    for (const [oldest, least] of this.#scenes) {
      if (this.#bytes <= this.#limit) break;
      this.#scenes.delete(oldest);
      this.#bytes -= sceneBytes(least);
    }
  }
}

function sceneBytes({ coords, feats, pointLabels, tree }: Scene): number {
  const arrays = [coords, feats, ...Object.values(tree)] as Float32Array[];
  return arrays.reduce((sum, { byteLength }) => sum + byteLength, pointLabels?.byteLength ?? 0);
}

/**
 * The scene files of a folder: those below `root/train`, `root/val` and `root/test`, or, where
 * there are no such folders, all of them as `train`. Each list is in order of path. Of
 * `NAME.safetensors` and `NAME.pkl` side by side, the first is taken.
 *
 * @param root The configuration's data_root.
 * @param onPassedOver Called with whatever below it cannot be looked at: it costs the others
 * nothing.
 * @throws {UsageError} There is no such folder, or no training scene in it: the message says what
 * to do.
 * @throws {DataError} It cannot be read.
 */
export async function listScenes(
  root: string,
  onPassedOver: (entry: PassedOver) => void = () => {},
): Promise<Record<Split, string[]>> {
  const all = await filesOf(root, onPassedOver);
  const divided = all.some((path) => splitOf(root, path) !== undefined);
  const found: Record<Split, string[]> = { train: [], val: [], test: [] };
  for (const path of sceneFiles(all)) {
    const split = divided ? splitOf(root, path) : "train";
    if (split !== undefined) found[split].push(path);
  }
  if (found.train.length > 0) return found;
  throw new UsageError(`Cannot open data_root ${root}: ${whyEmpty(root, all, found)}`);
}

/**
 * The datasets of a folder of scenes: for training, and for validation where it has a folder `val`.
 * Scenes that cannot be read are left out, so that none of them ends a run hours later: pickled
 * ones are read whole to know, of prepared ones, which are written all at once, the header.
 *
 * @throws {UsageError} As `listScenes`. @throws {DataError} None of the training scenes can be
 * read.
 */
export async function openScenes(
  root: string,
  options: ScenesOptions & {
    readonly maxTrainScenes?: number | null;
    readonly maxValScenes?: number | null;
    /** Called with the reason for each scene that is left out. */
    readonly onLeftOut?: (reason: string) => void;
  } = {},
): Promise<{ train: ScenesDataset; validation: ScenesDataset | null }> {
  const { maxTrainScenes, maxValScenes, onLeftOut, ...rest } = options;
  const reasons: string[] = [];
  const found = await listScenes(root, ({ path, reason }) => {
    onLeftOut?.(`Cannot read ${printable(path)}: ${printable(reason)}`);
  });
  const readable = async (files: readonly string[], most: number): Promise<string[]> => {
    const kept: string[] = [];
    for (const path of files) {
      if (kept.length >= most) break;
      const reason = await whyUnreadable(path);
      if (reason === undefined) kept.push(path);
      else {
        reasons.push(reason);
        onLeftOut?.(reason);
      }
    }
    return kept;
  };
  const train = await readable(found.train, maxTrainScenes ?? Infinity);
  if (train.length === 0 && reasons.length > 0) {
    throw new DataError(
      `Cannot open data_root ${root}: none of the ${found.train.length} training scenes can be read; the first: ${
        reasons[0]
      }`,
    );
  }
  const val = await readable(found.val, maxValScenes ?? Infinity);
  return {
    train: new ScenesDataset(train, rest),
    validation: val.length === 0 ? null : new ScenesDataset(val, rest),
  };
}

async function whyUnreadable(path: string): Promise<string | undefined> {
  try {
    if (extname(path) !== ".safetensors") {
      await readSceneFile(path);
      return;
    }
    const { tensors } = await readSafetensorsHeader(path);
    if (!tensors.has("coords")) return `Cannot read ${path}: it has no tensor coords`;
  } catch (error) {
    if (error instanceof DataError || error instanceof UsageError) return error.message;
    const system = error instanceof Error && error.name in Deno.errors;
    if (system) return `Cannot read ${printable(path)}: ${error.message}`;
    throw error;
  }
}

function splitOf(root: string, path: string): Split | undefined {
  const [first, rest] = relative(root, path).split(/[/\\]/);
  return rest === undefined ? undefined : SPLITS.find((split) => split === first);
}

function sceneFiles(paths: readonly string[]): string[] {
  const stem = (path: string): string => path.slice(0, path.length - extname(path).length);
  const prepared = new Set(
    paths.filter((path) => extname(path) === ".safetensors").map(stem),
  );
  return paths.filter((path) => {
    const extension = extname(path).toLowerCase();
    return SCENE_FILES.includes(extension) &&
      (extension === ".safetensors" || !prepared.has(stem(path)));
  });
}

async function filesOf(
  root: string,
  onPassedOver: (entry: PassedOver) => void,
): Promise<string[]> {
  try {
    return await filesBelow(root, onPassedOver);
  } catch (error) {
    const advice = "prepare scans with: deno task preprocess --input SCANS --output " + root;
    if (error instanceof Deno.errors.NotFound) {
      throw new UsageError(`Cannot open data_root ${root}: there is no such folder; ${advice}`);
    }
    if (error instanceof Deno.errors.NotADirectory) {
      throw new UsageError(`Cannot open data_root ${root}: expected a folder, found a file`);
    }
    throw new DataError(
      `Cannot open data_root ${root}: ${error instanceof Error ? error.message : String(error)}`,
      { cause: error },
    );
  }
}

function whyEmpty(
  root: string,
  all: readonly string[],
  found: Readonly<Record<Split, readonly string[]>>,
): string {
  const other = SPLITS.filter((split) => found[split].length > 0);
  if (other.length > 0) {
    const there = other.map((split) => `${split} (${found[split].length})`).join(" and ");
    return `expected scenes in ${join(root, "train")}, found some only in ${there}`;
  }
  const scans = all.filter(hasKnownExtension);
  if (scans.length > 0) {
    return `expected prepared scenes (.safetensors or .pkl), found ${scans.length} raw file${
      scans.length === 1 ? "" : "s"
    } (${relative(root, scans[0])}${scans.length > 1 ? ", …" : ""}). Prepare them first:\n` +
      `  deno task preprocess --input ${root} --output ${root.replace(/[/\\]+$/, "")}_scenes\n` +
      `and set data_root to that folder`;
  }
  return `expected scenes (.safetensors or .pkl), found ${
    all.length === 0
      ? "an empty folder"
      : `${all.length} files of other kinds, such as ${relative(root, all[0])}`
  }; prepare scans with: deno task preprocess --input SCANS --output ${root}`;
}
