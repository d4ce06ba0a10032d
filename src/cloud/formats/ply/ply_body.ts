/** What reading the elements of a PLY file has in common, ascii or binary. */

import type { Column } from "../columns.ts";
import { PLY_SIZES, type PlyElement, type PlyProperty } from "./ply_header.ts";
import { addPolygon, addStrips, type TriangleList } from "../mesh/triangles.ts";

/** Reads the elements one after the other, in the header's order. */
export interface PlyBody {
  readColumns(element: PlyElement): Column[];
  readFaces(
    element: PlyElement,
    corners: PlyProperty,
    triangles: TriangleList,
    vertexCount: number,
  ): void;
  skip(element: PlyElement): void;
}

/** A column of zeros for a property's values. */
export function emptyColumn({ name, type }: PlyProperty, count: number): Column {
  switch (type) {
    case "float32":
      return { name, data: new Float32Array(count) };
    case "float64":
      return { name, data: new Float64Array(count) };
    case "uint32":
      return { name, data: new Uint32Array(count) };
    default:
      return {
        name,
        data: new Int32Array(count),
        integerMax: type === "int32" ? undefined : 256 ** PLY_SIZES[type] - 1,
      };
  }
}

/** Adds a face (a fan) or the strips of a `tristrips` row, each corner checked first. */
export function addFace(
  element: PlyElement,
  triangles: TriangleList,
  corners: ArrayLike<number>,
  count: number,
  check: (corner: number) => void,
): void {
  const strips = element.name === "tristrips";
  for (let i = 0; i < count; i++) if (!strips || corners[i] !== -1) check(corners[i]);
  if (strips) addStrips(triangles, corners, count);
  else addPolygon(triangles, corners, count);
}
