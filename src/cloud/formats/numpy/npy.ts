/** NumPy's array files: NPY (one array) and NPZ (a zip archive of them, under names). */

import type { PointCloud } from "../../point_cloud.ts";
import { cloudFromColumns, type Column } from "../columns.ts";
import {
  cloudFromArrays,
  columnData,
  expectedTable,
  MAX_UNNAMED_COLUMNS,
  type NamedArray,
  splitColumns,
  unnamedColumns,
} from "./named_arrays.ts";
import { denseStrides, elementCount, flatten, type NdArray } from "./ndarray.ts";
import { isNpy, type NpyField, type NpyHeader, parseNpyHeader } from "./npy_header.ts";
import { guessNotes } from "../text/text_layout.ts";
import { formatError, type FormatReader, type ReadOptions } from "../reader.ts";
import { isZip, readZip } from "./zip.ts";

/**
 * NPY: a table of 3 to 16 columns (named by `columns`, else from their values as text without names
 * is), or records with fields x, y, z (or a field of three values, xyz) and whatever else.
 */
export const npyReader: FormatReader = {
  name: "NPY",
  extensions: ["npy"],
  detect: isNpy,
  read: readNpy,
};

/** NPZ: arrays under names, as `cloudFromArrays` takes them; a single array may have any name. */
export const npzReader: FormatReader = {
  name: "NPZ",
  extensions: ["npz"],
  detect: (head) => isZip(head) && isNpzEntry(head),
  read: readNpz,
};

const SKIPPED = "_";

function readNpy(bytes: Uint8Array, where: string, options: ReadOptions): PointCloud {
  const header = parseNpyHeader(bytes, where);
  if (!header.structured) {
    const array = plainArray(bytes, header, where);
    checkLength(bytes, header, where);
    return tableCloud(array, where, options);
  }
  checkLength(bytes, header, where);
  if (header.fields.some(({ shape }) => shape.length > 0)) {
    const arrays = new Map<string, NamedArray>();
    addFields(arrays, bytes, header, where);
    return cloudFromArrays(where, arrays, options);
  }
  const columns = header.fields.filter(isColumn).map((field): Column => {
    const array = fieldArray(bytes, header, field);
    return {
      name: field.name,
      ...columnData(flatten(array, `Cannot read ${where}: ${field.name}`)),
    };
  });
  return cloudFromColumns(where, columns, { at: { byte: 0 } });
}

function tableCloud(array: NdArray, where: string, { columns }: ReadOptions): PointCloud {
  const { shape } = array;
  const width = shape[1];
  const given = columns !== undefined && columns.length === width;
  if (shape.length !== 2 || width < 2 || (width < 3 || width > MAX_UNNAMED_COLUMNS) && !given) {
    throw formatError(where, { byte: 0 }, expectedTable(shape));
  }
  if (columns !== undefined && !given) {
    throw formatError(
      where,
      { byte: 0 },
      `expected ${columns.length} columns (${columns.join(", ").slice(0, 200)}), got ${width}.`,
    );
  }
  const values = flatten(array, `Cannot read ${where}`);
  const names = columns ?? unnamedColumns(values, width);
  const table = splitColumns(values, names).filter(({ name }) => name !== SKIPPED);
  return cloudFromColumns(where, table, { notes: columns === undefined ? guessNotes(names) : [] });
}

function readNpz(bytes: Uint8Array, where: string, options: ReadOptions): PointCloud {
  const arrays = new Map<string, NamedArray>();
  const tables: NdArray[] = [];
  for (const entry of readZip(bytes, where)) {
    if (!entry.name.endsWith(".npy")) continue;
    const name = entry.name.slice(0, -".npy".length);
    const inside = `${where}, entry ${JSON.stringify(entry.name)}`;
    const data = entry.read();
    const header = parseNpyHeader(data, inside);
    // Text and Python objects beside the points are passed over.
    if (!header.structured && header.fields[0].dtype === undefined) continue;
    checkLength(data, header, inside);
    if (header.structured) addFields(arrays, data, header, inside);
    else {
      const array = plainArray(data, header, inside);
      tables.push(array);
      arrays.set(name, named(array, inside));
    }
  }
  // What np.savez(path, array) writes is called arr_0.
  if (tables.length === 1 && arrays.size === 1 && tables[0].shape.length !== 3) {
    return tableCloud(tables[0], where, options);
  }
  const [only] = arrays.keys();
  const array = options.array ?? (arrays.size === 1 ? only : undefined);
  return cloudFromArrays(where, arrays, { ...options, array });
}

