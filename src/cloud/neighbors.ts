/** The nearest neighbours of every point of a cloud, by a k-d tree on typed arrays. */

/** Points below which a node is searched one by one. */
const LEAF = 12;

/**
 * A balanced k-d tree: node n holds a run of `order`, its children 2n + 1 and 2n + 2 the run's
 * halves.
 */
interface KdTree {
  /** (N) point indices, each node's together. */
  readonly order: Uint32Array;
  /** (N, 3) the coordinates in that order: neighbours in space are neighbours in memory. */
  readonly sorted: Float32Array;
  /** Per inner node: the axis it is split along, and where. */
  readonly axis: Uint8Array;
  readonly split: Float32Array;
}

/**
 * The `k` nearest points of every point, itself first, nearer ones before farther ones.
 *
 * @param coords (N, 3), finite
 * @returns (N, min(k, N)) point indices
 */
export function nearestNeighbors(coords: Float32Array, k: number): Uint32Array {
  const count = coords.length / 3;
  const width = Math.min(k, count);
  const out = new Uint32Array(count * width);
  if (width === 0) return out;
  const tree = buildTree(coords);
  const search = makeSearch(tree, width);
  const { sorted } = tree;
  for (let at = 0; at < count; at++) {
    const found = search(sorted[3 * at], sorted[3 * at + 1], sorted[3 * at + 2], at);
    const row = tree.order[at] * width;
    for (let i = 0; i < width; i++) out[row + i] = tree.order[found[i]];
  }
  return out;
}

/**
 * The nearest point to each of other places.
 *
 * @param coords (N, 3), finite, at least one
 * @param queries (M, 3), finite
 * @returns (M) point indices
 */
export function nearestTo(coords: Float32Array, queries: Float32Array): Uint32Array {
  const out = new Uint32Array(queries.length / 3);
  if (out.length === 0) return out;
  const tree = buildTree(coords);
  const search = makeSearch(tree, 1);
  for (let i = 0; i < out.length; i++) {
    out[i] = tree.order[search(queries[3 * i], queries[3 * i + 1], queries[3 * i + 2], -1)[0]];
  }
  return out;
}

function buildTree(coords: Float32Array): KdTree {
  const count = coords.length / 3;
  const order = Uint32Array.from({ length: count }, (_, i) => i);
  // Halving until runs have at most LEAF points takes this many levels.
  const levels = Math.max(0, Math.ceil(Math.log2(count / LEAF)));
  const axis = new Uint8Array(2 ** levels);
  const split = new Float32Array(2 ** levels);
  const stack: [node: number, lo: number, hi: number][] = [[0, 0, count]];
  for (let top = stack.pop(); top !== undefined; top = stack.pop()) {
    const [node, lo, hi] = top;
    if (hi - lo <= LEAF) continue;
    const widest = widestAxis(coords, order, lo, hi);
    const mid = (lo + hi) >> 1;
    select(coords, widest, order, lo, hi - 1, mid);
    axis[node] = widest;
    split[node] = coords[3 * order[mid] + widest];
    stack.push([2 * node + 1, lo, mid], [2 * node + 2, mid, hi]);
  }
  const sorted = new Float32Array(coords.length);
  for (let i = 0; i < count; i++) {
    const from = 3 * order[i];
    sorted[3 * i] = coords[from];
    sorted[3 * i + 1] = coords[from + 1];
    sorted[3 * i + 2] = coords[from + 2];
  }
  return { order, sorted, axis, split };
}

function widestAxis(coords: Float32Array, order: Uint32Array, lo: number, hi: number): number {
  let widest = 0;
  let extent = -1;
  for (let k = 0; k < 3; k++) {
    let min = Infinity;
    let max = -Infinity;
    for (let i = lo; i < hi; i++) {
      const value = coords[3 * order[i] + k];
      if (value < min) min = value;
      if (value > max) max = value;
    }
    if (max - min > extent) [widest, extent] = [k, max - min];
  }
  return widest;
}

/**
 * Puts at `target` of order[lo..hi] what belongs there by coordinate, smaller ones before (Hoare's
 * FIND).
 */
function select(
  coords: Float32Array,
  axis: number,
  order: Uint32Array,
  lo: number,
  hi: number,
  target: number,
): void {
  while (lo < hi) {
    const pivot = middleOf(
      coords[3 * order[lo] + axis],
      coords[3 * order[(lo + hi) >> 1] + axis],
      coords[3 * order[hi] + axis],
    );
    let i = lo;
    let j = hi;
    while (i <= j) {
      while (coords[3 * order[i] + axis] < pivot) i++;
      while (coords[3 * order[j] + axis] > pivot) j--;
      if (i <= j) {
        const kept = order[i];
        order[i++] = order[j];
        order[j--] = kept;
      }
    }
    if (target <= j) hi = j;
    else if (target >= i) lo = i;
    else return;
  }
}

function middleOf(a: number, b: number, c: number): number {
  return a < b ? (b < c ? b : a < c ? c : a) : (a < c ? a : b < c ? c : b);
}

/**
 * A function that finds the nearest of a place; the result is reused. `at` is the position in the
 * order of the point itself, -1 where the place is no point.
 */
function makeSearch(
  tree: KdTree,
  k: number,
): (x: number, y: number, z: number, at: number) => Uint32Array {
  const { sorted, axis, split } = tree;
  const count = sorted.length / 3;
  const found = new Uint32Array(k);
  const distances = new Float64Array(k);
  // At most one far child waits per level.
  const waiting = Array.from({ length: 64 }, () => ({ node: 0, lo: 0, hi: 0, distance: 0 }));
  return (x, y, z, at) => {
    const point = [x, y, z];
    let size = 0;
    let worst = Infinity;
    let depth = 0;
    let node = 0;
    let lo = 0;
    let hi = count;
    for (;;) {
      if (hi - lo <= LEAF) {
        for (let i = lo; i < hi; i++) {
          const dx = sorted[3 * i] - x;
          const dy = sorted[3 * i + 1] - y;
          const dz = sorted[3 * i + 2] - z;
          // The point itself comes first, also among others in the same place.
          const distance = i === at ? -1 : dx * dx + dy * dy + dz * dz;
          if (distance >= worst) continue;
          let slot = size < k ? size++ : k - 1;
          for (; slot > 0 && distances[slot - 1] > distance; slot--) {
            distances[slot] = distances[slot - 1];
            found[slot] = found[slot - 1];
          }
          distances[slot] = distance;
          found[slot] = i;
          if (size === k) worst = distances[k - 1];
        }
        do {
          if (depth === 0) return found;
          depth--;
        } while (waiting[depth].distance >= worst);
        ({ node, lo, hi } = waiting[depth]);
        continue;
      }
      const mid = (lo + hi) >> 1;
      const offset = point[axis[node]] - split[node];
      const far = waiting[depth++];
      far.distance = offset * offset;
      // On a tie, to the side where the point itself is: it must be found.
      if (offset < 0 || (offset === 0 && at < mid)) {
        [far.node, far.lo, far.hi] = [2 * node + 2, mid, hi];
        [node, hi] = [2 * node + 1, mid];
      } else {
        [far.node, far.lo, far.hi] = [2 * node + 1, lo, mid];
        [node, lo] = [2 * node + 2, mid];
      }
    }
  };
}
