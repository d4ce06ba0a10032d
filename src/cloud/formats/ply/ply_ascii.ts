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
  type TextScanner,
} from "../text/text_scanner.ts";
import { checkCorner, type TriangleList } from "../mesh/triangles.ts";

/** Reads the elements after the header, from the file's bytes. */
export function asciiBody(bytes: Uint8Array, where: string, header: PlyHeader): PlyBody {
  return new AsciiBody(scanText(bytes, where, {}, header.start, header.line), where);
}

class AsciiBody implements PlyBody {
  readonly #scanner: TextScanner;
  readonly #where: string;

  constructor(scanner: TextScanner, where: string) {
    this.#scanner = scanner;
    this.#where = where;
  }

  readColumns(element: PlyElement): Column[] {
    this.#check(element);
    const kept = element.properties.filter(({ countType }) => countType === undefined);
    // Text may hold more digits than the declared type: coordinates as text keep them all.
    const columns = kept.map((property) =>
      emptyColumn(
        /^[xyz]$/i.test(property.name) ? { ...property, type: "float64" } : property,
        element.count,
      )
    );
    this.#eachRow(element, (row) => {
      let k = 0;
      for (const property of element.properties) {
        if (property.countType !== undefined) this.#skipList(element, property);
        else {
          this.#expectWord(element, property);
          this.#store(columns[k++], row, property);
        }
      }
    });
    return columns;
  }

  readFaces(
    element: PlyElement,
    corners: PlyProperty,
    triangles: TriangleList,
    vertexCount: number,
  ): void {
    const scanner = this.#scanner;
    const values: number[] = [];
    this.#eachRow(element, () => {
      for (const property of element.properties) {
        if (property === corners) {
          const count = this.#listLength(element, property);
          for (let i = 0; i < count; i++) {
            this.#expectWord(element, property);
            values[i] = readNumber(scanner);
          }
          addFace(
            element,
            triangles,
            values,
            count,
            (corner) => checkCorner(this.#where, { line: scanner.line }, corner, vertexCount),
          );
          // Nothing after the corners is of use, and some writers' rows differ from their header
          // there.
          return;
        }
        if (property.countType !== undefined) this.#skipList(element, property);
        else {
          this.#expectWord(element, property);
          skipWord(scanner);
        }
      }
    });
  }

  skip(element: PlyElement): void {
    this.#eachRow(element, () => {});
  }

  #fail(message: string): Error {
    return formatError(this.#where, { line: this.#scanner.line }, message);
  }

  /** Every row takes a line with at least one digit and one blank or line end a property. */
  #check({ count, properties, name }: PlyElement): void {
    checkRowsFit(this.#scanner, count, properties.length, `rows of element "${name}"`);
  }

  /**
   * Calls `read` at the start of each row. What a row holds beyond its properties is passed over.
   */
  #eachRow(element: PlyElement, read: (row: number) => void): void {
    const { count, properties, name } = element;
    this.#check(element);
    if (properties.length === 0) return;
    for (let row = 0; row < count; row++) {
      if (!nextWordAnyLine(this.#scanner)) {
        throw this.#fail(
          `the header declares ${count} rows of element "${name}", the file holds ${row}.`,
        );
      }
      read(row);
      nextLine(this.#scanner);
    }
  }

  #expectWord(element: PlyElement, property: PlyProperty): void {
    if (nextWord(this.#scanner)) return;
    throw this.#fail(
      `the line ends before property "${property.name}" of element "${element.name}".`,
    );
  }

  #store(column: Column, row: number, { type }: PlyProperty): void {
    const number = readNumber(this.#scanner);
    column.data[row] = number;
    if (column.data[row] === number || type === "float32" || type === "float64") return;
    throw this.#fail(`property "${column.name}" is declared ${type}, got ${number}.`);
  }

  #listLength(element: PlyElement, property: PlyProperty): number {
    this.#expectWord(element, property);
    return readInteger(this.#scanner, `the length of list "${property.name}"`);
  }

  #skipList(element: PlyElement, property: PlyProperty): void {
    for (let left = this.#listLength(element, property); left > 0; left--) {
      this.#expectWord(element, property);
      skipWord(this.#scanner);
    }
  }
}
