/**
 * Numeric arrays as NumPy and PyTorch lay them out: any element type, byte order and strides over a
 * block of bytes. NPY files, pickles and torch storages all end here.
 */

import { DataError } from "../../../base/errors.ts";

/** What one element is: `f` float, `i` signed, `u` unsigned, `b` boolean, `B` bfloat16. */
export interface DType {
  readonly kind: "f" | "i" | "u" | "b" | "B";
  /** Bytes per element. */
  readonly size: 1 | 2 | 4 | 8;
  readonly littleEndian: boolean;
}

/** An array that looks into bytes it does not own; nothing is copied before {@link flatten}. */
export interface NdArray {
  readonly shape: readonly number[];
  readonly dtype: DType;
  /** Bytes from one element to the next along each axis. */
  readonly strides: readonly number[];
  /** Bytes from the start of `bytes` to the first element. */
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/**
 * What {@link flatten} gives: the narrowest typed array that holds every value of the type exactly.
 */
export type NumericArray =
  | Float32Array
  | Float64Array
  | Int8Array
  | Int16Array
  | Int32Array
  | Uint8Array
  | Uint16Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array;

/**
 * An array that is repeated (stride 0) may hold at most this many more elements than its bytes do.
 */
const MAX_REPEATED = 1 << 24;

const NATIVE_LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

/**
 * A NumPy type string such as `<f4`, `>i2`, `|u1`, `f8` or `?`; undefined for what is not a plain
 * number.
 */
export function parseDType(text: string): DType | undefined {
  const match = /^([<>=|]?)(?:([fiub])([1248])|(\?))$/.exec(text);
  if (match === null) return undefined;
  const kind = (match[4] !== undefined ? "b" : match[2]) as DType["kind"];
  const size = (match[4] !== undefined ? 1 : Number(match[3])) as DType["size"];
  if (kind === "f" && size === 1 || kind === "b" && size !== 1) return undefined;
  const littleEndian = match[1] === ">" ? false : match[1] === "<" ? true : NATIVE_LITTLE_ENDIAN;
  return { kind, size, littleEndian };
}

/** Byte strides of a gap-free array: the last axis fastest, or the first (`fortran`). */
export function denseStrides(
  shape: readonly number[],
  itemSize: number,
  fortran = false,
): number[] {
  const strides = new Array<number>(shape.length);
  let step = itemSize;
  for (let k = 0; k < shape.length; k++) {
    const axis = fortran ? k : shape.length - 1 - k;
    strides[axis] = step;
    step *= Math.max(1, shape[axis]);
  }
  return strides;
}

/** Number of elements of a shape; 1 for a scalar. */
export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/**
 * The elements in C order, in native byte order. Booleans come as 0 and 1, half and bfloat16 as
 * float32. `what` names the array in errors. Throws a DataError when the array reaches outside its
 * bytes.
 */
export function flatten(array: NdArray, what: string): NumericArray {
  const { shape, dtype, strides, offset, bytes } = array;
  const count = elementCount(shape);
  if (
    shape.some((size) => !Number.isSafeInteger(size) || size < 0) || !Number.isSafeInteger(count)
  ) {
    throw new DataError(`${what}: shape (${shape.join(", ")}) is not one of an array`);
  }
  let first = offset;
  let last = offset;
  shape.forEach((size, axis) => {
    const reach = (size - 1) * strides[axis];
    if (reach < 0) first += reach;
    else last += reach;
  });
  if (count > 0 && !(first >= 0 && last + dtype.size <= bytes.length)) {
    throw new DataError(
      `${what}: shape (${shape.join(", ")}) needs ${
        last + dtype.size - Math.min(first, 0)
      } bytes, ` +
        `the file holds ${bytes.length}`,
    );
  }
  if (count > bytes.length / dtype.size && count > MAX_REPEATED) {
    throw new DataError(
      `${what}: ${count} elements repeated out of ${bytes.length} bytes, more than ${MAX_REPEATED} are refused`,
    );
  }
  const dense = denseStrides(shape, dtype.size);
  const native = dtype.size === 1 || dtype.littleEndian === NATIVE_LITTLE_ENDIAN;
  const plain = dtype.kind !== "B" && !(dtype.kind === "f" && dtype.size === 2);
  if (
    native && plain && (count === 0 || strides.every((s, k) => s === dense[k] || shape[k] === 1))
  ) {
    const copy = count === 0 ? new Uint8Array(0) : bytes.slice(offset, offset + count * dtype.size);
    return viewAs(dtype, copy.buffer, count);
  }
  return gather(array, count);
}

function viewAs({ kind, size }: DType, buffer: ArrayBuffer, count: number): NumericArray {
  if (kind === "f") {
    return size === 8 ? new Float64Array(buffer, 0, count) : new Float32Array(buffer, 0, count);
  }
  if (kind === "i") {
    if (size === 1) return new Int8Array(buffer, 0, count);
    if (size === 2) return new Int16Array(buffer, 0, count);
    return size === 4 ? new Int32Array(buffer, 0, count) : new BigInt64Array(buffer, 0, count);
  }
  if (size === 1) return new Uint8Array(buffer, 0, count);
  if (size === 2) return new Uint16Array(buffer, 0, count);
  return size === 4 ? new Uint32Array(buffer, 0, count) : new BigUint64Array(buffer, 0, count);
}

/**
 * Element by element, for whatever is strided, swapped or of a type JavaScript has no array for.
 */
function gather({ shape, dtype, strides, offset, bytes }: NdArray, count: number): NumericArray {
  const read = elementReader(dtype, bytes);
  const wide = dtype.kind === "B" || (dtype.kind === "f" && dtype.size === 2);
  const outType: DType = wide ? { kind: "f", size: 4, littleEndian: true } : dtype;
  const out = viewAs(outType, new ArrayBuffer(count * outType.size), count);
  const index = new Array<number>(shape.length).fill(0);
  let position = offset;
  for (let i = 0; i < count; i++) {
    out[i] = read(position);
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      position += strides[axis];
      if (++index[axis] < shape[axis]) break;
      position -= strides[axis] * shape[axis];
      index[axis] = 0;
    }
  }
  return out;
}

/**
 * Reads one element at a byte position. Typed as a number, though 8-byte integers come as bigint.
 */
function elementReader(
  { kind, size, littleEndian: little }: DType,
  bytes: Uint8Array,
): (at: number) => number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  switch (`${kind}${size}`) {
    case "f2":
      return (at) => view.getFloat16(at, little);
    case "f4":
      return (at) => view.getFloat32(at, little);
    case "f8":
      return (at) => view.getFloat64(at, little);
    case "i1":
      return (at) => view.getInt8(at);
    case "i2":
      return (at) => view.getInt16(at, little);
    case "i4":
      return (at) => view.getInt32(at, little);
    case "i8":
      return (at) => view.getBigInt64(at, little) as unknown as number;
    case "u2":
      return (at) => view.getUint16(at, little);
    case "u4":
      return (at) => view.getUint32(at, little);
    case "u8":
      return (at) => view.getBigUint64(at, little) as unknown as number;
    case "B2": {
      const bits = new Uint32Array(1);
      const float = new Float32Array(bits.buffer);
      return (at) => (bits[0] = view.getUint16(at, little) << 16, float[0]);
    }
    default:
      return (at) => view.getUint8(at);
  }
}
