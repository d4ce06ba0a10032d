/** The elements of a binary PLY file. */

import type { Column } from "../columns.ts";
import { addFace, emptyColumn, type PlyBody } from "./ply_body.ts";
import {
  PLY_SIZES,
  type PlyElement,
  type PlyHeader,
  type PlyProperty,
  type PlyType,
} from "./ply_header.ts";
import { formatError } from "../reader.ts";
import { checkCorner } from "../mesh/triangles.ts";

/** Reads the elements after the header, from the file's bytes. */
export function binaryBody(bytes: Uint8Array, where: string, header: PlyHeader): PlyBody {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const little = header.format === "binary_little_endian";
  let pos = header.start;

  const shortage = (element: PlyElement, found: number): Error =>
    formatError(
      where,
      { byte: bytes.length },
      `the header declares ${element.count} rows of element "${element.name}", the file ends after ${found}.`,
    );
  /** Every row takes at least its numbers and its lists' lengths. */
  const check = (element: PlyElement): number => {
    const smallest = element.properties.reduce(
      (sum, p) => sum + PLY_SIZES[p.countType ?? p.type],
      0,
    );
    const left = bytes.length - pos;
    if (element.count * smallest > left) throw shortage(element, Math.floor(left / smallest));
    return smallest;
  };
  const fixed = (element: PlyElement): boolean =>
    element.properties.every(({ countType }) => countType === undefined);
  /** Passes one row's value or list; for a list, returns where its values begin. */
  const passList = (element: PlyElement, row: number, { type, countType }: PlyProperty): number => {
    if (pos + PLY_SIZES[countType!] > bytes.length) throw shortage(element, row);
    const length = readValue(view, pos, countType!, little);
    if (!(length >= 0 && Number.isInteger(length))) {
      throw formatError(
        where,
        { byte: pos },
        `expected a list's length, 0 or more, got ${length} (element "${element.name}", row ${row}).`,
      );
    }
    const start = pos + PLY_SIZES[countType!];
    if (length * PLY_SIZES[type] > bytes.length - start) {
      throw formatError(
        where,
        { byte: pos },
        `a list of ${length} values (element "${element.name}", row ${row}) runs past the end of the file.`,
      );
    }
    pos = start + length * PLY_SIZES[type];
    return start;
  };

  return {
    readColumns(element) {
      const stride = check(element);
      const kept = element.properties.filter(({ countType }) => countType === undefined);
      const columns = kept.map((property) => emptyColumn(property, element.count));
      if (fixed(element)) {
        let offset = pos;
        kept.forEach(({ type }, k) => {
          readStrided(view, offset, stride, type, little, columns[k].data);
          offset += PLY_SIZES[type];
        });
        pos += stride * element.count;
        return columns;
      }
      for (let row = 0; row < element.count; row++) {
        let k = 0;
        for (const property of element.properties) {
          if (property.countType !== undefined) {
            passList(element, row, property);
            continue;
          }
          const size = PLY_SIZES[property.type];
          if (pos + size > bytes.length) throw shortage(element, row);
          columns[k++].data[row] = readValue(view, pos, property.type, little);
          pos += size;
        }
      }
      return columns;
    },

    readFaces(element, corners, triangles, vertexCount) {
      check(element);
      let values = new Float64Array(16);
      for (let row = 0; row < element.count; row++) {
        for (const property of element.properties) {
          if (property.countType === undefined) {
            pos += PLY_SIZES[property.type];
            continue;
          }
          const start = passList(element, row, property);
          if (property !== corners) continue;
          const size = PLY_SIZES[property.type];
          const count = (pos - start) / size;
          if (count > values.length) values = new Float64Array(2 * count);
          for (let i = 0; i < count; i++) {
            values[i] = readValue(view, start + i * size, property.type, little);
          }
          addFace(
            element,
            triangles,
            values,
            count,
            (corner) => checkCorner(where, { byte: start }, corner, vertexCount),
          );
        }
        if (pos > bytes.length) throw shortage(element, row);
      }
    },

    skip(element) {
      const stride = check(element);
      if (fixed(element)) {
        pos += stride * element.count;
        return;
      }
      for (let row = 0; row < element.count; row++) {
        for (const property of element.properties) {
          if (property.countType !== undefined) passList(element, row, property);
          else pos += PLY_SIZES[property.type];
        }
        if (pos > bytes.length) throw shortage(element, row);
      }
    },
  };
}

function readValue(view: DataView, at: number, type: PlyType, little: boolean): number {
  switch (type) {
    case "int8":
      return view.getInt8(at);
    case "uint8":
      return view.getUint8(at);
    case "int16":
      return view.getInt16(at, little);
    case "uint16":
      return view.getUint16(at, little);
    case "int32":
      return view.getInt32(at, little);
    case "uint32":
      return view.getUint32(at, little);
    case "float32":
      return view.getFloat32(at, little);
    case "float64":
      return view.getFloat64(at, little);
  }
}

/** Every `stride` bytes one value. The switch stands outside the loops: a million points are read in milliseconds. */
function readStrided(
  view: DataView,
  start: number,
  stride: number,
  type: PlyType,
  little: boolean,
  out: Column["data"],
): void {
  const count = out.length;
  switch (type) {
    case "float32":
      for (let i = 0, at = start; i < count; i++, at += stride) {
        out[i] = view.getFloat32(at, little);
      }
      break;
    case "float64":
      for (let i = 0, at = start; i < count; i++, at += stride) {
        out[i] = view.getFloat64(at, little);
      }
      break;
    case "uint8":
      for (let i = 0, at = start; i < count; i++, at += stride) out[i] = view.getUint8(at);
      break;
    default:
      for (let i = 0, at = start; i < count; i++, at += stride) {
        out[i] = readValue(view, at, type, little);
      }
  }
}
