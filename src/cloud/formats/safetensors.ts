/**
 * Points in safetensors files: prepared scenes hold their attributes under their own names, the
 * files of others are recognised by the names and shapes of their tensors.
 */

import { DataError } from "../../base/errors.ts";
import { parseSafetensors, type SafeTensor, toFloat32 } from "../../base/safetensors.ts";
import type { Attribute, PointCloud } from "../point_cloud.ts";
import { cloudFromArrays, columnData, type NamedArray } from "./numpy/named_arrays.ts";
import type { FormatReader } from "./reader.ts";

/** What the metadata of a prepared scene calls its format. */
export const SCENE_FORMAT = "dbbd-scene";
/** What the names of the tensors of a region tree begin with. */
export const TREE_PREFIX = "tree/";

/** True where a safetensors file begins: a header length within the file, and JSON. */
export function isSafetensors(head: Uint8Array, size: number = head.length): boolean {
  if (head.length < 9 || head[8] !== 0x7b) return false;
  const length = new DataView(head.buffer, head.byteOffset, 8).getBigUint64(0, true);
  return length >= 2n && length <= BigInt(size - 8);
}

/** Safetensors with coordinates as plain point clouds, a region tree or not. */
export const safetensorsReader: FormatReader = {
  name: "safetensors scene",
  extensions: ["safetensors"],
  detect: (head, _fileName, size) => isSafetensors(head, size),
  read: (bytes, where) => {
    const { tensors, metadata } = parseSafetensors(bytes, where);
    return cloudFromTensors(tensors, metadata, where);
  },
};

/**
 * The points of a file's tensors. Throws DataError where they are not sound; `where` names the
 * file.
 */
export function cloudFromTensors(
  tensors: ReadonlyMap<string, SafeTensor>,
  metadata: Readonly<Record<string, string>>,
  where: string,
): PointCloud {
  if (metadata.format !== SCENE_FORMAT) {
    const arrays = new Map<string, NamedArray>();
    for (const [name, tensor] of tensors) {
      if (name.startsWith(TREE_PREFIX)) continue;
      const values = () =>
        tensor.dtype === "F16" || tensor.dtype === "BF16" ? toFloat32(tensor, name) : tensor.data;
      arrays.set(name, { shape: tensor.shape, values });
    }
    return cloudFromArrays(where, arrays);
  }
  const coords = tensors.get("coords");
  if (coords?.dtype !== "F32" || coords.shape.length !== 2 || coords.shape[1] !== 3) {
    throw new DataError(
      `Cannot read ${where}: expected a tensor coords (N, 3) F32, got ${
        coords === undefined ? "none" : `(${coords.shape.join(", ")}) ${coords.dtype}`
      }`,
    );
  }
  const count = coords.shape[0];
  const attributes = new Map<string, Attribute>();
  for (const [name, tensor] of tensors) {
    if (name === "coords" || name.startsWith(TREE_PREFIX)) continue;
    const { dtype, shape } = tensor;
    if (shape.length < 1 || shape.length > 2 || shape[0] !== count || shape[1] === 0) {
      throw new DataError(
        `Cannot read ${where}: tensor ${name}: expected ${count} rows, got shape (${
          shape.join(", ")
        })`,
      );
    }
    const data = dtype === "F16" || dtype === "BF16"
      ? toFloat32(tensor, name)
      : columnData(tensor.data as Exclude<typeof tensor.data, Float16Array>).data;
    attributes.set(name, { width: shape[1] ?? 1, data });
  }
  return { count, coords: coords.data, origin: parseOrigin(metadata.origin, where), attributes };
}

function parseOrigin(text: string | undefined, where: string): [number, number, number] {
  if (text === undefined) return [0, 0, 0];
  const value = parseJson(text, "origin", where);
  if (!Array.isArray(value) || value.length !== 3 || !value.every(Number.isFinite)) {
    throw new DataError(
      `Cannot read ${where}: metadata origin: expected [x, y, z], got ${text.slice(0, 80)}`,
    );
  }
  return value as [number, number, number];
}

/** A value of a file's metadata. Throws DataError where it is no JSON. */
export function parseJson(text: string, key: string, where: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new DataError(
      `Cannot read ${where}: metadata ${key} is not JSON: ${
        error instanceof Error ? error.message : error
      }`,
    );
  }
}
