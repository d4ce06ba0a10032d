/**
 * From a table's named columns to a point cloud: which columns are coordinates, normals, colours,
 * labels.
 */

import type { Attribute, PointCloud } from "../point_cloud.ts";
import { COLUMN_NAMES as NAMES, plainName } from "./column_names.ts";
import { coarseNote, type FilePosition, formatError, recenter } from "./reader.ts";

/** One column of a file's point table. */
export interface Column {
  /** As the file gives it. */
  readonly name: string;
  /** `count * width` values. */
  readonly data: Attribute["data"];
  /** Values per point. Default 1. */
  readonly width?: number;
  /**
   * For integer types, the largest value of the unsigned type of that size (255, 65535): scales
   * colours.
   */
  readonly integerMax?: number;
}

/** What a cloud has beside its columns. */
export interface CloudExtras {
  /** (faces, 3) vertex indices. */
  readonly triangles?: Uint32Array;
  /** Where the columns are declared, for messages. */
  readonly at?: FilePosition;
  /** Names of the classes that the labels number. */
  readonly classNames?: readonly string[];
  /** What a person should know of how the columns were read. */
  readonly notes?: readonly string[];
}

/**
 * The point cloud of a table of columns. Names are matched without regard to case and units in
 * brackets (`X [m]`). x and y must be there; a table without z is a flat scan and gets z = 0.
 * Normals and colours need all three of their columns. Colours are scaled to [0, 1] (integers by
 * their type, others by their range) and `rgb` columns unpacked. A label column becomes integers;
 * one that holds other values keeps its own name. All else keeps the name it has.
 * @throws {DataError} when a coordinate column is missing or stands twice.
 */
export function cloudFromColumns(
  where: string,
  columns: readonly Column[],
  extras: CloudExtras = {},
): PointCloud {
  const table = new ColumnTable(where, columns, extras.at);
  const axes = [NAMES.x, NAMES.y, NAMES.z].map((names) => table.takeFirst(names));
  const missing = ["x", "y"].filter((_, k) => axes[k] === undefined);
  if (missing.length > 0) {
    throw formatError(
      where,
      extras.at,
      `expected columns x, y and z; there is no ${missing.join(" and no ")} among ${
        columns.length === 0 ? "none" : columns.slice(0, 20).map((column) => column.name).join(", ")
      }.`,
    );
  }
  const { coords, origin, extent, note } = coordinates(axes);
  const count = coords.length / 3;
  const attributes = attributesOf(table, count);
  const { triangles, classNames } = extras;
  const notes = [...extras.notes ?? [], ...note === undefined ? [] : [note]];
  return {
    ...{ count, coords, origin, extent, attributes, triangles },
    ...(classNames && { classNames }),
    ...(notes.length > 0 && { notes }),
  };
}

/** Columns by name, of which each is taken once. */
class ColumnTable {
  readonly #byName = new Map<string, Column>();
  /** Those that nobody has taken yet. */
  readonly left: Set<Column>;

