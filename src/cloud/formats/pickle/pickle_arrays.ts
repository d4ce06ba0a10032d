/**
 * The globals a pickle of NumPy arrays and plain values may name: those of scenes (docs/model.md,
 * Scene and region tree), and no others.
 */

import type { DataError } from "../../../base/errors.ts";
import { denseStrides, type DType, elementCount, flatten, parseDType } from "../numpy/ndarray.ts";
import type { PickleConstructor } from "./pickle_machine.ts";
import { latin1Bytes, latin1Text } from "./pickle_text.ts";
import {
  isName,
  type PickledArray,
  type PickledDType,
  type PickleDict,
  type PickleValue,
  typeName,
} from "./pickle_values.ts";
import { printable } from "../../../base/printable.ts";

type Fail = (message: string) => DataError;

const MAX_DIMENSIONS = 64;
const MAX_DTYPE_TEXT = 32;

const reconstruct: PickleConstructor = {
  call: ([type], fail) => {
    if (type === undefined || !isName(type) || type.name !== "numpy.ndarray") {
      throw fail(`expected a numpy.ndarray, got ${typeName(type ?? null)}`);
    }
    return { pickled: "array" };
  },
};

const scalar: PickleConstructor = {
  call: ([dtype, data], fail, charge) => {
    if (!isDType(dtype)) throw fail(`expected a dtype, got ${typeName(dtype ?? null)}`);
    const bytes = asBytes(data, fail, charge);
    charge(bytes.length);
    if (dtype.dtype === undefined) return textScalar(dtype.text, bytes, fail);
    if (bytes.length !== dtype.dtype.size) {
      throw fail(`expected ${dtype.dtype.size} bytes for ${dtype.text}, got ${bytes.length}`);
    }
    const value = flatten(
      { shape: [], strides: [], offset: 0, dtype: dtype.dtype, bytes },
      "numpy scalar",
    )[0];
    if (dtype.dtype.kind === "b") return value !== 0;
    const number = Number(value);
    return typeof value === "bigint" && !Number.isSafeInteger(number) ? value : number;
  },
};

const frombuffer: PickleConstructor = {
  call: ([buffer, dtype, shape, order], fail, charge) => {
    if (!isDType(dtype)) throw fail(`expected a dtype, got ${typeName(dtype ?? null)}`);
    return arrayOf(dtype, asShape(shape, fail), order === "F", asBytes(buffer, fail, charge), fail);
  },
};

const bytesOf: PickleConstructor = {
  call: ([value, encoding], fail, charge) => {
    if (value === undefined) return new Uint8Array(0);
    if (typeof value === "string" && !isLatin1(encoding)) {
      throw fail(`encoding ${typeof encoding === "string" ? encoding : "none"}: latin-1 is read`);
    }
    return asBytes(value, fail, charge);
  },
};

const encode: PickleConstructor = {
  call: ([text, encoding], fail, charge) => {
    if (typeof text !== "string" || !isLatin1(encoding)) throw fail("expected text and 'latin1'");
    return asBytes(text, fail, charge);
  },
};

const orderedDict: PickleConstructor = {
  call: ([pairs], fail, charge): PickleDict => {
    const dict: PickleDict = new Map();
    if (pairs === undefined) return dict;
    if (!Array.isArray(pairs)) throw fail(`expected pairs, got ${typeName(pairs)}`);
    charge(16 * pairs.length);
    for (const pair of pairs) {
      if (!Array.isArray(pair) || pair.length !== 2) throw fail("expected pairs of key and value");
      const [key, value] = pair;
      if (typeof key === "object" && key !== null) throw fail(`a key of type ${typeName(key)}`);
      dict.set(key, value);
    }
    return dict;
  },
};

const dtypeOf: PickleConstructor = {
  call: ([text], fail): PickledDType => {
    if (typeof text !== "string" || text.length > MAX_DTYPE_TEXT) {
      throw fail("expected the name of an element type such as 'f4'");
    }
    return { pickled: "dtype", text: printable(text), dtype: parseDType(text) };
  },
};

/** NumPy, as version 1 and version 2 name its parts, and the containers of Python itself. */
export const arrayGlobals: ReadonlyMap<string, PickleConstructor> = new Map([
  ...["numpy.core", "numpy._core"].flatMap((core): [string, PickleConstructor][] => [
    [`${core}.multiarray._reconstruct`, reconstruct],
    [`${core}.multiarray.scalar`, scalar],
    [`${core}.numeric._frombuffer`, frombuffer],
  ]),
  ["numpy.ndarray", {}],
  ["numpy.dtype", dtypeOf],
  ["collections.OrderedDict", orderedDict],
  ["_codecs.encode", encode],
  ...["builtins", "__builtin__"].flatMap((module): [string, PickleConstructor][] => [
    [`${module}.bytes`, bytesOf],
    [`${module}.bytearray`, bytesOf],
  ]),
]);

/**
 * Fills in what NumPy pickles as an object's state: an array's shape and bytes, a dtype's byte
 * order.
 */
