/**
 * Scene files of the PyTorch implementation: a pickled dict of `coords`, `normals` (torch tensors
 * or NumPy arrays), a nested `hierarchy` (`indices`, `center_idx`, `level`, `children`), and
 * whatever else was stored per point.
 */

import { DataError } from "../../../base/errors.ts";
import type { PointCloud } from "../../point_cloud.ts";
import { cloudFromArrays, type NamedArray } from "../numpy/named_arrays.ts";
import { flatten } from "../numpy/ndarray.ts";
import { isPickledArray } from "./pickle_arrays.ts";
import { printable } from "../../../base/printable.ts";
import type { PickledArray, PickleDict, PickleValue } from "./pickle_values.ts";
import { typeName } from "./pickle_values.ts";
import { formatError, type FormatReader, type ReadOptions } from "../reader.ts";
import { readPickle } from "./torch_storage.ts";
import { isZip } from "../numpy/zip.ts";

/** What a pickled scene holds. */
export interface PickledScene {
  readonly cloud: PointCloud;
  /** The nested regions in the form `treeFromNested` takes; undefined where the file holds none. */
  readonly hierarchy: unknown;
  /** A single integer `label` beside the arrays. */
  readonly sceneLabel?: number;
}

/** What follows the protocol: a frame, or the start of a dict, list, tuple, integer or global. */
const FIRST_OPCODES: readonly number[] = [0x95, 0x7d, 0x5d, 0x28, 0x29, 0x8a, 0x63];

/** `.pkl` files as point clouds; their region tree is read by `readScene`. */
export const pickleReader: FormatReader = {
  name: "PyTorch scene",
  extensions: ["pkl", "pickle", "pt", "pth"],
  detect: (head, fileName) =>
    (head[0] === 0x80 && head[1] >= 2 && head[1] <= 5 && FIRST_OPCODES.includes(head[2])) ||
    (isZip(head) && /\.(pt|pth|pkl)$/i.test(fileName)),
  read: (bytes, where, options) => readPickledScene(bytes, where, options).cloud,
};

/**
 * Reads a pickled scene. Nothing in the file is executed: see `pickle.ts`.
 * @throws {DataError} when the file is damaged, holds something that is not data, or is no scene.
 */
export function readPickledScene(
  bytes: Uint8Array,
  where: string,
  options: ReadOptions = {},
): PickledScene {
  const scene = readPickle(bytes, where);
  if (!(scene instanceof Map)) {
    throw formatError(
      where,
      undefined,
      `expected a dict with coords, normals and hierarchy, got ${typeName(scene)}`,
    );
  }
  const arrays = new Map<string, NamedArray>();
  let sceneLabel: number | undefined;
  let hierarchy: PickleValue | undefined;
  for (const [key, value] of scene) {
    if (typeof key !== "string") continue;
    if (key === "hierarchy") hierarchy = value;
    else if (isPickledArray(value)) {
      arrays.set(key, namedArray(value, `Cannot read ${where}: ${printable(key)}`));
    } else if (key === "label" && typeof value === "number" && Number.isInteger(value)) {
      sceneLabel = value;
    }
  }
  const regions = hierarchy === undefined || hierarchy === null
    ? undefined
    : nestedRegions(hierarchy, where, bytes.length);
  return { cloud: cloudFromArrays(where, arrays, options), hierarchy: regions, sceneLabel };
}

function namedArray(value: PickledArray, what: string): NamedArray {
  const { array } = value;
  // An unreadable one has no shape; as a scalar it is left out, unless it is asked for by name.
  return {
    shape: array?.shape ?? [],
    values: () => {
      if (array === undefined) throw new DataError(`${what} ${value.unreadable ?? "has no data"}`);
      return flatten(array, what);
    },
  };
}

/**
 * Pickled dicts as plain objects, arrays as typed arrays. A dict or list that stands in two places
 * stays one object, so that a small file cannot unfold into a big tree.
 */
function nestedRegions(root: PickleValue, where: string, fileSize: number): unknown {
  return new PlainRegions(where, fileSize).of(root);
}

/** Regions that are being made plain. */
class PlainRegions {
  readonly #where: string;
  readonly #fileSize: number;
  readonly #regions = new Map<PickleDict, Record<string, unknown>>();
  readonly #lists = new Map<PickleValue[], unknown[]>();
  readonly #arrays = new Map<PickledArray, ArrayLike<number | bigint>>();
  readonly #pending: PickleDict[] = [];
  #listed = 0;

  constructor(where: string, fileSize: number) {
    this.#where = where;
    this.#fileSize = fileSize;
  }

  /** A root and all below it. */
  of(root: PickleValue): unknown {
    const top = this.#region(root);
    for (let dict = this.#pending.pop(); dict !== undefined; dict = this.#pending.pop()) {
      this.#fill(this.#regions.get(dict)!, dict);
    }
    return top;
  }

  /** The object of a region, which is filled later. */
  #region(value: PickleValue): unknown {
    if (!(value instanceof Map)) return this.#plain(value);
    let known = this.#regions.get(value);
    if (known === undefined) {
      known = {};
      this.#regions.set(value, known);
      this.#pending.push(value);
    }
    return known;
  }

  #fill(record: Record<string, unknown>, dict: PickleDict): void {
    const indices = this.#plain(dict.get("indices"));
    record.indices = indices;
    record.center_idx = this.#scalar(dict.get("center_idx"));
    record.level = this.#scalar(dict.get("level"));
    // Shared by many regions, a list of indices costs the file little and the reader much.
    this.#listed += (indices as ArrayLike<number> | undefined | null)?.length ?? 0;
    if (this.#listed > this.#fileSize) {
      throw new DataError(
        `Cannot read ${this.#where}: region tree: its regions list ${this.#listed} points out of ` +
          `a file of ${this.#fileSize} bytes`,
      );
    }
    const children = dict.get("children");
    if (Array.isArray(children)) {
      let list = this.#lists.get(children);
      if (list === undefined) {
        list = children.map((child) => this.#region(child));
        this.#lists.set(children, list);
      }
      record.children = list;
    } else {
      record.children = this.#plain(children);
    }
  }

  #plain(value: PickleValue | undefined): unknown {
    if (!isPickledArray(value)) return value;
    let known = this.#arrays.get(value);
    if (known === undefined) {
      const what = `Cannot read ${this.#where}: region tree: an array`;
      if (value.array === undefined) {
        throw new DataError(`${what} ${value.unreadable ?? "has no data"}`);
      }
      known = flatten(value.array, what);
      this.#arrays.set(value, known);
    }
    return known;
  }

  #scalar(value: PickleValue | undefined): unknown {
    const read = this.#plain(value);
    return ArrayBuffer.isView(read) && (read as Int32Array).length === 1
      ? (read as Int32Array)[0]
      : read;
  }
}
