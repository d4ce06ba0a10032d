/**
 * A run of `embed`: reads scenes one after the other, encodes them some at a time, writes what each
 * gives.
 */

import { join } from "@std/path";
import { removeTemporaries } from "../../base/atomic_write.ts";
import { lockFolder } from "../../base/folder_lock.ts";
import { reasonOf, sceneOfSource } from "../../scenes/preprocess/make_scene.ts";
import { makePlan, type Plan, type PlannedScene } from "../../scenes/preprocess/plan.ts";
import { findSources } from "../../scenes/preprocess/sources.ts";
import { readNpyNumbers } from "../../cloud/npy_stack.ts";
import { readSafetensors } from "../../base/safetensors.ts";
import type { Scene } from "../../scenes/scene.ts";
import { sceneFromFile } from "../../scenes/scene_file.ts";
import { DataError, UsageError } from "../../base/errors.ts";
import { DeviceError } from "../../gpu/errors.ts";
import { openAppendFile } from "../../base/append_file.ts";
import { BATCH_POINTS, type CloudRows, ownRows, type SceneEncoder } from "../encoder.ts";
import type { SceneFeatures } from "../features.ts";
import { type Earlier, readEarlier, removeOwnFile } from "./earlier.ts";
import {
  finishManifest,
  type Manifest,
  type Recipe,
  type SceneEntry,
  startJournal,
} from "./manifest.ts";
import {
  describeArrays,
  FEATURES,
  makeFolder,
  type NamedArray,
  partsOf,
  SCENES,
  VECTORS,
  writeArrays,
  writeFeatures,
} from "./outputs.ts";

/** What to make of what. */
export interface EmbedOptions {
  /** Files and folders. */
  readonly inputs: readonly string[];
  /** Folder for the features. */
  readonly output: string;
  /** How they are made. */
  readonly recipe: Recipe;
  /** Make all anew. */
  readonly overwrite: boolean;
}

/** A run before anything is written. */
export interface EmbedPlan {
  /** Every scene, in order of id. */
  readonly scenes: readonly PlannedScene[];
  /** Names of the classes that folders gave. */
  readonly classes: readonly string[];
  /** Scenes of earlier runs that stay, by id; those of other inputs too. */
  readonly kept: ReadonlyMap<string, SceneEntry>;
  /** Scenes that are to be made. */
  readonly left: readonly PlannedScene[];
  /** What the inputs hold besides the scenes. */
  readonly beside: Plan["beside"];
  /** Files of earlier runs that go, unless they are written again. */
  readonly replaced: readonly string[];
}

/** Hooks of `embedScenes`. */
export interface EmbedHooks {
  /** After each scene: how many are done and failed, and the share of the bytes to be read. */
  readonly onProgress?: (done: number, failed: number, share: number) => void;
  /** A file was skipped. */
  readonly onFailure?: (source: string, reason: string) => void;
  /** What was guessed or is doubtful of a file. */
  readonly onNote?: (source: string, note: string) => void;
  /** The first time that a scan is prepared on the way. */
  readonly onPrepared?: () => void;
  /** When aborted the run ends before the next scene; what is written stays. */
  readonly signal?: AbortSignal;
}

/**
 * Finds the scenes and looks at what is done. Writes nothing.
 *
 * @throws {UsageError} An input is not there, or the output holds features of another run.
 */
export async function planEmbedding(options: EmbedOptions): Promise<EmbedPlan> {
  const { inputs, output, recipe, overwrite } = options;
  const sources = await findSources(inputs, "auto", output);
  const { scenes, classes, beside } = makePlan(sources, { ratio: [1, 0, 0], seed: 0 });
  const earlier = await readEarlier(output, recipe);
  if (overwrite) {
    const files = [...earlier.entries.values()].flatMap((entry) => entry.files);
    return {
      scenes,
      classes,
      kept: new Map(),
      left: scenes,
      replaced: [...files, ...earlier.others],
      beside,
    };
  }
  refuseOthers(earlier, output);
  const kept = new Map(earlier.entries);
  const left: PlannedScene[] = [];
  const replaced: string[] = [];
  for (const scene of scenes) {
    const entry = kept.get(scene.id);
    if (entry !== undefined && entry.source.name !== scene.source.name) {
      throw new UsageError(
        `Cannot write ${scene.id} of ${scene.source.name} to ${output}: it holds features of ${entry.source.name} ` +
          `under that name. Choose another --output, or pass --overwrite to make all anew`,
      );
    }
    if (entry !== undefined && await isCurrent(entry, scene, output)) continue;
    kept.delete(scene.id);
    left.push(scene);
    replaced.push(...entry?.files ?? []);
  }
  return { scenes, classes, kept, left, replaced, beside };
}

function refuseOthers({ others, otherCheckpoint }: Earlier, output: string): void {
  if (otherCheckpoint === undefined || others.length === 0) return;
  throw new UsageError(
    `Cannot write features to ${output}: it holds some that were made otherwise (checkpoint ${otherCheckpoint}, or ` +
      `other flags). Choose another --output, or pass --overwrite to make all anew`,
  );
}

