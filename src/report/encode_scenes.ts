/** The scenes of a report: which ones, by whose weights, and their features. */

import { basename, extname, resolve } from "@std/path";
import { sceneOfSource } from "../scenes/preprocess/make_scene.ts";
import { DEFAULT_SETTINGS } from "../scenes/preprocess/settings.ts";
import { readSafetensorsHeader } from "../base/safetensors.ts";
import type { Dataset, Scene } from "../scenes/scene.ts";
import { readSceneFile, type SceneFile, sceneFromFile } from "../scenes/scene_file.ts";
import { ScenesDataset } from "../scenes/scenes_dataset.ts";
import { UsageError } from "../base/errors.ts";
import { checkpointPath } from "../run/checkpoint.ts";
import { openDatasets } from "../run/datasets.ts";
import { encoderFromCheckpoint, type SceneEncoder } from "../inference/encoder.ts";
import type { RunData } from "./report_data.ts";
import { choosePoints, rowsOf, type ShownScene } from "./scene_data.ts";

/** Which scenes a report shows. */
export interface SceneOptions {
  /** How many of the run's own: of its validation scenes, then of its training scenes. */
  readonly scenes: number;
  /** Scene files or scans, shown besides. */
  readonly paths: readonly string[];
  /** Points shown of each; 0: all. The encoder sees all in any case. */
  readonly pointsPerScene: number;
  /**
   * Name (best, final, last, epoch_0010) or path of a checkpoint; null: the first there is of best,
   * final and last.
   */
  readonly checkpoint: string | null;
}

/** Weights to encode with. */
export interface FoundCheckpoint {
  /** Name of the run that they are of. */
  readonly run: string;
  readonly path: string;
}

const CHECKPOINTS = ["best", "final", "last"];

/**
 * The first run's checkpoint that has one, or the reasons why none has. Runs often share a
 * `checkpoint_dir`, where a later one replaces what an earlier one wrote: weights of another run
 * are not taken.
 *
 * @throws {UsageError} A checkpoint that was asked for by its path is not there.
 */
export async function findCheckpoint(
  runs: readonly RunData[],
  wanted: string | null,
): Promise<FoundCheckpoint | { readonly reasons: readonly string[] }> {
  if (wanted !== null && (wanted.endsWith(".safetensors") || /[/\\]/.test(wanted))) {
    await readSafetensorsHeader(wanted);
    return { run: runs[0].name, path: wanted };
  }
  const reasons: string[] = [];
  for (const run of runs) {
    const { checkpoint_dir: folder } = run.config;
    if (typeof folder !== "string") {
      reasons.push(`${run.name}: its configuration names no checkpoint_dir`);
      continue;
    }
    const names = wanted === null ? CHECKPOINTS : [wanted];
    const paths = names.map((name) => checkpointPath(folder, name));
    const there: string[] = [];
    for (const path of paths) if (await exists(path)) there.push(path);
    if (there.length === 0) {
      reasons.push(`${run.name}: no ${names.join(", ")} in checkpoint_dir ${folder}`);
    }
    const others = new Set<string>();
    for (const path of there) {
      const owner = await runOf(path);
      if (owner !== null && resolve(owner) === resolve(run.directory)) {
        return { run: run.name, path };
      }
      others.add(owner ?? "no run that is known");
    }
    if (others.size > 0) {
      reasons.push(
        `${run.name}: what is in checkpoint_dir ${folder} is of ${
          [...others].join(", ")
        }; give one by its path to take it all the same`,
      );
    }
  }
  return { reasons };
}

async function exists(path: string): Promise<boolean> {
  try {
    return (await Deno.stat(path)).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
      return false;
    }
    throw error;
  }
}

/** The run directory that a checkpoint remembers. */
async function runOf(path: string): Promise<string | null> {
  const { metadata } = await readSafetensorsHeader(path);
  try {
    return JSON.parse(metadata.run_directory ?? "null");
  } catch {
    return null;
  }
}

/** A scene and what the encoder does not see of it. */
interface Source {
  readonly scene: Scene;
  readonly colors: ArrayLike<number> | null;
}

/**
 * Encodes the scenes one after another.
 *
 * @param onScene is told before each: its number from 0, how many there are, and its name.
 * Throws UsageError or DataError for scenes that cannot be opened or are not for this encoder.
 */
export async function encodeScenes(
  path: string,
  options: SceneOptions,
  onScene: (index: number, count: number, name: string) => void = () => {},
): Promise<{ shown: ShownScene[]; width: number }> {
  using encoder = await encoderFromCheckpoint(path);
  const sources = await openSources(encoder, options);
  const shown: ShownScene[] = [];
  for (const [i, open] of sources.entries()) {
    const { scene, colors } = await open();
    onScene(i, sources.length, scene.id);
    const [{ points: features }] = await encoder.encode([scene], ["g2l", "l2g"]);
    const points = choosePoints(scene.tree, options.pointsPerScene);
    shown.push({
      scene,
      colors,
      points,
      g2l: rowsOf(features.g2l, encoder.width, points),
      l2g: rowsOf(features.l2g, encoder.width, points),
    });
  }
  return { shown, width: encoder.width };
}

async function openSources(
  encoder: SceneEncoder,
  { scenes, paths }: SceneOptions,
): Promise<(() => Promise<Source>)[]> {
  const { features, max_hierarchy_depth: maxDepth } = encoder.config;
  const ofFile = (file: SceneFile, where: string): Source => {
    const colors = file.cloud.attributes.get("colors");
    const scene = sceneFromFile(file, { features, maxDepth }, where);
    return { scene, colors: colors?.width === 3 ? colors.data : null };
  };
  const given = paths.map((path) => async () => ofFile(await sceneOfPath(path, encoder), path));
  if (scenes === 0) return given;
  const { train, validation } = await openDatasets(encoder.config);
  const own = [validation, train].flatMap((dataset) => membersOf(dataset, scenes)).slice(0, scenes);
  return [
    ...own.map((member) => async () =>
      typeof member === "string"
        ? ofFile(await readSceneFile(member), member)
        : { scene: await member(), colors: null }
    ),
    ...given,
  ];
}

/** The first scenes of a dataset: their files, or what gives them. */
function membersOf(dataset: Dataset | null, most: number): (string | (() => Promise<Scene>))[] {
  if (dataset === null) return [];
  if (dataset instanceof ScenesDataset) return dataset.source.files.slice(0, most);
  return Array.from({ length: Math.min(most, dataset.length) }, (_, i) => () => dataset.get(i));
}

/** A prepared scene as it is; a scan as the training's scenes were prepared. */
async function sceneOfPath(path: string, { preparation }: SceneEncoder): Promise<SceneFile> {
  if (!await exists(path)) throw new UsageError(`Cannot show ${path}: there is no such file`);
  const name = basename(path);
  const id = basename(path, extname(path));
  const source = { path, name, stem: id, bytes: 0, modified: 0 };
  const settings = preparation ?? DEFAULT_SETTINGS;
  return (await sceneOfSource({ id, split: "test", source }, settings)).file;
}