/** Records: their fields stand beside the archive's arrays; three vertex numbers are triangles. */
function addFields(
  arrays: Map<string, NamedArray>,
  data: Uint8Array,
  header: NpyHeader,
  where: string,
): void {
  const fields = header.fields.filter(isColumn);
  const corners = ["v1", "v2", "v3"].map((name) => fields.find((field) => field.name === name));
  if (corners.every((field) => field !== undefined)) {
    arrays.set("faces", {
      shape: [elementCount(header.shape), 3],
      values: () => {
        const [a, b, c] = corners.map((field) => flatten(fieldArray(data, header, field!), where));
        return Float64Array.from(
          { length: 3 * a.length },
          (_, i) => Number([a, b, c][i % 3][Math.floor(i / 3)]),
        );
      },
    });
    return;
  }
  const rows = elementCount(header.shape);
  for (const field of fields) {
    const array = fieldArray(data, header, field);
    arrays.set(field.name, {
      // One row per record, however many axes the records have.
      shape: field.shape.length === 0 ? [rows] : [rows, elementCount(field.shape)],
      values: () => flatten(array, `Cannot read ${where}`),
    });
  }
}

function named(array: NdArray, where: string): NamedArray {
  return { shape: array.shape, values: () => flatten(array, `Cannot read ${where}`) };
}

function isColumn({ dtype, name }: NpyField): boolean {
  return dtype !== undefined && name !== "";
}

/** The array of an NPY file. @throws {DataError} It is damaged, or holds no numbers. */
export function npyArray(bytes: Uint8Array, where: string): NamedArray {
  const header = parseNpyHeader(bytes, where);
  checkLength(bytes, header, where);
  return named(plainArray(bytes, header, where), where);
}

function plainArray(bytes: Uint8Array, header: NpyHeader, where: string): NdArray {
  const { shape, itemSize, fortran, dataStart } = header;
  const [{ dtype, text }] = header.fields;
  if (dtype === undefined) {
    throw formatError(
      where,
      { byte: 0 },
      /O/.test(text)
        ? `the elements are Python objects (dtype ${text}), which are not read`
        : `the elements are no numbers (dtype ${JSON.stringify(text)})`,
    );
  }
  return {
    shape,
    dtype,
    strides: denseStrides(shape, itemSize, fortran),
    offset: dataStart,
    bytes,
  };
}

/** One field of all records: the records' axes, then the field's own. */
function fieldArray(bytes: Uint8Array, header: NpyHeader, field: NpyField): NdArray {
  const { shape, itemSize, fortran, dataStart } = header;
  const dtype = field.dtype!;
  return {
    shape: [...shape, ...field.shape],
    dtype,
    strides: [...denseStrides(shape, itemSize, fortran), ...denseStrides(field.shape, dtype.size)],
    offset: dataStart + field.offset,
    bytes,
  };
}

function checkLength(bytes: Uint8Array, header: NpyHeader, where: string): void {
  const needed = elementCount(header.shape) * header.itemSize;
  const left = bytes.length - header.dataStart;
  // Elements of no size would be as many as the header likes to say.
  if (needed > left || (header.itemSize === 0 && elementCount(header.shape) > 0)) {
    throw formatError(
      where,
      { byte: bytes.length },
      `shape (${
        header.shape.join(", ")
      }) of ${header.itemSize} bytes each needs ${needed} bytes, the file has ${left}`,
    );
  }
}

/** The first entry's name ends in `.npy`. */
function isNpzEntry(head: Uint8Array): boolean {
  if (head.length < 30) return false;
  const length = head[26] + 256 * head[27];
  return new TextDecoder().decode(head.subarray(30, 30 + length)).endsWith(".npy");
}
