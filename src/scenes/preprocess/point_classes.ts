/**
 * Labels in words are numbered file by file; here they get the numbers of one list for all scenes.
 */

import type { PointCloud } from "../../cloud/point_cloud.ts";
import { readSceneFile, writeScene } from "../scene_file.ts";
import { byText } from "./sources.ts";

/** All names of several lists, by the alphabet. */
export function allClassNames(lists: Iterable<readonly string[]>): string[] {
  return [...new Set([...lists].flat())].sort(byText);
}

/**
 * The cloud with its labels numbered by `names` instead of its own list.
 * @param own what its labels number now, all of them among `names`
 */
export function renumbered(
  cloud: PointCloud,
  own: readonly string[],
  names: readonly string[],
): PointCloud {
  const labels = cloud.attributes.get("labels");
  if (labels === undefined) return cloud;
  const places = own.map((name) => names.indexOf(name));
  const data = Int32Array.from(labels.data, (label) => places[label] ?? -1);
  const attributes = new Map(cloud.attributes).set("labels", { width: 1, data });
  return { ...cloud, attributes, classNames: names };
}

/** Gives the labels in a scene file the numbers of `names`. */
export async function renumberScene(
  path: string,
  own: readonly string[],
  names: readonly string[],
): Promise<void> {
  const file = await readSceneFile(path);
  const settings = { ...file.settings as Record<string, unknown>, classNames: names };
  await writeScene(path, { ...file, cloud: renumbered(file.cloud, own, names), settings });
}
