/** The elements of an ascii PLY file: a line a row. */

import type { Column } from "../columns.ts";
import { addFace, emptyColumn, type PlyBody } from "./ply_body.ts";
import type { PlyElement, PlyHeader, PlyProperty } from "./ply_header.ts";
import { formatError } from "../reader.ts";
import {
  checkRowsFit,
  nextLine,
  nextWord,
  nextWordAnyLine,
  readInteger,
  readNumber,
  scanText,
  skipWord,
} from "../text/text_scanner.ts";
import { checkCorner } from "../mesh/triangles.ts";

/** Reads the elements after the header, from the file's bytes. */
export function asciiBody(bytes: Uint8Array, where: string, header: PlyHeader): PlyBody {
  const s = scanText(bytes, where, {}, header.start, header.line);

  const shortage = (element: PlyElement, found: number): Error =>
    formatError(
      where,
      { line: s.line },
      `the header declares ${element.count} rows of element "${element.name}", the file holds ${found}.`,
    );
  /** Every row takes a line with at least one digit and one blank or line end a property. */
  const check = (element: PlyElement): void => {
    checkRowsFit(s, element.count, element.properties.length, `rows of element "${element.name}"`);
  };
  const value = (element: PlyElement, property: PlyProperty): void => {
    if (nextWord(s)) return;
    throw formatError(
      where,
      { line: s.line },
      `the line ends before property "${property.name}" of element "${element.name}".`,
    );
  };
  const store = (column: Column, row: number, { type }: PlyProperty): void => {
    const number = readNumber(s);
    column.data[row] = number;
    if (column.data[row] === number || type === "float32" || type === "float64") return;
    throw formatError(
      where,
      { line: s.line },
      `property "${column.name}" is declared ${type}, got ${number}.`,
    );
  };
  const listLength = (element: PlyElement, property: PlyProperty): number => {
    value(element, property);
    return readInteger(s, `the length of list "${property.name}"`);
  };
  const skipList = (element: PlyElement, property: PlyProperty): void => {
    for (let left = listLength(element, property); left > 0; left--) {
      value(element, property);
      skipWord(s);
    }
  };
  /** Calls `read` at the start of each row. What a row holds beyond its properties is passed over. */
  const eachRow = (element: PlyElement, read: (row: number) => void): void => {
    check(element);
    if (element.properties.length === 0) return;
    for (let row = 0; row < element.count; row++) {
      if (!nextWordAnyLine(s)) throw shortage(element, row);
      read(row);
      nextLine(s);
    }
  };

  return {
    readColumns(element) {
      check(element);
      const kept = element.properties.filter(({ countType }) => countType === undefined);
      // Text may hold more digits than the declared type: coordinates as text keep them all.
      const columns = kept.map((property) =>
        emptyColumn(
          /^[xyz]$/i.test(property.name) ? { ...property, type: "float64" } : property,
          element.count,
        )
      );
      eachRow(element, (row) => {
        let k = 0;
        for (const property of element.properties) {
          if (property.countType !== undefined) skipList(element, property);
          else {
            value(element, property);
            store(columns[k++], row, property);
          }
        }
      });
      return columns;
    },

    readFaces(element, corners, triangles, vertexCount) {
      let values = new Float64Array(16);
      eachRow(element, () => {
        for (const property of element.properties) {
          if (property === corners) {
            const count = listLength(element, property);
            for (let i = 0; i < count; i++) {
              value(element, property);
              if (i >= values.length) {
                const larger = new Float64Array(2 * i);
                larger.set(values);
                values = larger;
              }
              values[i] = readNumber(s);
            }
            addFace(
              element,
              triangles,
              values,
              count,
              (corner) => checkCorner(where, { line: s.line }, corner, vertexCount),
            );
            // Nothing after the corners is of use, and some writers' rows differ from their header there.
            return;
          }
          if (property.countType !== undefined) skipList(element, property);
          else {
            value(element, property);
            skipWord(s);
          }
        }
      });
    },

    skip(element) {
      eachRow(element, () => {});
    },
  };
}
