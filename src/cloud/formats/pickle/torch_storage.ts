/**
 * Tensors as PyTorch pickles them: a call of `_rebuild_tensor_v2` on a storage. Inside a plain
 * pickle the storage is `_load_from_bytes` of what `torch.save` writes (its old stream, or a zip
 * archive), which is itself pickles and raw blocks. The same reader takes a whole file written by
 * `torch.save`.
 *
 * Formats: torch/serialization.py, `_legacy_save` and `_save`.
 */

import type { DataError } from "../../../base/errors.ts";
import type { DType } from "../numpy/ndarray.ts";
import { unpickle } from "./pickle.ts";
import type { PickleConstructor, UnpickleOptions } from "./pickle_machine.ts";
import {
  arrayGlobals,
  asShape,
  isPickledArray,
  setArrayState,
  storageDType,
} from "./pickle_arrays.ts";
import { isName, type PickledStorage, type PickleValue, typeName } from "./pickle_values.ts";
import { formatError } from "../reader.ts";
import { isZip, readZip, type ZipEntry } from "../numpy/zip.ts";

type Fail = (message: string) => DataError;

const LEGACY_MAGIC = 0x1950a86a20f9469cfc6cn;
const LEGACY_PROTOCOL = 1001;

const rebuildTensor: PickleConstructor = {
  call: ([storage, offset, size, stride], fail) => {
    if (!isStorage(storage)) throw fail(`expected a storage, got ${typeName(storage ?? null)}`);
    if (typeof offset !== "number" || !Number.isSafeInteger(offset) || offset < 0) {
      throw fail("expected a storage offset");
    }
    const { dtype } = storage;
    const shape = asShape(size, fail);
    const strides = asShape(stride, fail).map((step) => step * dtype.size);
    if (strides.length !== shape.length) {
      throw fail(`${shape.length} sizes but ${strides.length} strides`);
    }
    const tensor = { shape, strides, offset: offset * dtype.size, dtype };
    return {
      pickled: "array",
      // A getter, for in the old stream the bytes come after the pickle.
      get array() {
        return { ...tensor, bytes: storage.bytes ?? new Uint8Array(0) };
      },
    };
  },
};

const rebuildParameter: PickleConstructor = {
  call: ([data], fail) => {
    if (!isPickledArray(data)) throw fail(`expected a tensor, got ${typeName(data ?? null)}`);
    return data;
  },
};

const size: PickleConstructor = { call: ([sizes], fail) => asShape(sizes, fail) };

const tensorGlobals: ReadonlyMap<string, PickleConstructor> = new Map([
  ...arrayGlobals,
  ["torch._utils._rebuild_tensor", rebuildTensor],
  ["torch._utils._rebuild_tensor_v2", rebuildTensor],
  ["torch._utils._rebuild_parameter", rebuildParameter],
  ["torch.Size", size],
]);

const storageNames: [string, PickleConstructor][] = [
  "Double",
  "Float",
  "Half",
  "BFloat16",
  "Long",
  "Int",
  "Short",
  "Char",
  "Byte",
  "Bool",
].flatMap((type) => [[`torch.${type}Storage`, {}], [`torch.cuda.${type}Storage`, {}]]);

const storageGlobals: ReadonlyMap<string, PickleConstructor> = new Map([
  ...tensorGlobals,
  ...storageNames,
]);

/**
 * The value of a pickle of plain values, NumPy arrays and torch tensors; or of a file written by
 * `torch.save`.
 * @throws {DataError} naming the byte, when the file is damaged or holds anything else, which is
 * named.
 */
export function readPickle(bytes: Uint8Array, where: string): PickleValue {
  if (isZip(bytes)) return readArchive(bytes, where);
  if (isLegacy(bytes)) return readLegacy(bytes, where);
  // Keyed by identity: a storage that many tensors share is read once.
  const known = new Map<Uint8Array, PickleValue>();
  const load: PickleConstructor = {
    call: ([data], fail) => {
      if (!(data instanceof Uint8Array)) {
        throw fail(`expected bytes, got ${typeName(data ?? null)}`);
      }
      const before = known.get(data);
      if (before !== undefined) return before;
      // Before protocol 3 bytes are written as text, so these are a copy with no place in the file.
      const place = data.buffer === bytes.buffer
        ? ` at byte ${data.byteOffset - bytes.byteOffset}`
        : "";
      const inner = `${where}, torch storage${place}`;
      const value = isZip(data) ? readArchive(data, inner) : readLegacy(data, inner);
      known.set(data, value);
      return value;
    },
  };
  const { value } = unpickle(bytes, {
    where,
    globals: new Map([...tensorGlobals, ["torch.storage._load_from_bytes", load]]),
    setState: setArrayState,
  });
  return value;
}

/**
 * True where a file of `torch.save`'s old stream begins: the pickle of a certain 10-byte integer.
 */
function isLegacy(bytes: Uint8Array): boolean {
  const magic = [0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];
  return magic.every((byte, i) => bytes[i] === byte);
}

/**
 * Magic, protocol, system, object, storage keys: five pickles, then each storage's count and
 * elements.
 */
