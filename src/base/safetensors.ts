/**
 * The safetensors file format: 8 bytes header length (little-endian), a JSON header, the tensors'
 * bytes. https://huggingface.co/docs/safetensors. Files travel both ways between this and PyTorch's
 * `safetensors`.
 */

import { DataError, UsageError } from "./errors.ts";
import { writeFileAtomically } from "./atomic_write.ts";
import { CHECKSUM_KEY, fillChecksums, findDamage, NO_CHECKSUMS } from "./checksums.ts";
import {
  DTYPE_BYTES,
  elementCount,
  failDamaged,
  layOut,
  MAX_HEADER_BYTES,
  parseHeader,
  type SafeTensorDtype,
  type SafeTensorsHeader,
  type TensorEntry,
} from "./safetensors_header.ts";

export type { SafeTensorDtype, SafeTensorsHeader, TensorEntry } from "./safetensors_header.ts";

/** The array type that holds each dtype's values. */
export type SafeTensorArrays = {
  F64: Float64Array;
  F32: Float32Array;
  F16: Float16Array;
  /** Bit patterns, as JavaScript has no array for them; `toFloat32` gives the values. */
  BF16: Uint16Array;
  I64: BigInt64Array;
  U64: BigUint64Array;
  I32: Int32Array;
  U32: Uint32Array;
  I16: Int16Array;
  U16: Uint16Array;
  I8: Int8Array;
  U8: Uint8Array;
  /** 0 or 1. */
  BOOL: Uint8Array;
};

const ARRAYS = {
  F64: Float64Array,
  F32: Float32Array,
  F16: Float16Array,
  BF16: Uint16Array,
  I64: BigInt64Array,
  U64: BigUint64Array,
  I32: Int32Array,
  U32: Uint32Array,
  I16: Int16Array,
  U16: Uint16Array,
  I8: Int8Array,
  U8: Uint8Array,
  BOOL: Uint8Array,
} as const satisfies Record<SafeTensorDtype, unknown>;

/** One tensor, row-major. Checking `dtype` tells TypeScript which array `data` is. */
export type SafeTensor = {
  [D in SafeTensorDtype]: {
    readonly dtype: D;
    /** Empty for a scalar. */
    readonly shape: readonly number[];
    readonly data: SafeTensorArrays[D];
  };
}[SafeTensorDtype];

/** What a file holds: tensors by name in the header's order, and the text under `__metadata__`. */
export interface SafeTensors {
  /** By name. */
  readonly tensors: Map<string, SafeTensor>;
  /** Empty where the file has none. */
  readonly metadata: Record<string, string>;
}

/**
 * Reads a whole file from memory. Tensors are views into `bytes` where their alignment allows, else
 * copies.
 *
 * @param where Names the source in errors, e.g. the path.
 * @throws {DataError} Anything wrong with the file, saying what and where. Nothing is allocated on
 * its word.
 */
export function parseSafetensors(bytes: Uint8Array, where: string): SafeTensors {
  const header = parseHeader(bytes, bytes.length, where);
  const head = bytes.subarray(0, header.dataStart);
  const damage = findDamage(head, bytes.subarray(header.dataStart));
  if (damage) failDamaged(where, damage);
  const tensors = new Map<string, SafeTensor>();
  for (const [name, entry] of header.tensors) {
    tensors.set(name, view(bytes, header.dataStart + entry.begin, entry));
  }
  return { tensors, metadata: header.metadata };
}

function view(bytes: Uint8Array, begin: number, entry: TensorEntry): SafeTensor {
  const { dtype, shape } = entry;
  const size = entry.end - entry.begin;
  const aligned = (bytes.byteOffset + begin) % DTYPE_BYTES[dtype] === 0;
  const source = aligned ? bytes : bytes.slice(begin, begin + size);
  const data = new ARRAYS[dtype](
    source.buffer as ArrayBuffer,
    aligned ? bytes.byteOffset + begin : 0,
    size / DTYPE_BYTES[dtype],
  );
  return { dtype, shape, data } as SafeTensor;
}