  /** Throws DataError where a coordinate stands twice. */
  constructor(where: string, columns: readonly Column[], at: FilePosition | undefined) {
    this.left = new Set(columns);
    for (const column of columns) {
      const name = column.name.toLowerCase();
      if (!this.#byName.has(name)) this.#byName.set(name, column);
      else if (["x", "y", "z"].includes(name)) {
        throw formatError(where, at, `the column "${column.name}" stands twice.`);
      }
    }
    for (const column of columns) {
      const name = plainName(column.name);
      if (!this.#byName.has(name)) this.#byName.set(name, column);
    }
  }

  #find(name: string): Column | undefined {
    const column = this.#byName.get(name);
    return column !== undefined && this.left.has(column) && single(column) ? column : undefined;
  }

  /** The columns of all these names, or none. */
  take(names: readonly string[]): Column[] | undefined {
    const found = names.map((name) => this.#find(name)).filter((column) => column !== undefined);
    if (found.length < names.length) return undefined;
    for (const column of found) this.left.delete(column);
    return found;
  }

  /** The first column of one of these names. Those of the other names are taken, too. */
  takeFirst(names: readonly string[]): Column | undefined {
    return names.map((name) => this.take([name])?.[0]).find((column) => column !== undefined);
  }

  /** The first column of one of these names that fits. */
  takeFitting(
    names: readonly string[],
    fits: (column: Column) => boolean,
  ): Column | undefined {
    const found = names.map((name) => this.#find(name)).find((each) =>
      each !== undefined && fits(each)
    );
    if (found !== undefined) this.left.delete(found);
    return found;
  }
}

/** All columns but the coordinates, those with a meaning under its usual name. */
function attributesOf(table: ColumnTable, count: number): Map<string, Attribute> {
  const attributes = new Map<string, Attribute>();
  const takeAll = (choices: readonly (readonly string[])[]): Column[] | undefined =>
    choices.map((names) => table.take(names)).find((found) => found !== undefined);
  const normals = takeAll(NAMES.normals);
  if (normals !== undefined) attributes.set("normals", { width: 3, data: interleave(normals) });
  const colors = takeAll(NAMES.colors);
  if (colors !== undefined) attributes.set("colors", { width: 3, data: scaledColors(colors) });
  const packed = colors === undefined ? table.takeFirst(NAMES.packedColors) : undefined;
  if (packed !== undefined) unpackColors(packed, count, attributes);
  const intensity = table.takeFirst(NAMES.intensity);
  if (intensity !== undefined) {
    attributes.set("intensity", { width: 1, data: Float32Array.from(intensity.data) });
  }
  for (const [role, names] of [["labels", NAMES.labels], ["instances", NAMES.instances]] as const) {
    const column = table.takeFitting(names, integers);
    if (column === undefined) continue;
    // A point without a label has -1.
    const data = Int32Array.from(column.data, (value: number) => Number.isNaN(value) ? -1 : value);
    attributes.set(role, { width: 1, data });
  }
  for (const { name, width = 1, data } of table.left) {
    attributes.set(freeName(name, attributes), { width, data });
  }
  return attributes;
}

function single(column: Column): boolean {
  return (column.width ?? 1) === 1;
}

function integers(column: Column): boolean {
  if (column.data instanceof Int32Array) return true;
  const { data } = column;
  return data.every((value: number) => (value | 0) === value || Number.isNaN(value)) &&
    !data.every(Number.isNaN);
}

function freeName(name: string, taken: ReadonlyMap<string, Attribute>): string {
  let free = name;
  for (let n = 2; taken.has(free); n++) free = `${name}_${n}`;
  return free;
}

function coordinates(axes: readonly (Column | undefined)[]): ReturnType<typeof recenter> {
  if (axes.every((axis) => axis === undefined || axis.data instanceof Float32Array)) {
    const note = coarseNote(axes.flatMap((axis) => axis === undefined ? [] : [axis.data]));
    return { coords: interleave(axes), origin: [0, 0, 0], ...(note !== undefined && { note }) };
  }
  const coords = new Float64Array(3 * axes[0]!.data.length);
  axes.forEach((axis, k) => spread(axis, k, coords));
  return recenter(coords);
}

function interleave(columns: readonly (Column | undefined)[]): Float32Array {
  const out = new Float32Array(3 * columns[0]!.data.length);
  columns.forEach((column, k) => spread(column, k, out));
  return out;
}

function spread(column: Column | undefined, k: number, out: Float32Array | Float64Array): void {
  if (column === undefined) return;
  const { data } = column;
  for (let i = 0, j = k; i < data.length; i++, j += 3) out[j] = data[i];
}

/** Three colour columns, interleaved and scaled to [0, 1]. */
function scaledColors(columns: readonly Column[]): Float32Array {
  let largest = 0;
  for (const { data } of columns) {
    for (let i = 0; i < data.length; i++) if (data[i] > largest) largest = data[i];
  }
  const scale = 1 / fullColor(columns, largest);
  const out = interleave(columns);
  for (let i = 0; i < out.length; i++) out[i] = Math.min(1, Math.max(0, out[i] * scale));
  return out;
}

/** The value that stands for full brightness. 16-bit columns often hold 8-bit colours. */
function fullColor(columns: readonly Column[], largest: number): number {
  const wholeNumbers = columns.every(({ integerMax }) => integerMax !== undefined);
  if (columns.every(({ integerMax }) => integerMax === 255)) return 255;
  if (largest <= 1 && !wholeNumbers) return 1;
  if (largest <= 255) return 255;
  return largest <= 65535 ? 65535 : Number.isFinite(largest) ? largest : 1;
}

/** `rgb` and `rgba` hold 0xAARRGGBB in one number, often stored as the bits of a float32. */
function unpackColors(
  column: Column,
  count: number,
  attributes: Map<string, Attribute>,
): void {
  const { data } = column;
  const bits = data instanceof Float32Array
    ? new Uint32Array(data.buffer, data.byteOffset, data.length)
    : data instanceof Float64Array &&
        !data.every((v) => Number.isInteger(v) && v >= 0 && v < 2 ** 32)
    ? new Uint32Array(Float32Array.from(data).buffer)
    : Uint32Array.from(data);
  const colors = new Float32Array(3 * count);
  for (let i = 0; i < count; i++) {
    colors[3 * i] = ((bits[i] >>> 16) & 255) / 255;
    colors[3 * i + 1] = ((bits[i] >>> 8) & 255) / 255;
    colors[3 * i + 2] = (bits[i] & 255) / 255;
  }
  attributes.set("colors", { width: 3, data: colors });
  if (column.name.toLowerCase() === "rgba") {
    attributes.set("alpha", { width: 1, data: Int32Array.from(bits, (value) => value >>> 24) });
  }
}
