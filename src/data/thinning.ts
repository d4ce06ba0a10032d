/** Which points of a cloud to keep: finite ones, one per place, one per voxel. Lists of indices, ascending. */

/** Points whose three coordinates are finite. */
export function finitePoints(coords: Float32Array): Uint32Array {
  return keep(coords.length / 3, (point) => {
    const at = 3 * point;
    return Number.isFinite(coords[at]) && Number.isFinite(coords[at + 1]) &&
      Number.isFinite(coords[at + 2]);
  });
}

/** Of points with the same coordinates, the first. */
export function distinctPoints(coords: Float32Array): Uint32Array {
  const cells = cellNumbers(coords, (value) => value);
  let next = 0;
  return keep(coords.length / 3, (point) => cells.of[point] === next && ++next > 0);
}

/**
 * Of the points in each cube of side `size` (a grid through the origin), the one nearest their mean: a real point
 * with its own attributes rather than an average. The first of those equally near.
 */
export function voxelPoints(coords: Float32Array, size: number): Uint32Array {
  const { of, count } = cellNumbers(coords, (value) => Math.floor(value / size));
  const sums = new Float64Array(3 * count), members = new Uint32Array(count);
  for (let point = 0; point < of.length; point++) {
    members[of[point]]++;
    for (let k = 0; k < 3; k++) sums[3 * of[point] + k] += coords[3 * point + k];
  }
  const best = new Uint32Array(count), least = new Float64Array(count).fill(Infinity);
  for (let point = 0; point < of.length; point++) {
    const cell = of[point];
    let distance = 0;
    for (let k = 0; k < 3; k++) {
      distance += (coords[3 * point + k] - sums[3 * cell + k] / members[cell]) ** 2;
    }
    if (distance < least[cell]) {
      least[cell] = distance;
      best[cell] = point;
    }
  }
  return best.sort();
}

function keep(count: number, wanted: (point: number) => boolean): Uint32Array {
  const kept = new Uint32Array(count);
  let length = 0;
  for (let point = 0; point < count; point++) if (wanted(point)) kept[length++] = point;
  return kept.slice(0, length);
}

/** Numbers the different places after `place`, in order of first appearance: an open hash table. */
function cellNumbers(
  coords: Float32Array,
  place: (value: number) => number,
): { of: Uint32Array; count: number } {
  const points = coords.length / 3;
  let size = 16;
  while (size < 2 * points) size *= 2;
  const table = new Int32Array(size).fill(-1); // the first point of the cell
  const of = new Uint32Array(points);
  const cell = new Float64Array(3 * points);
  // The hash reads the numbers' bits; −0 and 0 are the same place.
  for (let i = 0; i < cell.length; i++) cell[i] = place(coords[i]) + 0;
  const bits = new Uint32Array(cell.buffer);
  let count = 0;
  for (let point = 0; point < points; point++) {
    let hash = 0;
    for (let i = 6 * point; i < 6 * point + 6; i++) {
      hash = Math.imul(hash ^ bits[i], 0x9e3779b1);
      hash ^= hash >>> 15;
    }
    let slot = (hash >>> 0) & (size - 1);
    for (; table[slot] >= 0; slot = (slot + 1) & (size - 1)) {
      const a = 3 * table[slot], b = 3 * point;
      if (cell[a] === cell[b] && cell[a + 1] === cell[b + 1] && cell[a + 2] === cell[b + 2]) break;
    }
    if (table[slot] < 0) {
      table[slot] = point;
      of[point] = count++;
    } else of[point] = of[table[slot]];
  }
  return { of, count };
}