/**
 * Reads a file.
 *
 * @throws {UsageError} There is no such file, or it is a folder.
 * @throws {DataError} It cannot be read or is not a sound safetensors file.
 */
export async function readSafetensors(path: string): Promise<SafeTensors> {
  return await withFile(path, async (file, size) => {
    // Before the file's size is allocated: a wrong file is refused cheaply.
    await readHeader(file, size, path);
    await file.seek(0, Deno.SeekMode.Start);
    return parseSafetensors(await readExactly(file, size, path), path);
  });
}

/**
 * Reads only the header: names, dtypes, shapes, byte ranges and metadata, checked against the
 * file's size.
 *
 * @throws {UsageError} There is no such file, or it is a folder.
 * @throws {DataError} It cannot be read or is not a sound safetensors file.
 */
export async function readSafetensorsHeader(path: string): Promise<SafeTensorsHeader> {
  return await withFile(path, (file, size) => readHeader(file, size, path));
}

async function readHeader(
  file: Deno.FsFile,
  size: number,
  path: string,
): Promise<SafeTensorsHeader> {
  // Two reads: the length says how much of the file the header is, and parseHeader says whether to
  // believe it.
  const start = await readExactly(file, Math.min(8, size), path);
  const length = start.length < 8 ? 0 : Number(new DataView(start.buffer).getBigUint64(0, true));
  if (!(length <= MAX_HEADER_BYTES && 8 + length <= size)) return parseHeader(start, size, path);
  await file.seek(0, Deno.SeekMode.Start);
  return parseHeader(await readExactly(file, 8 + length, path), size, path);
}

async function withFile<T>(
  path: string,
  use: (file: Deno.FsFile, size: number) => Promise<T>,
): Promise<T> {
  try {
    const about = await Deno.stat(path); // before opening: opening a pipe would wait for its writer
    if (!about.isFile) {
      throw new UsageError(
        `Cannot read ${path}: expected a file, found ${
          about.isDirectory ? "a folder" : "a device"
        }`,
      );
    }
    using file = await Deno.open(path);
    return await use(file, about.size);
  } catch (error) {
    if (error instanceof DataError || error instanceof UsageError) throw error;
    if (error instanceof Deno.errors.NotFound) {
      throw new UsageError(`Cannot read ${path}: there is no such file`);
    }
    throw new DataError(
      `Cannot read ${path}: ${error instanceof Error ? error.message : String(error)}`,
      { cause: error },
    );
  }
}

async function readExactly(
  file: Deno.FsFile,
  size: number,
  path: string,
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(size);
  for (let done = 0; done < size;) {
    const count = await file.read(bytes.subarray(done));
    if (count === null) {
      throw new DataError(
        `Cannot read ${path}: it became shorter while it was read (byte ${done})`,
      );
    }
    done += count;
  }
  return bytes;
}

/**
 * A file's bytes, laid out as Python's `safetensors` does. An empty `metadata` writes no
 * `__metadata__`.
 *
 * @throws {TypeError} A tensor's data does not fit its dtype and shape, or a tensor is called
 * `__metadata__`.
 */
