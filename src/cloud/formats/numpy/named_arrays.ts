/** From arrays under names (NPZ files, pickled dicts, safetensors) to a point cloud. */

import { UsageError } from "../../../base/errors.ts";
import type { PointCloud } from "../../point_cloud.ts";
import { COLUMN_NAMES } from "../column_names.ts";
import { cloudFromColumns, type Column } from "../columns.ts";
import type { NumericArray } from "./ndarray.ts";
import { printable } from "../../../base/printable.ts";
import { formatError, type ReadOptions } from "../reader.ts";
import { guessNotes, nameColumns } from "../text/text_layout.ts";

/** One array of a file. Its values are asked for only when they are wanted. */
export interface NamedArray {
  readonly shape: readonly number[];
  /** In C order. */
  values(): NumericArray;
}

/**
 * What arrays are called by what they hold. Names are compared in lower case; the first that is
 * there is taken.
 */
export const ARRAY_ROLES = {
  coords: [
    "coords",
    "coord",
    "points",
    "xyz",
    "pos",
    "positions",
    "vertices",
    "verts",
    "pc",
    "pcd",
    "cloud",
    "pointcloud",
    "point_cloud",
    "pts",
  ],
  normals: ["normals", "normal", "norms", "norm"],
  colors: ["colors", "color", "colours", "colour", "rgb"],
  labels: [
    ...["labels", "label", "semantic_labels", "semantic_label", "semantic_gt", "segment", "seg"],
    ...COLUMN_NAMES.labels,
  ],
  instances: [
    ...["instances", "instance", "instance_labels", "instance_gt"],
    ...COLUMN_NAMES.instances,
  ],
  triangles: ["triangles", "faces", "tris", "face", "mesh"],
} as const;
/** More columns than this, unnamed, are no points: a picture, a grid, a matrix. */
export const MAX_UNNAMED_COLUMNS = 16;
const SAMPLES = 2000;
const AXES = new Set(["x", "y", "z"]);

/**
 * The point cloud of named arrays: coordinates (N, 3 or more; the columns after the third are named
 * as `text_layout.ts` says) or arrays x, y and z; normals (N, 3); colors (N, 3 or 4); labels; faces
 * (F, 3); and every other array of N rows under its own name. Arrays of other shapes are no columns
 * and are left out.
 * @throws {DataError} when there are no coordinates, or one of the known names has the wrong shape.
 */
export function cloudFromArrays(
  where: string,
  given: ReadonlyMap<string, NamedArray>,
  { array: wanted, cloud }: ReadOptions = {},
): PointCloud {
  const arrays = oneCloud(where, given, wanted, cloud);
  const left = new Map(arrays);
  const columns: Column[] = [];
  const coords = takeFirst(
    left,
    wanted === undefined ? ARRAY_ROLES.coords : [wanted.toLowerCase()],
  );
  const count = coords === undefined
    ? axisLength(where, arrays, wanted)
    : pushCoords(where, coords.key, coords.array, columns);
  const notes = coords === undefined ? [] : guessNotes(columns.map(({ name }) => name));
  const perPoint = ({ shape }: NamedArray): boolean => shape[0] === count && shape.length <= 2;

  const triples = [["normals", ["nx", "ny", "nz"]], ["colors", ["red", "green", "blue"]]] as const;
  for (const [role, names] of triples) {
    const found = takeFirst(left, ARRAY_ROLES[role]);
    if (found === undefined) continue;
    const { key, array: { shape } } = found;
    const wide = shape[1] === 3 || (role === "colors" && shape[1] === 4);
    if (!perPoint(found.array) || shape.length !== 2 || !wide) {
      const got = `(${shape.join(", ")})`;
      const message = `${printable(key)}: expected shape (${count}, 3), got ${got}`;
      throw formatError(where, undefined, message);
    }
    const split = splitColumns(found.array.values(), [...names, "alpha"].slice(0, shape[1]));
    columns.push(...split.filter(({ name }) => !columns.some((other) => other.name === name)));
  }
  for (const role of ["labels", "instances"] as const) {
    // Beside an array of coordinates, y is what PyTorch Geometric calls the target.
    const names = role === "labels" && coords !== undefined
      ? [...ARRAY_ROLES.labels, "y"]
      : ARRAY_ROLES[role];
    const found = takeFirst(left, names, (array) => perPoint(array) && rowWidth(array) === 1);
    if (found !== undefined) columns.push({ name: role, ...columnData(found.array.values()) });
  }
  const areFaces = ({ shape }: NamedArray): boolean => shape.length === 2 && shape[1] === 3;
  const faces = takeFirst(left, ARRAY_ROLES.triangles, areFaces);
  for (const [name, array] of left) {
    if (!perPoint(array) || array.shape.length === 0) continue;
    // … and x the features.
    const free = coords !== undefined && AXES.has(name.toLowerCase()) ? `${name}_values` : name;
    columns.push({ name: free, width: rowWidth(array), ...columnData(array.values()) });
  }
  const triangles = faces && checkTriangles(where, faces.key, faces.array.values(), count);
  return cloudFromColumns(where, columns, { triangles, notes });
}

