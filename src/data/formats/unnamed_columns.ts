/**
 * Names for the columns of a table that has none (NPY, raw binary): found out from their number and their
 * values. The rule, also in the error that asks for names:
 *
 * - the first three are x, y, z;
 * - a triple of unit (or zero) vectors is nx, ny, nz; a triple of whole numbers from 0 to 255, or of fractions from 0
 *   to 1, is red, green, blue;
 * - one column right after z is intensity, as in KITTI; a column of whole numbers after a triple is label;
 * - anything else is column_4, column_5, … by its place.
 */

/** More columns than this, unnamed, are no points: a picture, a grid, a matrix. */
export const MAX_UNNAMED_COLUMNS = 16;

const SAMPLES = 4096;

/** Column names for `width` values a row; `value(row, column)` reads one. `width` is at least 2. */
export function nameColumns(
  rows: number,
  width: number,
  value: (row: number, column: number) => number,
): string[] {
  const names = ["x", "y", "z"].slice(0, width);
  const step = Math.max(1, Math.floor(rows / SAMPLES));
  const every = (test: (row: number) => boolean): boolean => {
    for (let row = 0; row < rows; row += step) if (!test(row)) return false;
    return rows > 0;
  };
  const whole = (k: number): boolean => every((row) => Number.isInteger(value(row, k)));
  const triple = (k: number): string[] | undefined => {
    const columns = [k, k + 1, k + 2];
    const unit = every((row) => {
      const length = Math.hypot(value(row, k), value(row, k + 1), value(row, k + 2));
      return length === 0 || Math.abs(length - 1) < 0.02;
    });
    const flat = columns.every((c) => every((row) => value(row, c) === 0));
    if (unit && !flat) return ["nx", "ny", "nz"];
    const within = (max: number): boolean =>
      columns.every((c) => every((row) => value(row, c) >= 0 && value(row, c) <= max));
    const color = within(1) || (columns.every(whole) && within(255));
    return color ? ["red", "green", "blue"] : undefined;
  };
  let seenTriple = false;
  for (let k = 3; k < width;) {
    // x y z i r g b: what scanners write; x y z r g b label: what labelled sets write.
    const shifted = width - k === 4 && !whole(k) && !triple(k) && triple(k + 1) !== undefined;
    const found = width - k >= 3 && !shifted ? triple(k) : undefined;
    if (found !== undefined && !names.includes(found[0])) {
      names.push(...found);
      seenTriple = true;
      k += 3;
      continue;
    }
    const single = k === 3 && (width === 4 || shifted)
      ? "intensity"
      : seenTriple && k === width - 1 && whole(k)
      ? "label"
      : `column_${k + 1}`;
    names.push(single);
    k++;
  }
  return names;
}