export function setArrayState(
  target: PickleValue,
  state: PickleValue,
  fail: Fail,
  charge: (amount: number) => void,
): void {
  if (isDType(target) && Array.isArray(state)) {
    if (target.dtype === undefined) return;
    const order = state[1];
    if (order !== "<" && order !== ">" && order !== "|" && order !== "=") {
      throw fail(
        `numpy.dtype: byte order ${typeof order === "string" ? order.slice(0, 8) : order}`,
      );
    }
    // Written anew, for a dtype is shared by all arrays that came after it.
    target.dtype = parseDType(
      `${order}${target.dtype.kind === "b" ? "b1" : `${target.dtype.kind}${target.dtype.size}`}`,
    );
    return;
  }
  if (isPickledArray(target) && target.array === undefined && Array.isArray(state)) {
    if (state.length !== 5) throw fail(`numpy.ndarray: a state of ${state.length} parts, not 5`);
    const [, shape, dtype, fortran, data] = state;
    if (!isDType(dtype)) throw fail(`numpy.ndarray: expected a dtype, got ${typeName(dtype)}`);
    if (Array.isArray(data)) {
      target.unreadable = `is an array of Python objects (dtype ${dtype.text})`;
      return;
    }
    Object.assign(
      target,
      arrayOf(dtype, asShape(shape, fail), fortran === true, asBytes(data, fail, charge), fail),
    );
    return;
  }
  throw fail(`holds a state for ${typeName(target)}: refused`);
}

/** True for an array or tensor. */
export function isPickledArray(value: PickleValue | undefined): value is PickledArray {
  return typeof value === "object" && value !== null && "pickled" in value &&
    value.pickled === "array";
}

/** A tuple of sizes or steps as numbers. */
export function asShape(value: PickleValue | undefined, fail: Fail): number[] {
  if (!Array.isArray(value) || value.length > MAX_DIMENSIONS) {
    throw fail(`expected a shape, got ${typeName(value ?? null)}`);
  }
  return value.map((size) => {
    if (typeof size !== "number" || !Number.isSafeInteger(size) || size < 0) {
      throw fail(`a shape holds ${typeof size === "number" ? size : typeName(size)}`);
    }
    return size;
  });
}

function arrayOf(
  { dtype, text }: PickledDType,
  shape: readonly number[],
  fortran: boolean,
  bytes: Uint8Array,
  fail: Fail,
): PickledArray {
  if (dtype === undefined) {
    return { pickled: "array", unreadable: `has elements of type ${text}, which are no numbers` };
  }
  const expected = elementCount(shape) * dtype.size;
  if (bytes.length !== expected) {
    throw fail(
      `an array of shape (${
        shape.join(", ")
      }) and type ${text} takes ${expected} bytes, got ${bytes.length}`,
    );
  }
  const strides = denseStrides(shape, dtype.size, fortran);
  return { pickled: "array", array: { shape, strides, offset: 0, dtype, bytes } };
}

function asBytes(
  value: PickleValue | undefined,
  fail: Fail,
  charge: (amount: number) => void,
): Uint8Array {
  if (value instanceof Uint8Array) return value;
  if (typeof value !== "string") throw fail(`expected bytes, got ${typeName(value ?? null)}`);
  charge(value.length);
  const bytes = latin1Bytes(value);
  if (bytes === undefined) throw fail("expected bytes, got text");
  return bytes;
}

function isDType(value: PickleValue | undefined): value is PickledDType {
  return typeof value === "object" && value !== null && "pickled" in value &&
    value.pickled === "dtype";
}

function isLatin1(encoding: PickleValue | undefined): boolean {
  return encoding === "latin1" || encoding === "latin-1";
}

/** NumPy's str_ and bytes_ scalars. */
function textScalar(type: string, bytes: Uint8Array, fail: Fail): PickleValue {
  if (/^S\d+$/.test(type)) return latin1Text(bytes).replace(/\0+$/, "");
  if (!/^U\d+$/.test(type) || bytes.length % 4 !== 0) {
    throw fail(`a scalar of type ${type}, which is no number or text`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let text = "";
  for (let i = 0; i < bytes.length; i += 4) {
    const code = view.getUint32(i, true);
    if (code > 0x10ffff) throw fail("a text scalar that is no Unicode");
    text += String.fromCodePoint(code);
  }
  return text.replace(/\0+$/, "");
}

/** The dtype of a torch storage class such as `torch.FloatStorage`. */
export function storageDType(name: string): DType | undefined {
  const text = STORAGES.get(name.replace(/^torch\.(cuda\.)?/, ""));
  if (text === "B2") return { kind: "B", size: 2, littleEndian: true };
  return text === undefined ? undefined : parseDType(`<${text}`);
}

const STORAGES: ReadonlyMap<string, string> = new Map([
  ["DoubleStorage", "f8"],
  ["FloatStorage", "f4"],
  ["HalfStorage", "f2"],
  ["BFloat16Storage", "B2"],
  ["LongStorage", "i8"],
  ["IntStorage", "i4"],
  ["ShortStorage", "i2"],
  ["CharStorage", "i1"],
  ["ByteStorage", "u1"],
  ["BoolStorage", "b1"],
]);
