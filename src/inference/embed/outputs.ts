/** What is written of a scene's features, and under which names. */

import { join } from "@std/path";
import { writeFileAtomically } from "../../base/atomic_write.ts";
import { type SafeTensor, writeSafetensors } from "../../base/safetensors.ts";
import type { RegionTree, Scene } from "../../scenes/scene.ts";
import { DataError } from "../../base/errors.ts";
import type { CloudRows } from "../encoder.ts";
import { featuresOfRows } from "../row_features.ts";
import type { Branch, FeaturePart, SceneFeatures, SceneVectors } from "../features.ts";
import { encodeColoredPly } from "./colored_ply.ts";
import { encodeNpy } from "./npy.ts";
import { componentColors } from "./principal_components.ts";

/** How arrays are stored. */
export type FileFormat = "safetensors" | "npy";

/** What is written of each scene, besides its vectors. */
export interface EmbedOutputs {
  /** Branches whose point features are written. */
  readonly points: readonly Branch[];
  /** Features of all regions, and the tree. */
  readonly regions: boolean;
  /** At least one. */
  readonly formats: readonly FileFormat[];
  /** The branch that colours a PLY; null: no PLY. */
  readonly ply: Branch | null;
  /**
   * Point features are those of the input file's rows, one each. Absent: those of the scene's
   * points.
   */
  readonly asInput?: true;
}

/** An array with its shape. */
export interface NamedArray {
  readonly shape: readonly number[];
  readonly data: Float32Array | Int32Array | Uint32Array;
}

/** Folder of the scenes' own files, and stem of the files of all scenes together. */
export const FEATURES = "features", SCENES = "scenes";
/** Kinds and branches of a scene's vectors. */
export const VECTORS: readonly (readonly [keyof SceneVectors, Branch])[] = [
  ["root", "g2l"],
  ["root", "l2g"],
  ["max", "g2l"],
  ["max", "l2g"],
  ["mean", "g2l"],
  ["mean", "l2g"],
];
const TREE = [
  "order",
  "level",
  "parent",
  "start",
  "end",
  "center",
] as const satisfies readonly (keyof RegionTree)[];

/** What the encoder has to give for these outputs. */
export function partsOf({ points, regions, ply }: EmbedOutputs): FeaturePart[] {
  const branches = ply === null ? points : [...new Set([...points, ply])];
  return [...branches, "scene", ...(regions ? ["regions"] as const : [])];
}

/** What each array is, for the manifest: N points, D values a feature, R regions, S scenes. */
export function describeArrays({ points, regions, asInput }: EmbedOutputs): Record<string, string> {
  const says: Record<string, string> = {
    "scene/root/BRANCH": "(D) float32: feature of the root region",
    "scene/max/BRANCH": "(D) float32: largest value of each channel over the points in leaves",
    "scene/mean/BRANCH": "(D) float32: mean of each channel over the points in leaves",
    "scenes: root/BRANCH, max/BRANCH, mean/BRANCH":
      "(S, D) float32: the same of all scenes, in the order of the list scenes",
    "scenes: labels": "(S) int32: class of each scene, -1 where it is not known",
  };
  if (points.length > 0) {
    says["points/BRANCH"] = asInput
      ? "(F, D) float32: feature of each row of the input file: of the point kept_index of coords; zeros where it is -1"
      : "(N, D) float32: feature of each point, rows as in coords; zeros for a point in no leaf";
  }
  if (asInput) {
    says.kept_index =
      "(F) int32: for each row of the input file the point of coords that stands for it, the one kept of its voxel or " +
      "the nearest; -1 where its coordinates are not finite";
  }
  if (points.length > 0 || regions) {
    says.source_index =
      "(N) uint32: the row of the input file, from 0, that each point of coords was; absent for points drawn from a mesh";
    says.coords =
      "(N, 3) float32, metres; a scene's origin added gives the file's coordinates (of objects and files in other " +
      "units: coords / file_scale + file_origin)";
    says.labels = "(N) int32: class of each point, where the scene has them";
  }
  if (regions) {
    says["regions/LEVEL/BRANCH"] =
      "(R, D) float32: features of the regions of a level, in the order of tree/level";
    says["tree/order, level, parent, start, end, center"] =
      "the region tree: region r holds the points order[start[r]] to order[end[r] - 1]";
  }
  says.BRANCH = "g2l: global to local; l2g: local to global";
  says["names in NPY"] = "the same with _ for /, one file each";
  return says;
}