/** Takes the first array of one of these names that is usable. */
function takeFirst(
  left: Map<string, NamedArray>,
  names: readonly string[],
  usable: (array: NamedArray) => boolean = () => true,
): { readonly key: string; readonly array: NamedArray } | undefined {
  for (const name of names) {
    for (const [key, array] of left) {
      if (key.toLowerCase() !== name || !usable(array)) continue;
      left.delete(key);
      return { key, array };
    }
  }
}

/**
 * The arrays of one cloud where they are stacks of several: of each with as many clouds along its
 * first axis, that cloud's part.
 * @throws {DataError} It is not said which.
 */
function oneCloud(
  where: string,
  arrays: ReadonlyMap<string, NamedArray>,
  wanted: string | undefined,
  cloud: number | undefined,
): ReadonlyMap<string, NamedArray> {
  const names: readonly string[] = wanted === undefined
    ? ARRAY_ROLES.coords
    : [wanted.toLowerCase()];
  const coords =
    names.flatMap((name) => [...arrays].filter(([key]) => key.toLowerCase() === name))[0];
  if (coords === undefined || coords[1].shape.length !== 3) return arrays;
  const [key, { shape: [clouds] }] = coords;
  if (cloud === undefined || cloud >= clouds) {
    throw formatError(
      where,
      undefined,
      `${printable(key)} is a stack of ${clouds} clouds (${coords[1].shape.join(", ")})${
        cloud === undefined ? "" : `, and ${cloud} is none of them`
      }. Name one by its number from 0: --cloud N (option cloud); or save the array alone as NPY, which preprocess ` +
        "takes as that many scenes.",
    );
  }
  return new Map(
    [...arrays].flatMap(([name, array]): [string, NamedArray][] =>
      array.shape[0] === clouds ? [[name, partOf(array, cloud)]] : []
    ),
  );
}

/** Element `index` of an array along its first axis. */
function partOf({ shape: [, ...shape], values }: NamedArray, index: number): NamedArray {
  const size = shape.reduce((product, axis) => product * axis, 1);
  return { shape, values: () => values().subarray(index * size, (index + 1) * size) };
}

/** The number of a cloud that a command line names. @throws {UsageError} It is none. */
export function parseCloud(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new UsageError(
    `--cloud: expected a whole number of 0 or more, got ${JSON.stringify(text)}`,
  );
}

/** Columns of a row-major table. */
export function splitColumns(values: NumericArray, names: readonly string[]): Column[] {
  const { data, integerMax } = columnData(values);
  const width = names.length;
  const rows = data.length / width;
  return names.map((name, k) => {
    const column = new (data.constructor as Float32ArrayConstructor)(rows) as typeof data;
    for (let row = 0; row < rows; row++) column[row] = data[row * width + k];
    return { name, data: column, integerMax };
  });
}

