/**
 * Scene files: points, attributes and a region tree together. Ours are safetensors (`writeScene`);
 * the PyTorch implementation's are pickles. Both are read by `readSceneFile`, and become training
 * scenes by `sceneFromFile`.
 */

import { basename } from "@std/path";
import { DataError, UsageError } from "../base/errors.ts";
import { readPickledScene } from "../cloud/formats/pickle/pkl_scene.ts";
import {
  cloudFromTensors,
  isSafetensors,
  parseJson,
  SCENE_FORMAT,
  TREE_PREFIX,
} from "../cloud/formats/safetensors.ts";
import { heightAboveGround } from "../cloud/height.ts";
import type { Attribute, PointCloud } from "../cloud/point_cloud.ts";
import { cutTree, treeFromNested, validateTree } from "./region_tree.ts";
import {
  parseSafetensors,
  type SafeTensor,
  toIntegers,
  writeSafetensors,
} from "../base/safetensors.ts";
import type { FeatureColumn, FeatureKind, RegionTree, Scene } from "./scene.ts";

/** A scene as a file holds it. */
export interface SceneFile {
  /** Unique within a dataset; the file's name without its ending where the file says nothing. */
  readonly id: string;
  /** Coordinates, origin and all attributes by name; `labels` and `instances` among them. */
  readonly cloud: PointCloud;
  /** The regions; validated. */
  readonly tree: RegionTree;
  /** Class of the whole scene. */
  readonly sceneLabel?: number;
  /** Where the points came from, e.g. the scan's path. */
  readonly source?: string;
  /** How the scene was prepared; any JSON value. */
  readonly settings?: unknown;
}

/** What a training scene takes of a scene file. */
export interface SceneOptions {
  /**
   * Attributes that become feature columns, in this order; see `featureAttribute`. Default
   * `["normals"]`.
   */
  readonly features?: readonly string[];
  /**
   * Regions at this level become leaves (the configuration's max_hierarchy_depth). Default null: no
   * limit.
   */
  readonly maxDepth?: number | null;
}

const VERSION = 1;
const TREE_ARRAYS = ["order", "level", "parent", "start", "end", "center"] as const;
/** Never features: training must not read them (docs/model.md, Scene and region tree). */
const LABEL_NAMES: readonly string[] = ["labels", "instances"];
const KINDS: Readonly<Record<string, FeatureKind>> = { normals: "vector", colors: "color" };

/**
 * Writes a scene as safetensors, whole or not at all. Tensors: `coords` (N, 3) F32, one (N) or (N,
 * W) per attribute, `tree/order` (N) and `tree/level`, `parent`, `start`, `end`, `center` (R).
 * Metadata: `format` `version`, `id`, `origin`, and where known `scene_label`, `source`, `settings`
 * (JSON).
 * @throws {UsageError} The folder does not exist. @throws {DataError} The system refused.
 */
export async function writeScene(path: string, scene: SceneFile): Promise<void> {
  const { tensors, metadata } = sceneTensors(scene);
  await writeSafetensors(path, tensors, metadata);
}

/** A scene as `writeScene` writes it. */
export function sceneTensors(
  scene: SceneFile,
): { tensors: Map<string, SafeTensor>; metadata: Record<string, string> } {
  const { cloud, tree } = scene;
  const tensors = new Map<string, SafeTensor>();
  tensors.set("coords", { dtype: "F32", shape: [cloud.count, 3], data: cloud.coords });
  for (const [name, { width, data }] of cloud.attributes) {
    const shape = width === 1 ? [cloud.count] : [cloud.count, width];
    tensors.set(freeName(name, tensors), tensorOf(shape, data));
  }
  for (const name of TREE_ARRAYS) {
    tensors.set(TREE_PREFIX + name, tensorOf([tree[name].length], tree[name]));
  }
  const metadata: Record<string, string> = {
    format: SCENE_FORMAT,
    version: String(VERSION),
    id: scene.id,
    origin: JSON.stringify(cloud.origin),
  };
  if (scene.sceneLabel !== undefined) metadata.scene_label = String(scene.sceneLabel);
  if (scene.source !== undefined) metadata.source = scene.source;
  if (scene.settings !== undefined) metadata.settings = JSON.stringify(scene.settings);
  return { tensors, metadata };
}

