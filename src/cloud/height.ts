/** How high points stand above the ground around them. */

/**
 * Edge of the cells in whose neighbourhood of 3 × 3 the ground is looked for, in metres: wide
 * enough that the ground beside most buildings is in it, narrow enough that a slope stays below the
 * height of what stands on it.
 */
const CELL = 8;

/**
 * (N) metres of each point above the lowest point of the 3 × 3 cells of 8 m around it, so that a
 * slope is no height. In what is no larger than a cell that is the lowest point of all.
 * @param coords (N, 3) metres, z up
 */
export function heightAboveGround(coords: Float32Array): Float32Array {
  const count = coords.length / 3;
  let west = Infinity, south = Infinity, north = -Infinity;
  for (let i = 0; i < count; i++) {
    west = Math.min(west, coords[3 * i]);
    south = Math.min(south, coords[3 * i + 1]);
    north = Math.max(north, coords[3 * i + 1]);
  }
  // A row of empty cells on either side, so that a cell's neighbours are never those of another
  // column.
  const rows = Math.floor((north - south) / CELL) + 3;
  const cellOf = (i: number) =>
    (Math.floor((coords[3 * i] - west) / CELL) + 1) * rows +
    Math.floor((coords[3 * i + 1] - south) / CELL) + 1;
  const lowest = new Map<number, number>();
  for (let i = 0; i < count; i++) {
    const cell = cellOf(i), z = coords[3 * i + 2];
    if (z < (lowest.get(cell) ?? Infinity)) lowest.set(cell, z);
  }
  const ground = new Map<number, number>();
  for (const cell of lowest.keys()) {
    let least = Infinity;
    for (const column of [-rows, 0, rows]) {
      for (const row of [-1, 0, 1]) {
        least = Math.min(least, lowest.get(cell + column + row) ?? Infinity);
      }
    }
    ground.set(cell, least);
  }
  return Float32Array.from({ length: count }, (_, i) => coords[3 * i + 2] - ground.get(cellOf(i))!);
}
