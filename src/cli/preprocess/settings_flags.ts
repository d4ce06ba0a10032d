/** The flags that say how scenes are made of clouds. */

import { type FlagTable, type GivenFlags, wrongFlag } from "../flags.ts";
import { parseCloud } from "../../cloud/formats/numpy/named_arrays.ts";
import { parseDelimiter } from "../../cloud/formats/text/text.ts";
import type { NormalOrientation } from "../../cloud/normals.ts";
import { buildTree } from "../../scenes/tree_builder.ts";
import type { SceneSettings } from "../../scenes/preprocess/settings.ts";

/** The flags that `settingsFromFlags` reads. */
export const SETTINGS_FLAGS = {
  objects: { help: "single objects: centre each on its centroid and scale it to radius 1" },
  unit: { value: "M", help: "metres per unit of the files, 0.001 for millimetres (1)" },
  voxel: { value: "M", help: "keep one point per cube of this edge in metres (0: all)" },
  "max-points": { value: "N", help: "keep at most N points of a scene, drawn at random (0: all)" },
  "mesh-points": { value: "N", help: "points drawn from a mesh's surface; 0: its vertices (4096)" },
  "keep-duplicates": { help: "keep points that stand in the same place" },
  normals: {
    value: "WHICH",
    help: "auto: the file's, estimated where missing; estimate; keep (auto)",
  },
  orientation: {
    value: "SIDE",
    help: "of estimated normals: consistent, up (airborne scans), inward (rooms) (consistent)",
  },
  neighbors: { value: "K", help: "points that a normal is estimated from (16)" },
  branching: { value: "N", help: "most children of a region (8)" },
  depth: { value: "N", help: "deepest level of regions (4)" },
  "min-points": { value: "N", help: "least size: a region of twice as many points is split (32)" },
  "rebuild-trees": {
    help: "treat .pkl and prepared scenes as points, rather than keep their trees",
  },
  columns: {
    value: "A,B,…",
    help: "names of a text table's or raw file's columns: x,y,z,_,intensity",
  },
  array: { value: "NAME", help: "array of coordinates in NPZ files and pickles (a usual name)" },
  cloud: { value: "N", help: "which cloud of an NPZ file's or pickle's stack of several, from 0" },
  delimiter: { value: "C", help: "character between the columns of text tables (found out)" },
  seed: { value: "N", help: "for the points that are drawn (42)" },
} as const satisfies FlagTable;

/**
 * `base` with what the flags say otherwise.
 *
 * @throws {UsageError} A value is not as it should be.
 */
export function settingsFromFlags(given: GivenFlags, base: SceneSettings): SceneSettings {
  const { prepare, tree, read } = base;
  const settings: SceneSettings = {
    read: {
      columns: given.text("columns")?.split(",").map((name) => name.trim()) ?? read.columns,
      delimiter: parseDelimiter(given.text("delimiter")) ?? read.delimiter,
      array: given.text("array") ?? read.array,
      cloud: parseCloud(given.text("cloud")) ?? read.cloud,
    },
    prepare: {
      ...prepare,
      unit: given.number("unit", prepare.unit),
      meshPoints: given.whole("mesh-points", prepare.meshPoints, 0),
      removeDuplicates: prepare.removeDuplicates && !given.has("keep-duplicates"),
      voxelSize: given.number("voxel", prepare.voxelSize),
      maxPoints: given.whole("max-points", prepare.maxPoints, 0),
      unitScale: prepare.unitScale || given.has("objects"),
      normals: given.choice("normals", ["auto", "estimate", "keep"], prepare.normals),
      normalNeighbors: given.whole("neighbors", prepare.normalNeighbors, 3),
      normalOrientation: given.choice<NormalOrientation>(
        "orientation",
        ["consistent", "up", "inward"],
        prepare.normalOrientation,
      ),
      seed: given.whole("seed", prepare.seed, Number.MIN_SAFE_INTEGER),
    },
    tree: {
      branching: given.number("branching", tree.branching),
      maxDepth: given.number("depth", tree.maxDepth),
      minPoints: given.number("min-points", tree.minPoints),
    },
    keepTrees: base.keepTrees && !given.has("rebuild-trees"),
  };
  const { unit, voxelSize } = settings.prepare;
  if (!(unit > 0)) throw wrongFlag("unit", "a number above 0", String(unit));
  if (!(voxelSize >= 0)) throw wrongFlag("voxel", "0 or more", String(voxelSize));
  buildTree(new Float32Array(3), settings.tree); // refuses what is out of range
  return settings;
}
