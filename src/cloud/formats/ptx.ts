/**
 * PTX: grids of points as terrestrial scanners export them, one scan after the other. Each scan has
 * its numbers of columns and rows, the scanner's place and axes, a 4 x 4 matrix that moves its
 * points to the common frame, and a line a point: x y z intensity, with or without red green blue.
 * Format: Leica, "PTX file format"; http://www.paulbourke.net/dataformats/ptx/
 */

import type { PointCloud } from "../point_cloud.ts";
import { cloudFromColumns } from "./columns.ts";
import { formatError } from "./reader.ts";
import {
  countLines,
  nextLine,
  nextWord,
  nextWordAnyLine,
  readInteger,
  readNumber,
  skipWord,
  type TextScanner,
} from "./text/text_scanner.ts";

const HEADER_WIDTHS = [1, 1, 3, 3, 3, 3, 4, 4, 4, 4];

/** True when the lines from here on are as long as a PTX header's. */
export function isPtx(s: TextScanner): boolean {
  const probe = { ...s };
  return HEADER_WIDTHS.every((width) => {
    if (!nextWordAnyLine(probe)) return false;
    const found = countWords(probe);
    nextLine(probe);
    return found === width;
  });
}

function countWords(s: TextScanner): number {
  const probe = { ...s };
  let count = 0;
  for (; nextWord(probe); count++) skipWord(probe);
  return count;
}

/**
 * The points of all scans, moved by their scan's matrix. A grid's cells without a return (0 0 0)
 * are no points and are left out.
 */
export function readPtx(s: TextScanner): PointCloud {
  const capacity = Math.min(countLines(s), Math.ceil((s.bytes.length - s.pos) / 8));
  const names = ["x", "y", "z", "intensity", "red", "green", "blue"];
  const columns = names.map((name) => ({ name, data: new Float64Array(capacity) }));
  let count = 0;
  /** Values a point; the first scan's counts for all. */
  let width = 0;
  while (nextWordAnyLine(s)) {
    const { cells, matrix } = readScanHeader(s);
    if (cells > countLines(s)) throw shortage(s, cells, countLines(s));
    for (let cell = 0; cell < cells; cell++) {
      if (!nextWordAnyLine(s)) throw shortage(s, cells, cell);
      if (width === 0) {
        width = countWords(s);
        if (width !== 4 && width !== 7) {
          throw formatError(
            s.where,
            { line: s.line },
            `expected 4 values (x y z intensity) or 7 (and red green blue), got ${width}.`,
          );
        }
      }
      readValues(s, width, columns, count);
      if (place(columns, count, matrix)) count++;
      nextLine(s);
    }
  }
  return cloudFromColumns(
    s.where,
    columns.slice(0, Math.max(width, 4)).map(({ name, data }) => ({
      name,
      data: data.subarray(0, count),
    })),
  );
}

function shortage(s: TextScanner, declared: number, found: number): Error {
  return formatError(
    s.where,
    { line: s.line },
    `the scan's header declares ${declared} points, the file holds ${found}.`,
  );
}

function readScanHeader(s: TextScanner): { cells: number; matrix: readonly number[] } {
  const columns = readInteger(s, "a scan's number of columns");
  passHeaderLine(s, "number of rows");
  const rows = readInteger(s, "a scan's number of rows");
  for (let line = 0; line < 4; line++) {
    passHeaderLine(s, "scanner position and axes");
    readHeaderRow(s, 3);
  }
  const matrix: number[] = [];
  for (let line = 0; line < 4; line++) {
    passHeaderLine(s, "matrix");
    matrix.push(...readHeaderRow(s, 4));
  }
  nextLine(s);
  return { cells: columns * rows, matrix };
}

function passHeaderLine(s: TextScanner, what: string): void {
  nextLine(s);
  if (nextWordAnyLine(s)) return;
  throw formatError(s.where, { line: s.line }, `expected a scan's ${what}, the file ends.`);
}

function readHeaderRow(s: TextScanner, width: number): number[] {
  const row: number[] = [];
  while (nextWord(s)) row.push(readNumber(s));
  if (row.length === width) return row;
  throw formatError(
    s.where,
    { line: s.line },
    `expected ${width} numbers of a scan's header, got ${row.length}.`,
  );
}

interface NumberColumn {
  readonly data: Float64Array;
}

function readValues(
  s: TextScanner,
  width: number,
  columns: readonly NumberColumn[],
  row: number,
): void {
  for (let k = 0; k < width; k++) {
    if (!nextWord(s)) {
      throw formatError(
        s.where,
        { line: s.line },
        `expected ${width} values, the line ends after ${k}.`,
      );
    }
    columns[k].data[row] = readNumber(s);
  }
}

/** Moves point `row` by the matrix (points are row vectors). False for a cell without a return. */
function place(
  [xs, ys, zs]: readonly NumberColumn[],
  row: number,
  m: readonly number[],
): boolean {
  const [x, y, z] = [xs.data[row], ys.data[row], zs.data[row]];
  if (x === 0 && y === 0 && z === 0) return false;
  xs.data[row] = x * m[0] + y * m[4] + z * m[8] + m[12];
  ys.data[row] = x * m[1] + y * m[5] + z * m[9] + m[13];
  zs.data[row] = x * m[2] + y * m[6] + z * m[10] + m[14];
  return true;
}
