/**
 * Many clouds of equally many points in one NPY array (clouds, points, columns), as benchmarks are
 * often packed.
 */

import { DataError } from "../base/errors.ts";
import { cloudFromColumns } from "./formats/columns.ts";
import { MAX_UNNAMED_COLUMNS, splitColumns, unnamedColumns } from "./formats/numpy/named_arrays.ts";
import { denseStrides, type DType, flatten } from "./formats/numpy/ndarray.ts";
import { isNpy, parseNpyHeader } from "./formats/numpy/npy_header.ts";
import type { PointCloud } from "./point_cloud.ts";

/** What the file says of itself. */
export interface NpyStack {
  readonly path: string;
  readonly clouds: number;
  /** Of each cloud. */
  readonly points: number;
  /** Coordinates first, then what `unnamedColumns` takes the others for. */
  readonly columns: number;
  readonly dtype: DType;
  /** Where the numbers begin. */
  readonly dataStart: number;
}

const HEAD_BYTES = 65_536;

/**
 * The stack in an NPY file, or undefined where the file is none: no NPY, of other than three axes
 * or of fewer than three columns. Reads the file's head alone.
 *
 * @throws {DataError} It is one, but too short for its shape, in Fortran order or of no numbers.
 */
export async function openNpyStack(path: string): Promise<NpyStack | undefined> {
  using file = await Deno.open(path);
  const { size } = await file.stat();
  const head = new Uint8Array(Math.min(size, HEAD_BYTES));
  await readFully(file, head, path);
  if (!isNpy(head)) return undefined;
  const { shape, fields, fortran, itemSize, dataStart } = parseNpyHeader(head, path);
  const [clouds, points, columns] = shape;
  if (shape.length !== 3 || columns < 3 || columns > MAX_UNNAMED_COLUMNS) return undefined;
  const { dtype } = fields[0];
  if (dtype === undefined || fortran) {
    throw new DataError(
      `Cannot read ${path}: expected a stack of clouds (${
        shape.join(", ")
      }) of numbers in C order, got ` +
        (fortran ? "Fortran order" : `elements of type ${fields[0].text}`),
    );
  }
  const needed = dataStart + clouds * points * columns * itemSize;
  if (needed > size) {
    throw new DataError(
      `Cannot read ${path}: shape (${
        shape.join(", ")
      }) needs ${needed} bytes, the file has ${size}`,
    );
  }
  return { path, clouds, points, columns, dtype, dataStart };
}

/** Cloud `index` of a stack; nothing else of the file is read. Integers are taken as they are. */
export async function readStackedCloud(stack: NpyStack, index: number): Promise<PointCloud> {
  const { path, points, columns, dtype, dataStart } = stack;
  const bytes = new Uint8Array(points * columns * dtype.size);
  using file = await Deno.open(path);
  await file.seek(dataStart + index * bytes.length, Deno.SeekMode.Start);
  await readFully(file, bytes, path);
  const shape = [points, columns];
  const strides = denseStrides(shape, dtype.size);
  const where = `cloud ${index} of ${path}`;
  const values = flatten({ shape, dtype, strides, offset: 0, bytes }, `Cannot read ${where}`);
  return cloudFromColumns(where, splitColumns(values, unnamedColumns(values, columns)));
}

/** All numbers of an NPY file, and its shape: labels beside a stack. */
export async function readNpyNumbers(path: string): Promise<{ shape: number[]; data: number[] }> {
  const bytes = await Deno.readFile(path);
  const { shape, fields: [{ dtype }], fortran, dataStart, itemSize, structured } = parseNpyHeader(
    bytes,
    path,
  );
  if (dtype === undefined || structured) {
    throw new DataError(`Cannot read ${path}: expected an array of numbers`);
  }
  const strides = denseStrides(shape, itemSize, fortran);
  const array = { shape, dtype, strides, offset: dataStart, bytes };
  const values = flatten(array, `Cannot read ${path}`);
  return { shape: [...shape], data: Array.from(values as Iterable<number | bigint>, Number) };
}

async function readFully(file: Deno.FsFile, into: Uint8Array, path: string): Promise<void> {
  for (let done = 0; done < into.length;) {
    const count = await file.read(into.subarray(done));
    if (count === null) {
      throw new DataError(`Cannot read ${path}: it became shorter while it was read`);
    }
    done += count;
  }
}