export function encodeSafetensors(
  tensors: ReadonlyMap<string, SafeTensor>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array<ArrayBuffer> {
  for (const [name, tensor] of tensors) checkTensor(name, tensor);
  const { head, entries, size } = layOut(tensors, metadata);
  const bytes = new Uint8Array(head.length + size);
  bytes.set(head);
  for (const [name, { begin }] of entries) {
    const { buffer, byteOffset, byteLength } = tensors.get(name)!.data;
    bytes.set(new Uint8Array(buffer, byteOffset, byteLength), head.length + begin);
  }
  return bytes;
}

function checkTensor(name: string, { dtype, shape, data }: SafeTensor): void {
  if (name === "__metadata__") {
    throw new TypeError("Cannot write a tensor called __metadata__: the format keeps that name");
  }
  if (!(data instanceof ARRAYS[dtype])) {
    throw new TypeError(
      `Cannot write tensor ${name}: expected ${ARRAYS[dtype].name} for ${dtype}, ` +
        `got ${(data as object).constructor.name}`,
    );
  }
  if (data.length !== elementCount(shape)) {
    throw new TypeError(
      `Cannot write tensor ${name}: expected ${elementCount(shape)} values for shape ` +
        `[${shape.join(", ")}], got ${data.length}`,
    );
  }
}

/**
 * As `encodeSafetensors`, with checksums in the metadata: a reader here refuses the file once a bit
 * of it has changed.
 */
export function encodeChecked(
  tensors: ReadonlyMap<string, SafeTensor>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array<ArrayBuffer> {
  const bytes = encodeSafetensors(tensors, { ...metadata, [CHECKSUM_KEY]: NO_CHECKSUMS });
  const end = 8 + Number(new DataView(bytes.buffer).getBigUint64(0, true));
  fillChecksums(bytes.subarray(0, end), bytes.subarray(end));
  return bytes;
}

/**
 * Writes a file atomically, with checksums: a failure leaves no half-written file, and what stood
 * at `path` stays.
 *
 * @throws {UsageError} The folder does not exist, or `path` is a folder.
 * @throws {DataError} The system refused.
 * @throws {TypeError} As `encodeSafetensors`.
 */
export async function writeSafetensors(
  path: string,
  tensors: ReadonlyMap<string, SafeTensor>,
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  await writeFileAtomically(path, encodeChecked(tensors, metadata));
}

/**
 * A tensor's values as float32. F32 gives its own array, F64 is rounded, the rest (F16, BF16,
 * integers of up to 16 bits) is exact.
 *
 * @param where Names the tensor in errors.
 * @throws {DataError} A dtype whose values float32 cannot hold (I32, U32, I64, U64) or that are no
 * numbers (BOOL).
 */
export function toFloat32(tensor: SafeTensor, where = "the tensor"): Float32Array {
  switch (tensor.dtype) {
    case "F32":
      return tensor.data;
    case "BF16": {
      const bits = new Uint32Array(tensor.data.length); // a bfloat16 is the upper half of a float32
      for (let i = 0; i < bits.length; i++) bits[i] = tensor.data[i] << 16;
      return new Float32Array(bits.buffer);
    }
    case "I32":
    case "U32":
    case "I64":
    case "U64":
    case "BOOL":
      throw new DataError(
        `Cannot read ${where} as float32: expected F32, F64, F16, BF16 or integers of up to 16 bits, ` +
          `found ${tensor.dtype}`,
      );
    default:
      return Float32Array.from(tensor.data as ArrayLike<number>);
  }
}

/**
 * An integer tensor's values as numbers, each checked to lie in [min, max].
 *
 * @param range Allowed values; by default all that a number holds exactly.
 * @param where Names the tensor in errors.
 * @throws {DataError} The dtype is no integer type, or a value is out of range (named with its
 * position).
 */
export function toIntegers(
  tensor: SafeTensor,
  where = "the tensor",
  range: { readonly min?: number; readonly max?: number } = {},
): Float64Array {
  const { min = Number.MIN_SAFE_INTEGER, max = Number.MAX_SAFE_INTEGER } = range;
  const { dtype, data } = tensor;
  if (!/^[IU]/.test(dtype)) {
    throw new DataError(`Cannot read ${where} as integers: expected I8 to U64, found ${dtype}`);
  }
  const values = new Float64Array(data.length);
  for (let i = 0; i < data.length; i++) {
    // Compared before conversion: a bigint past 2^53 would be rounded into range.
    const value = data[i];
    if (!(value >= min && value <= max)) {
      throw new DataError(
        `Cannot read ${where} as integers: expected values from ${min} to ${max}, ` +
          `found ${value} at position ${i}`,
      );
    }
    values[i] = Number(value);
  }
  return values;
}
