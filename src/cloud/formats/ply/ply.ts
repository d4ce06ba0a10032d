/**
 * PLY: ascii and binary, any properties, lists and elements.
 * Format: Greg Turk, "The PLY Polygon File Format", 1994.
 */

import type { PointCloud } from "../../point_cloud.ts";
import { cloudFromColumns, type Column } from "../columns.ts";
import { asciiBody } from "./ply_ascii.ts";
import { binaryBody } from "./ply_binary.ts";
import { type PlyElement, type PlyHeader, type PlyProperty, readPlyHeader } from "./ply_header.ts";
import { formatError, type FormatReader } from "../reader.ts";
import { textOf } from "../text/text_scanner.ts";
import { finishTriangles, triangleList } from "../mesh/triangles.ts";

/** The reader of PLY files. */
export const plyReader: FormatReader = {
  name: "PLY",
  extensions: ["ply"],
  detect: (head) => /^ply[ \t]*[\r\n]/.test(textOf(head.subarray(0, 16))),
  read: readPly,
};

function readPly(bytes: Uint8Array, where: string): PointCloud {
  const header = readPlyHeader(bytes, where);
  const vertices = vertexElement(header, where);
  const body = header.format === "ascii"
    ? asciiBody(bytes, where, header)
    : binaryBody(bytes, where, header);
  const triangles = triangleList();
  let columns: Column[] = [];
  for (const element of header.elements) {
    const corners = cornerList(element);
    if (element === vertices) columns = body.readColumns(element);
    else if (corners === undefined) body.skip(element);
    else body.readFaces(element, corners, triangles, vertices.count);
  }
  return cloudFromColumns(where, columns, {
    triangles: finishTriangles(triangles),
    at: { line: vertices.line },
  });
}

/** The element that holds the points: `vertex`, or else one that has x and y. */
function vertexElement({ elements }: PlyHeader, where: string): PlyElement {
  const found = elements.find(({ name }) => name === "vertex") ??
    elements.find(({ properties }) =>
      ["x", "y"].every((axis) => properties.some(({ name }) => name.toLowerCase() === axis))
    );
  if (found !== undefined) return found;
  throw formatError(
    where,
    undefined,
    `expected an element "vertex", got ${
      elements.length === 0 ? "no element" : elements.map(({ name }) => `"${name}"`).join(", ")
    }.`,
  );
}

/** The list property that names a face's or strip's corners. */
function cornerList({ name, properties }: PlyElement): PlyProperty | undefined {
  if (name !== "face" && name !== "tristrips") return;
  const named = properties.find((each) => /^vert(ex|ices)?_?(ind(ex|ices))?$/.test(each.name));
  return named?.countType === undefined ? undefined : named;
}