function readLegacy(bytes: Uint8Array, where: string): PickleValue {
  const plain: Omit<UnpickleOptions, "start"> = { where, globals: new Map() };
  let at = 0;
  const next = (options: UnpickleOptions): PickleValue => {
    const { value, end } = unpickle(bytes, { ...options, start: at });
    at = end;
    return value;
  };
  if (next(plain) !== LEGACY_MAGIC) {
    throw formatError(where, { byte: 0 }, "this is not what torch.save writes");
  }
  const protocol = next(plain);
  if (protocol !== LEGACY_PROTOCOL) {
    throw formatError(
      where,
      { byte: at },
      `torch.save protocol ${String(protocol)}, expected ${LEGACY_PROTOCOL}`,
    );
  }
  next(plain);
  const roots = new Map<PickleValue, Root>();
  const objectAt = at;
  const value = next({
    where,
    globals: storageGlobals,
    setState: setArrayState,
    persistent: (id, fail) => legacyStorage(id, roots, fail),
  });
  const keys = next(plain);
  if (!Array.isArray(keys)) {
    throw formatError(where, { byte: at }, "expected a list of storage keys");
  }
  fillStorages(bytes, at, keys, roots, where);
  for (const { filled } of roots.values()) {
    if (!filled) throw formatError(where, { byte: objectAt }, "a storage's elements are missing");
  }
  return value;
}

/** Gives the storages of `keys` their elements, which follow each other from byte `start` on. */
function fillStorages(
  bytes: Uint8Array,
  start: number,
  keys: readonly PickleValue[],
  roots: ReadonlyMap<PickleValue, Root>,
  where: string,
): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = start;
  for (const key of keys) {
    const root = roots.get(key);
    if (root === undefined || root.filled) {
      throw formatError(where, { byte: at }, "a storage is listed that no tensor uses");
    }
    const left = bytes.length - at - 8;
    const count = left < 0 ? NaN : Number(view.getBigInt64(at, true));
    const length = count * root.dtype.size;
    if (!(length >= 0 && length <= left)) {
      throw formatError(
        where,
        { byte: at },
        `the torch data is cut short or damaged: a storage of ${count} elements, ${
          Math.max(0, left)
        } bytes left`,
      );
    }
    root.filled = true;
    const data = bytes.subarray(at + 8, at + 8 + length);
    for (const { storage, offset, size } of root.views) {
      storage.bytes = data.subarray(offset * root.dtype.size, (offset + size) * root.dtype.size);
    }
    at += 8 + length;
  }
}

interface Root {
  readonly dtype: DType;
  readonly views: { storage: PickledStorage; offset: number; size: number }[];
  filled: boolean;
}

/** `("storage", type, key, location, count, view)`, where view is None or `(key, offset, size)`. */
function legacyStorage(id: PickleValue, roots: Map<PickleValue, Root>, fail: Fail): PickledStorage {
  const { dtype, key, count, view } = storageId(id, fail);
  if (roots.get(key)?.dtype.kind !== undefined && roots.get(key)!.dtype.size !== dtype.size) {
    throw fail("one storage with two element types");
  }
  const root: Root = roots.get(key) ?? { dtype, views: [], filled: false };
  roots.set(key, root);
  let offset = 0;
  let size = count;
  if (Array.isArray(view)) {
    if (typeof view[1] !== "number" || typeof view[2] !== "number" || view[1] < 0 || view[2] < 0) {
      throw fail("a storage's view has no offset and size");
    }
    offset = view[1];
    size = view[2];
  }
  const storage: PickledStorage = { pickled: "storage", dtype };
  root.views.push({ storage, offset, size });
  return storage;
}

/** A zip archive with `NAME/data.pkl` and one file `NAME/data/KEY` per storage. */
function readArchive(bytes: Uint8Array, where: string): PickleValue {
  const entries = readZip(bytes, where);
  const main = entries.find(({ name }) => name === "data.pkl" || /^[^/]+\/data\.pkl$/.test(name));
  if (main === undefined) {
    throw formatError(
      where,
      undefined,
      "a zip archive without data.pkl: torch.save did not write it",
    );
  }
  const prefix = main.name.slice(0, -"data.pkl".length);
  const files = new Map<string, ZipEntry>(entries.map((entry) => [entry.name, entry]));
  const order = files.get(`${prefix}byteorder`)?.read();
  if (order !== undefined && new TextDecoder().decode(order).trim() !== "little") {
    throw formatError(
      where,
      undefined,
      "was written on a big-endian machine: only little endian is read",
    );
  }
  const unpacked = new Map<string, Uint8Array>();
  const { value } = unpickle(main.read(), {
    where: `${where}, ${main.name}`,
    globals: storageGlobals,
    setState: setArrayState,
    persistent: (id, fail): PickledStorage => {
      const { dtype, key } = storageId(id, fail);
      const name = `${prefix}data/${String(key)}`;
      const entry = files.get(name);
      if (entry === undefined) throw fail(`the archive has no ${name}`);
      const data = unpacked.get(name) ?? entry.read();
      unpacked.set(name, data);
      return { pickled: "storage", dtype, bytes: data };
    },
  });
  return value;
}

function storageId(
  id: PickleValue,
  fail: Fail,
): { dtype: DType; key: PickleValue; count: number; view: PickleValue } {
  if (!Array.isArray(id) || id[0] !== "storage" || id.length < 5) {
    throw fail("refers to something outside the pickle that is no torch storage: refused");
  }
  const [, type, key, , count, view] = id;
  const dtype = isName(type) ? storageDType(type.name) : undefined;
  if (dtype === undefined) throw fail(`expected a torch storage type, got ${typeName(type)}`);
  if (typeof key !== "string" || typeof count !== "number" || !(count >= 0)) {
    throw fail("a torch storage without key and count");
  }
  return { dtype, key, count, view: view ?? null };
}

function isStorage(value: PickleValue | undefined): value is PickledStorage {
  return typeof value === "object" && value !== null && "pickled" in value &&
    value.pickled === "storage";
}