/**
 * A training scene from a scene file, `.safetensors` or `.pkl`.
 * @throws {UsageError} There is no such file.
 * @throws {DataError} It is damaged, is no scene, or lacks a feature: the message lists what it
 * offers.
 */
export async function readScene(path: string, options: SceneOptions = {}): Promise<Scene> {
  return sceneFromFile(await readSceneFile(path), options, path);
}

/**
 * Everything a scene file holds.
 * @throws {UsageError} There is no such file. @throws {DataError} It is damaged or is no scene.
 */
export async function readSceneFile(path: string): Promise<SceneFile> {
  let bytes: Uint8Array;
  try {
    // To open a pipe is to wait for its writer.
    const { isFile, isDirectory } = await Deno.stat(path);
    if (!isFile && !isDirectory) throw new Error("expected a file, found a device or a pipe");
    bytes = await Deno.readFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) {
      throw new UsageError(`Cannot read ${path}: there is no such file`);
    }
    throw new DataError(
      `Cannot read ${path}: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
  return parseSceneFile(bytes, path);
}

/**
 * As `readSceneFile`, from a file's bytes; `where` names it and gives the id of one that has none.
 */
export function parseSceneFile(bytes: Uint8Array, where: string): SceneFile {
  return isSafetensors(bytes) || where.toLowerCase().endsWith(".safetensors")
    ? parsePrepared(bytes, where)
    : parsePickled(bytes, where);
}

/**
 * A training scene of what a file holds.
 * @throws {DataError} A feature is missing or holds values that are not finite.
 */
export function sceneFromFile(
  file: SceneFile,
  { features = ["normals"], maxDepth = null }: SceneOptions = {},
  where: string = file.id,
): Scene {
  const { cloud } = file;
  checkFinite(cloud.coords, 3, "coords", where);
  const columns = features.map((name) => {
    const attribute = featureAttribute(cloud, name);
    if (attribute === undefined || LABEL_NAMES.includes(name)) {
      throw new DataError(
        `Cannot use ${where}: it has no feature ${JSON.stringify(name)}; it offers ${
          offered(cloud)
        }`,
      );
    }
    return { name, ...attribute };
  });
  const featureColumns = columns.map((column): FeatureColumn => {
    const { name, width } = column;
    return { name, width, kind: kindOf(name, column) };
  });
  const labels = cloud.attributes.get("labels");
  return {
    id: file.id,
    coords: cloud.coords,
    feats: sideBySide(cloud.count, columns, where),
    featureColumns,
    tree: cutTree(file.tree, maxDepth),
    pointLabels: labels === undefined ? undefined : Int32Array.from(labels.data),
    sceneLabel: file.sceneLabel,
  };
}

/**
 * What a cloud offers as the feature `name`: its attribute, or for `height`, where it has none of
 * that name, ln(1 + metres above the ground around, `heightAboveGround`). The logarithm keeps tall
 * scenes from drowning the other features and tells low heights apart. Undefined for a name that is
 * neither.
 */
export function featureAttribute(cloud: PointCloud, name: string): Attribute | undefined {
  const attribute = cloud.attributes.get(name);
  if (attribute !== undefined || name !== "height") return attribute;
  return { width: 1, data: heightAboveGround(cloud.coords).map((height) => Math.log1p(height)) };
}

function parsePickled(bytes: Uint8Array, where: string): SceneFile {
  const { cloud, hierarchy, sceneLabel } = readPickledScene(bytes, where);
  if (hierarchy === undefined) throw noTree(where);
  const tree = treeFromNested(hierarchy, cloud.count, where);
  return { id: idFrom(where), cloud, tree, sceneLabel };
}

function parsePrepared(bytes: Uint8Array, where: string): SceneFile {
  const { tensors, metadata } = parseSafetensors(bytes, where);
  if (metadata.format === SCENE_FORMAT && metadata.version !== String(VERSION)) {
    throw new DataError(
      `Cannot read ${where}: scene format version ${metadata.version}; this program reads version ${VERSION}`,
    );
  }
  const cloud = cloudFromTensors(tensors, metadata, where);
  const tree = tensors.has(`${TREE_PREFIX}order`)
    ? treeFromTensors(tensors, cloud.count, where)
    : metadata.hierarchy !== undefined
    ? treeFromNested(parseJson(metadata.hierarchy, "hierarchy", where), cloud.count, where)
    : undefined;
  if (tree === undefined) throw noTree(where);
  const label = metadata.scene_label;
  if (label !== undefined && !/^-?\d{1,9}$/.test(label)) {
    throw new DataError(
      `Cannot read ${where}: metadata scene_label: expected an integer, got ${
        JSON.stringify(label)
      }`,
    );
  }
  return {
    id: metadata.id ?? idFrom(where),
    cloud,
    tree,
    sceneLabel: label === undefined ? undefined : Number(label),
    source: metadata.source,
    settings: metadata.settings === undefined
      ? undefined
      : parseJson(metadata.settings, "settings", where),
  };
}

function treeFromTensors(
  tensors: ReadonlyMap<string, SafeTensor>,
  count: number,
  where: string,
): RegionTree {
  const read = (name: string, min: number, max: number): Float64Array => {
    const full = TREE_PREFIX + name;
    const tensor = tensors.get(full);
    if (tensor === undefined || tensor.shape.length !== 1) {
      throw new DataError(`Cannot read ${where}: expected a tensor ${full} of one dimension`);
    }
    return toIntegers(tensor, `${full} of ${where}`, { min, max });
  };
  const index = (name: string): Uint32Array => Uint32Array.from(read(name, 0, 2 ** 32 - 1));
  const tree: RegionTree = {
    order: index("order"),
    level: index("level"),
    parent: Int32Array.from(read("parent", -1, 2 ** 31 - 1)),
    start: index("start"),
    end: index("end"),
    center: index("center"),
  };
  validateTree(tree, count, where);
  return tree;
}

function tensorOf(shape: number[], data: Attribute["data"]): SafeTensor {
  if (data instanceof Float32Array) return { dtype: "F32", shape, data };
  if (data instanceof Float64Array) return { dtype: "F64", shape, data };
  if (data instanceof Int32Array) return { dtype: "I32", shape, data };
  return { dtype: "U32", shape, data };
}

/** A file may call a column `coords` or `tree/…`, which are ours. */
function freeName(name: string, taken: ReadonlyMap<string, unknown>): string {
  let free = name.startsWith(TREE_PREFIX) || name === "__metadata__" ? `_${name}` : name;
  while (taken.has(free)) free = `_${free}`;
  return free;
}

function kindOf(name: string, { width }: Attribute): FeatureKind {
  return width === 3 ? KINDS[name] ?? "scalar" : "scalar";
}

function offered({ attributes }: PointCloud): string {
  const names = [...attributes].filter(([name]) => !LABEL_NAMES.includes(name))
    .map(([name, { width }]) => (width === 1 ? name : `${name} (${width} channels)`));
  if (!attributes.has("height")) names.push("height");
  return names.join(", ");
}

/** The chosen attributes as one (N, C) table. */
function sideBySide(
  count: number,
  columns: readonly (Attribute & { readonly name: string })[],
  where: string,
): Float32Array {
  const total = columns.reduce((sum, { width }) => sum + width, 0);
  const feats = new Float32Array(count * total);
  let at = 0;
  for (const { name, width, data } of columns) {
    checkFinite(data, width, name, where);
    for (let i = 0; i < count; i++) {
      for (let k = 0; k < width; k++) feats[i * total + at + k] = data[i * width + k];
    }
    at += width;
  }
  return feats;
}

function checkFinite(values: ArrayLike<number>, width: number, name: string, where: string): void {
  for (let i = 0; i < values.length; i++) {
    if (!Number.isFinite(values[i])) {
      throw new DataError(
        `Cannot use ${where}: ${name} of point ${Math.floor(i / width)} is ${
          values[i]
        }; expected finite numbers`,
      );
    }
  }
}

function noTree(where: string): DataError {
  return new DataError(
    `Cannot use ${where}: it holds points but no region tree. Prepare it first: deno task preprocess`,
  );
}

function idFrom(where: string): string {
  return basename(where).replace(/\.(safetensors|pkl|pickle|pt|pth)$/i, "");
}
