/** Collecting a mesh's faces as triangles. */

import { type FilePosition, formatError } from "../reader.ts";

/** Triangles gathered so far. */
export interface TriangleList {
  indices: Uint32Array;
  /** How many of `indices` are in use. */
  length: number;
}

export function triangleList(): TriangleList {
  return { indices: new Uint32Array(96), length: 0 };
}

/** Adds the triangle a, b, c. */
export function addTriangle(list: TriangleList, a: number, b: number, c: number): void {
  if (list.length + 3 > list.indices.length) {
    const larger = new Uint32Array(2 * list.indices.length);
    larger.set(list.indices);
    list.indices = larger;
  }
  list.indices[list.length++] = a;
  list.indices[list.length++] = b;
  list.indices[list.length++] = c;
}

/**
 * Adds a polygon's first `count` corners as a fan around the first. Fewer than three corners are no
 * face.
 */
export function addPolygon(list: TriangleList, corners: ArrayLike<number>, count: number): void {
  for (let i = 2; i < count; i++) addTriangle(list, corners[0], corners[i - 1], corners[i]);
}

/**
 * Adds triangle strips, -1 between them. Every second triangle of a strip runs the other way round.
 */
export function addStrips(list: TriangleList, corners: ArrayLike<number>, count: number): void {
  let start = 0;
  for (let i = 0; i < count; i++) {
    if (corners[i] < 0) start = i + 1;
    else if (i >= start + 2) {
      const odd = (i - start) & 1;
      addTriangle(list, corners[i - 2], corners[odd ? i : i - 1], corners[odd ? i - 1 : i]);
    }
  }
}

/** What was gathered, or undefined when that is nothing. */
export function finishTriangles(list: TriangleList): Uint32Array | undefined {
  return list.length === 0 ? undefined : list.indices.slice(0, list.length);
}

/** @throws {DataError} when a face's corner is no vertex. */
export function checkCorner(
  where: string,
  at: FilePosition,
  corner: number,
  vertices: number,
): void {
  if (corner >= 0 && corner < vertices && Number.isInteger(corner)) return;
  throw formatError(
    where,
    at,
    `a face names vertex ${corner}; there are ${vertices} vertices, counted from 0.`,
  );
}
