/**
 * The nearest neighbours of every point of a cloud, by a k-d tree on typed arrays.
 *
 * The tree is balanced by count, so its shape follows from the number of points alone: node n has the children 2n
 * and 2n + 1, nothing recurses, and clouds of very uneven density (a scanner's) cost no more than even ones.
 */

/** Points in a leaf, at most. 8 was fastest of 4 to 32 on rooms of 100,000 points. */
const LEAF_POINTS = 8;
/** Deepest stack a query needs: one far side per level of the tree. */
const MAX_LEVELS = 32;

interface KdTree {
  /** (N) the points, each leaf's in one run. */
  readonly order: Uint32Array;
  /** Coordinates in that order. */
  readonly x: Float32Array;
  readonly y: Float32Array;
  readonly z: Float32Array;
  /** Nodes below this number are split, the others are leaves. */
  readonly leaves: number;
  /** Of each node: its run of points. */
  readonly first: Uint32Array;
  readonly last: Uint32Array;
  /** Of each split node: 0, 1 or 2 for x, y, z, and where. Left of it nothing lies above, right nothing below. */
  readonly axis: Uint8Array;
  readonly at: Float32Array;
}

/**
 * The `k` nearest points of each point, itself included (first, unless others coincide with it), nearest first:
 * (N, k) point indices. k is cut to the number of points: the row length is `min(k, N)`. Coordinates are finite.
 */
export function nearestNeighbors(coords: Float32Array, k: number): Uint32Array {
  const count = coords.length / 3;
  const width = Math.min(k, count);
  const found = new Uint32Array(count * width);
  if (width === 0) return found;
  const tree = buildKdTree(coords);
  const distances = new Float64Array(width), rows = new Uint32Array(width);
  const search = searcher(tree, distances, rows);
  for (let row = 0; row < count; row++) {
    search(tree.x[row], tree.y[row], tree.z[row]);
    const to = tree.order[row] * width;
    for (let i = 0; i < width; i++) found[to + i] = tree.order[rows[i]];
  }
  return found;
}

function buildKdTree(coords: Float32Array): KdTree {
  const count = coords.length / 3;
  let leaves = 1;
  while (count > leaves * LEAF_POINTS) leaves *= 2;
  const order = Uint32Array.from({ length: count }, (_, i) => i);
  const first = new Uint32Array(2 * leaves), last = new Uint32Array(2 * leaves);
  const axis = new Uint8Array(leaves), at = new Float32Array(leaves);
  last[1] = count;
  for (let node = 1; node < leaves; node++) {
    const from = first[node], to = last[node], middle = (from + to) >>> 1;
    const widest = widestAxis(coords, order, from, to);
    select(coords, widest, order, from, to, middle);
    axis[node] = widest;
    at[node] = middle < to ? coords[3 * order[middle] + widest] : 0;
    first[2 * node] = from;
    last[2 * node] = first[2 * node + 1] = middle;
    last[2 * node + 1] = to;
  }
  const [x, y, z] = [0, 1, 2].map((k) =>
    Float32Array.from(order, (point) => coords[3 * point + k])
  );
  return { order, x, y, z, leaves, first, last, axis, at };
}

function widestAxis(coords: Float32Array, order: Uint32Array, from: number, to: number): number {
  let x0 = Infinity, y0 = Infinity, z0 = Infinity, x1 = -Infinity, y1 = -Infinity, z1 = -Infinity;
  for (let i = from; i < to; i++) {
    const at = 3 * order[i], x = coords[at], y = coords[at + 1], z = coords[at + 2];
    if (x < x0) x0 = x;
    if (x > x1) x1 = x;
    if (y < y0) y0 = y;
    if (y > y1) y1 = y;
    if (z < z0) z0 = z;
    if (z > z1) z1 = z;
  }
  const wx = x1 - x0, wy = y1 - y0, wz = z1 - z0;
  return wx >= wy && wx >= wz ? 0 : wy >= wz ? 1 : 2;
}

/** Reorders order[from, to) so that nothing before `middle` lies above what stands there, nothing after below. */
function select(
  coords: Float32Array,
  axis: number,
  order: Uint32Array,
  from: number,
  to: number,
  middle: number,
): void {
  let low = from, high = to - 1;
  while (low < high) {
    const pivot = coords[3 * order[(low + high) >>> 1] + axis];
    let i = low, j = high;
    while (i <= j) {
      while (coords[3 * order[i] + axis] < pivot) i++;
      while (coords[3 * order[j] + axis] > pivot) j--;
      if (i <= j) {
        const kept = order[i];
        order[i++] = order[j];
        order[j--] = kept;
      }
    }
    if (middle <= j) high = j;
    else if (middle >= i) low = i;
    else return;
  }
}

/** A function that fills `distances` (squared) and `rows` (of the tree's order) with what is nearest to x, y, z. */
function searcher(
  { x, y, z, leaves, first, last, axis, at }: KdTree,
  distances: Float64Array,
  rows: Uint32Array,
): (px: number, py: number, pz: number) => void {
  const end = distances.length - 1;
  // Far sides yet to be looked at: how far they are along each axis, and together (squared).
  const nodes = new Uint32Array(MAX_LEVELS), bound = new Float64Array(MAX_LEVELS);
  const offX = new Float64Array(MAX_LEVELS), offY = new Float64Array(MAX_LEVELS);
  const offZ = new Float64Array(MAX_LEVELS);
  return (px, py, pz) => {
    distances.fill(Infinity);
    let top = 0;
    nodes[0] = 1;
    bound[0] =
      offX[0] =
      offY[0] =
      offZ[0] =
        0;
    while (top >= 0) {
      let node = nodes[top];
      const near = bound[top], nx = offX[top], ny = offY[top], nz = offZ[top--];
      if (near >= distances[end]) continue;
      while (node < leaves) {
        const k = axis[node];
        const gap = (k === 0 ? px : k === 1 ? py : pz) - at[node];
        const before = k === 0 ? nx : k === 1 ? ny : nz;
        const far = near - before * before + gap * gap;
        node = gap < 0 ? 2 * node : 2 * node + 1;
        if (far >= distances[end]) continue;
        nodes[++top] = node ^ 1;
        bound[top] = far;
        offX[top] = k === 0 ? gap : nx;
        offY[top] = k === 1 ? gap : ny;
        offZ[top] = k === 2 ? gap : nz;
      }
      for (let row = first[node]; row < last[node]; row++) {
        const dx = x[row] - px, dy = y[row] - py, dz = z[row] - pz;
        const distance = dx * dx + dy * dy + dz * dz;
        if (distance >= distances[end]) continue;
        let place = end;
        for (; place > 0 && distances[place - 1] > distance; place--) {
          distances[place] = distances[place - 1];
          rows[place] = rows[place - 1];
        }
        distances[place] = distance;
        rows[place] = row;
      }
    }
  };
}