/** Everything that is written of one scene, by name. */
export function arraysOf(
  scene: Scene,
  features: SceneFeatures,
  { points, regions, asInput }: EmbedOutputs,
  rows: CloudRows,
): Map<string, NamedArray> {
  const { width, count } = features;
  const arrays = new Map<string, NamedArray>();
  for (const [kind, branch] of VECTORS) {
    arrays.set(`scene/${kind}/${branch}`, { shape: [width], data: features.scene[kind][branch] });
  }
  if (points.length > 0 || regions) {
    arrays.set("coords", { shape: [count, 3], data: scene.coords });
    if (scene.pointLabels) arrays.set("labels", { shape: [count], data: scene.pointLabels });
  }
  if ((points.length > 0 || regions) && rows.sourceIndex !== null) {
    arrays.set("source_index", { shape: [count], data: rows.sourceIndex });
  }
  const kept = asInput ? rows.keptIndex() : undefined;
  if (kept !== undefined) arrays.set("kept_index", { shape: [kept.length], data: kept });
  for (const branch of points) {
    const own = features.points[branch];
    const data = kept === undefined ? own : featuresOfRows(own, width, kept);
    arrays.set(`points/${branch}`, { shape: [data.length / width, width], data });
  }
  if (!regions) return arrays;
  features.regions.forEach((level, l) => {
    for (const branch of ["g2l", "l2g"] as const) {
      const data = level[branch];
      arrays.set(`regions/${l}/${branch}`, { shape: [data.length / width, width], data });
    }
  });
  for (const name of TREE) {
    const data = scene.tree[name];
    arrays.set(`tree/${name}`, { shape: [data.length], data });
  }
  return arrays;
}

/**
 * Writes arrays as NAME.safetensors, as NAME/ARRAY.npy, or both. Gives the files' paths relative to
 * `folder`.
 *
 * @throws {DataError} The system refuses.
 */
export async function writeArrays(
  folder: string,
  name: string,
  arrays: ReadonlyMap<string, NamedArray>,
  formats: readonly FileFormat[],
  metadata: Readonly<Record<string, string>>,
): Promise<string[]> {
  const files: string[] = [];
  if (formats.includes("safetensors")) {
    const tensors = new Map([...arrays].map(([key, array]) => [key, tensorOf(array)]));
    files.push(`${name}.safetensors`);
    await writeSafetensors(join(folder, files[0]), tensors, metadata);
  }
  if (formats.includes("npy")) {
    await makeFolder(join(folder, name));
    for (const [key, { data, shape }] of arrays) {
      const file = `${name}/${key.replaceAll("/", "_")}.npy`;
      await writeFileAtomically(join(folder, file), encodeNpy(data, shape));
      files.push(file);
    }
  }
  return files;
}

function tensorOf({ data, shape }: NamedArray): SafeTensor {
  if (data instanceof Float32Array) return { dtype: "F32", shape, data };
  return data instanceof Int32Array ? { dtype: "I32", shape, data } : { dtype: "U32", shape, data };
}

/** Writes all files of one scene and gives their paths relative to `folder`. */
export async function writeFeatures(
  folder: string,
  scene: Scene,
  origin: readonly [number, number, number],
  features: SceneFeatures,
  outputs: EmbedOutputs,
  rows: CloudRows,
): Promise<string[]> {
  const name = `${FEATURES}/${scene.id}`;
  const metadata: Record<string, string> = {
    format: "dbbd-features",
    version: "1",
    id: scene.id,
    origin: JSON.stringify(origin),
    file_origin: JSON.stringify(rows.origin),
    file_scale: String(rows.scale),
  };
  if (scene.sceneLabel !== undefined) metadata.scene_label = String(scene.sceneLabel);
  const arrays = arraysOf(scene, features, outputs, rows);
  const files = await writeArrays(folder, name, arrays, outputs.formats, metadata);
  if (outputs.ply !== null) {
    const colors = componentColors(features.points[outputs.ply], features.width);
    files.push(`${name}.ply`);
    await writeFileAtomically(
      join(folder, `${name}.ply`),
      encodeColoredPly(scene.coords, origin, colors),
    );
  }
  return files;
}

/** Makes a folder, if it isn't there. @throws {DataError} The system refuses. */
export async function makeFolder(path: string): Promise<void> {
  try {
    await Deno.mkdir(path, { recursive: true });
  } catch (error) {
    throw new DataError(`Cannot write to ${path}: ${(error as Error).message}`);
  }
}
