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
import { checkCorner, type TriangleList } from "../mesh/triangles.ts";

/** Reads the elements after the header, from the file's bytes. */
export function binaryBody(bytes: Uint8Array, where: string, header: PlyHeader): PlyBody {
  return new BinaryBody(bytes, where, header);
}

class BinaryBody implements PlyBody {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #where: string;
  readonly #little: boolean;
  /** The byte that is read next. */
  #at: number;

  constructor(bytes: Uint8Array, where: string, { format, start }: PlyHeader) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#where = where;
    this.#little = format === "binary_little_endian";
    this.#at = start;
  }

  readColumns(element: PlyElement): Column[] {
    const stride = this.#check(element);
    const kept = element.properties.filter(({ countType }) => countType === undefined);
    const columns = kept.map((property) => emptyColumn(property, element.count));
    if (isFixed(element)) {
      let offset = this.#at;
      kept.forEach(({ type }, k) => {
        readStrided(this.#view, offset, stride, type, this.#little, columns[k].data);
        offset += PLY_SIZES[type];
      });
      this.#at += stride * element.count;
      return columns;
    }
    for (let row = 0; row < element.count; row++) {
      let k = 0;
      for (const property of element.properties) {
        if (property.countType !== undefined) {
          this.#passList(element, row, property);
          continue;
        }
        const size = PLY_SIZES[property.type];
        if (this.#at + size > this.#bytes.length) throw this.#shortage(element, row);
        columns[k++].data[row] = this.#value(this.#at, property.type);
        this.#at += size;
      }
    }
    return columns;
  }

  readFaces(
    element: PlyElement,
    corners: PlyProperty,
    triangles: TriangleList,
    vertexCount: number,
  ): void {
    this.#check(element);
    let values = new Float64Array(16);
    for (let row = 0; row < element.count; row++) {
      for (const property of element.properties) {
        if (property.countType === undefined) {
          this.#at += PLY_SIZES[property.type];
          continue;
        }
        const start = this.#passList(element, row, property);
        if (property !== corners) continue;
        const size = PLY_SIZES[property.type];
        const count = (this.#at - start) / size;
        if (count > values.length) values = new Float64Array(2 * count);
        for (let i = 0; i < count; i++) values[i] = this.#value(start + i * size, property.type);
        addFace(
          element,
          triangles,
          values,
          count,
          (corner) => checkCorner(this.#where, { byte: start }, corner, vertexCount),
        );
      }
      if (this.#at > this.#bytes.length) throw this.#shortage(element, row);
    }
  }

  skip(element: PlyElement): void {
    const stride = this.#check(element);
    if (isFixed(element)) {
      this.#at += stride * element.count;
      return;
    }
    for (let row = 0; row < element.count; row++) {
      for (const property of element.properties) {
        if (property.countType !== undefined) this.#passList(element, row, property);
        else this.#at += PLY_SIZES[property.type];
      }
      if (this.#at > this.#bytes.length) throw this.#shortage(element, row);
    }
  }

  #value(at: number, type: PlyType): number {
    return readValue(this.#view, at, type, this.#little);
  }

  #shortage(element: PlyElement, found: number): Error {
    return formatError(
      this.#where,
      { byte: this.#bytes.length },
      `the header declares ${element.count} rows of element "${element.name}", the file ends after ${found}.`,
    );
  }

  /** Every row takes at least its numbers and its lists' lengths: gives that many bytes. */
  #check(element: PlyElement): number {
    const smallest = element.properties.reduce(
      (sum, p) => sum + PLY_SIZES[p.countType ?? p.type],
      0,
    );
    const left = this.#bytes.length - this.#at;
    if (element.count * smallest > left) throw this.#shortage(element, Math.floor(left / smallest));
    return smallest;
  }

  /** Passes one row's list. Gives where its values begin. */
  #passList(element: PlyElement, row: number, { type, countType }: PlyProperty): number {
    const left = this.#bytes.length - this.#at;
    if (PLY_SIZES[countType!] > left) throw this.#shortage(element, row);
    const length = this.#value(this.#at, countType!);
    const fail = (message: string): Error => formatError(this.#where, { byte: this.#at }, message);
    if (!(length >= 0 && Number.isInteger(length))) {
      throw fail(
        `expected a list's length, 0 or more, got ${length} (element "${element.name}", row ${row}).`,
      );
    }
    const start = this.#at + PLY_SIZES[countType!];
    if (length * PLY_SIZES[type] > this.#bytes.length - start) {
      throw fail(
        `a list of ${length} values (element "${element.name}", row ${row}) runs past the end of the file.`,
      );
    }
    this.#at = start + length * PLY_SIZES[type];
    return start;
  }
}

/** Whether all rows take the same bytes. */
function isFixed(element: PlyElement): boolean {
  return element.properties.every(({ countType }) => countType === undefined);
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

/**
 * Every `stride` bytes one value. The switch stands outside the loops: a million points are read in
 * milliseconds.
 */
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