/** Values as a column may hold them: small integers as int32, 64-bit ones too where they fit. */
export function columnData(values: NumericArray): Pick<Column, "data" | "integerMax"> {
  if (values instanceof Float32Array || values instanceof Float64Array) return { data: values };
  if (values instanceof Int32Array || values instanceof Uint32Array) {
    return { data: values, integerMax: 2 ** 32 - 1 };
  }
  if (values instanceof BigInt64Array || values instanceof BigUint64Array) {
    const wide = Float64Array.from(values, Number);
    const fits = wide.every((value) => (value | 0) === value);
    return { data: fits ? Int32Array.from(wide) : wide, integerMax: 2 ** 32 - 1 };
  }
  const bytes = values.BYTES_PER_ELEMENT;
  return { data: Int32Array.from(values), integerMax: bytes === 1 ? 255 : 65535 };
}

/** Triangles as unsigned indices, each checked. */
export function checkTriangles(
  where: string,
  name: string,
  values: NumericArray,
  count: number,
): Uint32Array {
  const triangles = new Uint32Array(values.length);
  for (let i = 0; i < triangles.length; i++) {
    const index = Number(values[i]);
    if (!Number.isInteger(index) || index < 0 || index >= count) {
      throw formatError(
        where,
        undefined,
        `${printable(name)}: row ${
          Math.floor(i / 3)
        } names vertex ${index}; there are ${count} (from 0)`,
      );
    }
    triangles[i] = index;
  }
  return triangles;
}

function rowWidth({ shape }: NamedArray): number {
  return shape[1] ?? 1;
}

function pushCoords(where: string, name: string, array: NamedArray, columns: Column[]): number {
  const { shape } = array;
  if (shape.length === 0) array.values(); // Says why, where the elements are no numbers.
  if (shape.length !== 2 || shape[1] < 3 || shape[1] > MAX_UNNAMED_COLUMNS) {
    throw formatError(where, undefined, `${printable(name)}: ${expectedTable(shape)}`);
  }
  const values = array.values();
  columns.push(...splitColumns(values, unnamedColumns(values, shape[1])));
  return shape[0];
}

/** What a table of points must look like, for errors. */
export function expectedTable(shape: readonly number[]): string {
  return `expected shape (points, 3), or up to ${MAX_UNNAMED_COLUMNS} columns, got (${
    shape.join(", ")
  })`;
}

/**
 * Names for the columns of a row-major table that has none, from their values: see
 * `text_layout.ts`.
 */
export function unnamedColumns(values: NumericArray, width: number): string[] {
  const rows = values.length / width;
  const sampled = Math.min(rows, SAMPLES);
  const columns = Array.from(
    { length: width },
    (_, k) =>
      Float64Array.from(
        { length: sampled },
        (_, i) => Number(values[Math.floor(i * rows / sampled) * width + k]),
      ),
  );
  return nameColumns(columns, "npy");
}

function axisLength(
  where: string,
  arrays: ReadonlyMap<string, NamedArray>,
  wanted: string | undefined,
): number {
  for (const [key, { shape }] of arrays) {
    const isAxis = key.toLowerCase() === "x" && shape.length === 1 && wanted === undefined;
    if (isAxis) return shape[0];
  }
  throw formatError(
    where,
    undefined,
    `holds no coordinates: expected an array named ${
      wanted === undefined
        ? `${
          ARRAY_ROLES.coords.slice(0, 5).join(", ")
        }, or x, y and z, or one that --array NAME (option array) names`
        : printable(wanted)
    }; it holds ${
      arrays.size === 0
        ? "no arrays"
        : [...arrays].slice(0, 20).map(([key, { shape }]) =>
          `${printable(key)} (${shape.join(", ")})`
        ).join(
          ", ",
        )
    }`,
  );
}