async function isCurrent(
  { source, files }: SceneEntry,
  scene: PlannedScene,
  output: string,
): Promise<boolean> {
  if (source.bytes !== scene.source.bytes || source.modified !== scene.source.modified) {
    return false;
  }
  for (const file of files) if (!await exists(join(output, file))) return false;
  return true;
}

async function exists(path: string): Promise<boolean> {
  try {
    return (await Deno.stat(path)).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** A scene that waits to be encoded. */
interface Ready {
  readonly planned: PlannedScene;
  readonly scene: Scene;
  readonly origin: readonly [number, number, number];
  readonly rows: CloudRows;
  /** Of labels in words. */
  readonly classNames?: readonly string[];
}

/** A run while it goes on. */
class Embedding {
  readonly entries: Map<string, SceneEntry>;
  readonly failed = new Map<string, string>();
  /** By id, in VECTORS' order, of the scenes that this run encoded. */
  readonly vectors = new Map<string, readonly Float32Array[]>();

  constructor(
    readonly encoder: SceneEncoder,
    readonly options: EmbedOptions,
    readonly append: (line: string) => void,
    readonly hooks: EmbedHooks,
    kept: ReadonlyMap<string, SceneEntry>,
  ) {
    this.entries = new Map(kept);
  }

  fail({ id, source }: PlannedScene, error: unknown): void {
    const reason = error instanceof Error ? reasonOf(error) : String(error);
    this.failed.set(id, reason);
    this.hooks.onFailure?.(source.name, reason);
  }

  /** Reads a scene, and prepares it if it is none yet; null where that fails. */
  async read(planned: PlannedScene): Promise<Ready | null> {
    const { encoder, hooks } = this;
    const { preparation } = this.options.recipe;
    try {
      const { file, outcome, prepared } = await sceneOfSource(planned, preparation);
      if (outcome.report !== undefined) hooks.onPrepared?.();
      for (const note of outcome.notes ?? []) hooks.onNote?.(planned.source.name, note);
      const { features, max_hierarchy_depth: maxDepth } = encoder.config;
      const scene = sceneFromFile(file, { features, maxDepth }, planned.source.path);
      encoder.check(scene);
      const { origin } = file.cloud;
      const classNames = outcome.classNames;
      if (prepared === undefined && this.options.recipe.outputs.asInput) {
        hooks.onNote?.(
          planned.source.name,
          "a prepared scene's rows are its points, not its scan's",
        );
      }
      const rows = prepared === undefined
        ? { ...ownRows(file.cloud.count), origin }
        : { ...prepared, scale: prepared.report.scale };
      return { planned, scene, origin, rows, classNames };
    } catch (error) {
      this.fail(planned, error);
      return null;
    }
  }

  /** Encodes and writes scenes; one that is too large for the device fails alone. */
  async make(group: readonly Ready[]): Promise<void> {
    if (group.length === 0) return;
    let all: SceneFeatures[];
    try {
      const parts = partsOf(this.options.recipe.outputs);
      all = await this.encoder.encode(group.map(({ scene }) => scene), parts);
    } catch (error) {
      if (!(error instanceof DeviceError)) throw error;
      this.encoder.model.device.check(); // a device that is lost or failed serves no other scene
      if (group.length === 1) return this.fail(group[0].planned, new DataError(error.message));
      for (const one of group) await this.make([one]);
      return;
    }
    for (const [i, ready] of group.entries()) await this.write(ready, all[i]);
  }

  async write(
    { planned, scene, origin, rows, classNames }: Ready,
    features: SceneFeatures,
  ): Promise<void> {
    const { output, recipe } = this.options;
    const files = await writeFeatures(output, scene, origin, features, recipe.outputs, rows);
    const { id, source, className } = planned;
    const { name, bytes, modified, split } = source;
    const regions: number[] = [];
    for (const level of scene.tree.level) regions[level] = (regions[level] ?? 0) + 1;
    const entry: SceneEntry = {
      id,
      source: { name, bytes, modified },
      split,
      class: className,
      label: scene.sceneLabel,
      points: features.count,
      regions,
      origin,
      file_origin: rows.origin,
      file_scale: rows.scale,
      label_names: classNames,
      ...(recipe.outputs.asInput && { rows: rows.keptIndex().length }),
      files,
    };
    this.append(JSON.stringify(entry) + "\n");
    this.entries.set(id, entry);
    this.vectors.set(id, VECTORS.map(([kind, branch]) => features.scene[kind][branch]));
  }

  /** The vectors of all scenes together, those of earlier runs from their files. */
  async tables(entries: readonly SceneEntry[]): Promise<string[]> {
    const { output, recipe: { outputs } } = this.options;
    const { width } = this.encoder;
    const columns = VECTORS.map(() => new Float32Array(entries.length * width));
    for (const [row, entry] of entries.entries()) {
      const vectors = this.vectors.get(entry.id) ?? await vectorsOf(output, entry);
      if (vectors.some(({ length }) => length !== width)) {
        throw new DataError(
          `Cannot use the vectors of ${entry.id} in ${output}: expected ${width} values each. ` +
            "Remove its files, and they are made again",
        );
      }
      vectors.forEach((vector, i) => columns[i].set(vector, row * width));
    }
    const arrays = new Map<string, NamedArray>(
      VECTORS.map(([kind, branch], i) => [
        `${kind}/${branch}`,
        { shape: [entries.length, width], data: columns[i] },
      ]),
    );
    const labels = Int32Array.from(entries, ({ label }) => label ?? -1);
    arrays.set("labels", { shape: [entries.length], data: labels });
    const ids = JSON.stringify(entries.map(({ id }) => id));
    return await writeArrays(output, SCENES, arrays, outputs.formats, { ids });
  }
}

/** A scene's vectors out of its own files. */
async function vectorsOf(output: string, { id, files }: SceneEntry): Promise<Float32Array[]> {
  const path = join(output, FEATURES, id);
  const whole = files.includes(`${FEATURES}/${id}.safetensors`)
    ? await readSafetensors(`${path}.safetensors`)
    : null;
  return await Promise.all(VECTORS.map(async ([kind, branch]) => {
    if (whole === null) {
      const { data } = await readNpyNumbers(join(path, `scene_${kind}_${branch}.npy`));
      return Float32Array.from(data);
    }
    const tensor = whole.tensors.get(`scene/${kind}/${branch}`);
    if (tensor?.dtype !== "F32") {
      throw new DataError(
        `Cannot use ${path}.safetensors: it has no vector scene/${kind}/${branch}. Remove it, and it is made again`,
      );
    }
    return tensor.data;
  }));
}

/** Reads scenes and makes as many at a time as fit a batch. */
async function makeInGroups(
  embedding: Embedding,
  planned: readonly PlannedScene[],
  hooks: EmbedHooks,
): Promise<void> {
  const { entries, failed } = embedding;
  const total = planned.reduce((sum, { source }) => sum + source.bytes, 0);
  let read = 0;
  let group: Ready[] = [];
  let points = 0;
  const flush = async (): Promise<void> => {
    await embedding.make(group);
    group = [];
    points = 0;
    hooks.onProgress?.(entries.size, failed.size, total > 0 ? read / total : 1);
  };
  for (const scene of planned) {
    hooks.signal?.throwIfAborted();
    const ready = await embedding.read(scene);
    const count = ready === null ? 0 : ready.scene.coords.length / 3;
    if (points + count > BATCH_POINTS) await flush();
    read += scene.source.bytes;
    if (ready !== null) group.push(ready);
    points += count;
  }
  await flush();
}

/**
 * Makes every scene of the plan that is not made yet, then the tables and the manifest.
 *
 * @throws {DataError} Writing failed, or no scene at all came out. @throws what the signal was
 * aborted with.
 */
export async function embedScenes(
  encoder: SceneEncoder,
  plan: EmbedPlan,
  options: EmbedOptions,
  hooks: EmbedHooks = {},
): Promise<Manifest> {
  const { output, recipe } = options;
  await makeFolder(join(output, FEATURES));
  using _ = await lockFolder(output, "--output", "features");
  for (const folder of [output, join(output, FEATURES)]) {
    await removeTemporaries(folder, (name) => /\.(safetensors|npy|ply|json|jsonl)$/.test(name));
  }
  using journal = openAppendFile(await startJournal(output, recipe, plan.kept.values()));
  const text = new TextEncoder();
  const append = (line: string) => journal.append(text.encode(line));
  const embedding = new Embedding(encoder, options, append, hooks, plan.kept);
  const { entries, failed } = embedding;
  await makeInGroups(embedding, plan.left, hooks);
  if (entries.size === 0) {
    throw new DataError(
      `Cannot embed: none of the ${plan.scenes.length} files gave features; the first: ${
        [...failed.values()][0]
      }`,
    );
  }
  const scenes = [...entries.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  const tables = await embedding.tables(scenes);
  const written = new Set([...scenes.flatMap(({ files }) => files), ...tables]);
  for (const file of plan.replaced) {
    if (!written.has(file)) await removeOwnFile(output, file);
  }
  const manifest: Manifest = {
    format: "dbbd-features",
    version: 1,
    recipe,
    device: encoder.model.device.description,
    width: encoder.width,
    arrays: describeArrays(recipe.outputs),
    classes: plan.classes,
    scenes,
    tables,
    failed: plan.scenes.filter(({ id }) => failed.has(id)).map(({ id, source }) => ({
      source: source.name,
      reason: failed.get(id)!,
    })),
  };
  await finishManifest(output, manifest);
  return manifest;
}
