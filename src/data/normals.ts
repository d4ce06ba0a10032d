/**
 * Normals for clouds that have none: a plane is fitted to each point's nearest neighbours, then the signs are
 * made to agree.
 *
 * Orientation by propagation follows Hoppe, DeRose, Duchamp, McDonald, Stuetzle, "Surface reconstruction from
 * unorganized points", SIGGRAPH 1992: signs spread through the graph of neighbours, across the flattest edges first.
 * Their minimum spanning tree is built here with edges in 1,024 classes of flatness rather than sorted, which
 * makes it linear.
 */

import { nearestNeighbors } from "./neighbors.ts";

/**
 * How signs are chosen.
 *
 * - `propagate`: neighbours agree, and each connected piece as a whole looks outwards (a closed surface) or up (open
 *   ground). Right for objects and for most scans.
 * - `up`: every normal has z ≥ 0; right for ground seen from the air. Those of upright surfaces are left as they fall.
 * - a position [x, y, z] in the cloud's own coordinates: every normal looks towards it; right for a single scan,
 *   with the scanner's position.
 */
export type NormalOrientation = "propagate" | "up" | readonly [number, number, number];

/** How normals are estimated. */
export interface NormalOptions {
  /** Neighbours a plane is fitted to, the point itself included; at least 3. Default 16. */
  readonly neighbors?: number;
  /** Default `propagate`. */
  readonly orientation?: NormalOrientation;
}

/** Enough to average noise away, few enough to follow edges. */
export const DEFAULT_NEIGHBORS = 16;
const FLATNESS_CLASSES = 1024;

/** Unit normals (N, 3) for `coords` (N, 3), all finite. Deterministic. */
export function estimateNormals(
  coords: Float32Array,
  { neighbors = DEFAULT_NEIGHBORS, orientation = "propagate" }: NormalOptions = {},
): Float32Array {
  const count = coords.length / 3;
  const near = nearestNeighbors(coords, neighbors);
  const normals = new Float32Array(coords.length);
  const fit = planeFitter(coords, near, near.length / Math.max(1, count));
  for (let point = 0; point < count; point++) fit(point, normals);
  if (orientation === "propagate") propagateSigns(coords, normals, near);
  else if (orientation === "up") faceDirection(normals, () => [0, 0, 1]);
  else {
    faceDirection(normals, (point) => orientation.map((value, k) => value - coords[3 * point + k]));
  }
  return normals;
}

/**
 * Scales the given normals (N, 3) to unit length, in place, and estimates those that are zero or not finite; these
 * agree in sign with the neighbours that had one. Gives the number of those.
 */
export function repairNormals(
  coords: Float32Array,
  normals: Float32Array,
  neighbors: number = DEFAULT_NEIGHBORS,
): number {
  const missing: number[] = [];
  for (let at = 0; at < normals.length; at += 3) {
    const length = Math.hypot(normals[at], normals[at + 1], normals[at + 2]);
    if (length > 0 && length < Infinity) {
      for (let k = 0; k < 3; k++) normals[at + k] /= length;
    } else {
      missing.push(at / 3);
      normals.fill(0, at, at + 3); // counts for nothing in the sums below
    }
  }
  if (missing.length === 0) return 0;
  const near = nearestNeighbors(coords, neighbors);
  const width = near.length / (coords.length / 3);
  const fit = planeFitter(coords, near, width);
  const fitted = new Float32Array(normals.length);
  for (const point of missing) fit(point, fitted);
  for (const point of missing) {
    const sum = [0, 0, 1e-6]; // up, where no neighbour has an opinion
    for (let i = 0; i < width; i++) {
      for (let k = 0; k < 3; k++) sum[k] += normals[3 * near[point * width + i] + k];
    }
    const at = 3 * point;
    const agrees = fitted[at] * sum[0] + fitted[at + 1] * sum[1] + fitted[at + 2] * sum[2] >= 0;
    for (let k = 0; k < 3; k++) fitted[at + k] *= agrees ? 1 : -1;
  }
  for (const point of missing) {
    normals.set(fitted.subarray(3 * point, 3 * point + 3), 3 * point);
  }
  return missing.length;
}

/** A function that writes the normal of the plane through a point's neighbours into `out`, its sign arbitrary. */
function planeFitter(
  coords: Float32Array,
  near: Uint32Array,
  width: number,
): (point: number, out: Float32Array) => void {
  const normal = new Float64Array(3);
  return (point, out) => {
    const px = coords[3 * point], py = coords[3 * point + 1], pz = coords[3 * point + 2];
    let sx = 0, sy = 0, sz = 0, xx = 0, xy = 0, xz = 0, yy = 0, yz = 0, zz = 0;
    for (let i = point * width; i < (point + 1) * width; i++) {
      const at = 3 * near[i];
      const x = coords[at] - px, y = coords[at + 1] - py, z = coords[at + 2] - pz;
      sx += x, sy += y, sz += z;
      xx += x * x, xy += x * y, xz += x * z, yy += y * y, yz += y * z, zz += z * z;
    }
    const n = 1 / width;
    flattestDirection(
      xx - sx * sx * n,
      xy - sx * sy * n,
      xz - sx * sz * n,
      yy - sy * sy * n,
      yz - sy * sz * n,
      zz - sz * sz * n,
      normal,
    );
    out.set(normal, 3 * point);
  };
}

/**
 * The unit eigenvector of the least eigenvalue of a symmetric 3 × 3 matrix, by Jacobi rotations: exact for
 * flat, straight and coinciding neighbourhoods alike, and no trigonometry that engines may round differently.
 */
function flattestDirection(
  xx: number,
  xy: number,
  xz: number,
  yy: number,
  yz: number,
  zz: number,
  out: Float64Array,
): void {
  // Columns of the eigenvector matrix: u, v, w.
  let ux = 1, uy = 0, uz = 0, vx = 0, vy = 1, vz = 0, wx = 0, wy = 0, wz = 1;
  const enough = 1e-30 * (xx * xx + yy * yy + zz * zz);
  for (let sweep = 0; sweep < 12; sweep++) {
    if (xy * xy + xz * xz + yz * yz <= enough) break;
    if (xy !== 0) {
      const t = tangent(xx, yy, xy), c = 1 / Math.sqrt(1 + t * t), s = t * c;
      xx -= t * xy, yy += t * xy, xy = 0;
      const a = xz, b = ux, d = uy, e = uz;
      xz = c * a - s * yz, yz = s * a + c * yz;
      ux = c * b - s * vx, vx = s * b + c * vx;
      uy = c * d - s * vy, vy = s * d + c * vy;
      uz = c * e - s * vz, vz = s * e + c * vz;
    }
    if (xz !== 0) {
      const t = tangent(xx, zz, xz), c = 1 / Math.sqrt(1 + t * t), s = t * c;
      xx -= t * xz, zz += t * xz, xz = 0;
      const a = xy, b = ux, d = uy, e = uz;
      xy = c * a - s * yz, yz = s * a + c * yz;
      ux = c * b - s * wx, wx = s * b + c * wx;
      uy = c * d - s * wy, wy = s * d + c * wy;
      uz = c * e - s * wz, wz = s * e + c * wz;
    }
    if (yz !== 0) {
      const t = tangent(yy, zz, yz), c = 1 / Math.sqrt(1 + t * t), s = t * c;
      yy -= t * yz, zz += t * yz, yz = 0;
      const a = xy, b = vx, d = vy, e = vz;
      xy = c * a - s * xz, xz = s * a + c * xz;
      vx = c * b - s * wx, wx = s * b + c * wx;
      vy = c * d - s * wy, wy = s * d + c * wy;
      vz = c * e - s * wz, wz = s * e + c * wz;
    }
  }
  if (zz <= xx && zz <= yy) out[0] = wx, out[1] = wy, out[2] = wz;
  else if (yy <= xx) out[0] = vx, out[1] = vy, out[2] = vz;
  else out[0] = ux, out[1] = uy, out[2] = uz;
}

/** Of the rotation that removes `off` between the diagonal entries p and q. */
function tangent(p: number, q: number, off: number): number {
  const half = (q - p) / (2 * off);
  const size = 1 / (Math.abs(half) + Math.sqrt(half * half + 1));
  return half < 0 ? -size : size;
}

function faceDirection(
  normals: Float32Array,
  direction: (point: number) => readonly number[],
): void {
  for (let at = 0; at < normals.length; at += 3) {
    const [x, y, z] = direction(at / 3);
    if (normals[at] * x + normals[at + 1] * y + normals[at + 2] * z < 0) negate(normals, at);
  }
}

function negate(normals: Float32Array, at: number): void {
  for (let k = 0; k < 3; k++) normals[at + k] = -normals[at + k];
}

/** Makes neighbouring normals agree, flattest edges first, and then each connected piece as a whole look out or up. */
function propagateSigns(coords: Float32Array, normals: Float32Array, near: Uint32Array): void {
  const count = coords.length / 3;
  const { first, others } = undirectedEdges(near, count);
  const reached = new Uint8Array(count);
  const edges = edgeQueue();
  for (let seed = 0; seed < count; seed++) {
    if (reached[seed]) continue;
    const piece = [seed];
    reached[seed] = 1;
    for (let done = 0;;) {
      for (; done < piece.length; done++) {
        const from = piece[done];
        for (let i = first[from]; i < first[from + 1]; i++) {
          if (!reached[others[i]]) edges.push(from, others[i], cosine(normals, from, others[i]));
        }
      }
      if (!edges.pop()) break;
      const { from, to } = edges;
      if (reached[to]) continue;
      reached[to] = 1;
      if (cosine(normals, from, to) < 0) negate(normals, 3 * to);
      piece.push(to);
    }
    if (looksInOrDown(coords, normals, piece)) {
      for (const point of piece) negate(normals, 3 * point);
    }
  }
}

/**
 * Whether a piece's normals look inwards or down more than outwards or up. Of a closed surface the upward parts
 * cancel and ∫ n · (p − middle) is three times its volume; of open ground it is the other way round. So their sum
 * decides for both, and no single point does.
 */
function looksInOrDown(
  coords: Float32Array,
  normals: Float32Array,
  piece: readonly number[],
): boolean {
  const middle = [0, 0, 0];
  for (const point of piece) {
    for (let k = 0; k < 3; k++) middle[k] += coords[3 * point + k] / piece.length;
  }
  let outwards = 0, upwards = 0, square = 0;
  for (const point of piece) {
    for (let k = 0; k < 3; k++) {
      const offset = coords[3 * point + k] - middle[k];
      outwards += normals[3 * point + k] * offset;
      square += offset * offset;
    }
    upwards += normals[3 * point + 2];
  }
  const radius = Math.sqrt(square / piece.length);
  return upwards + (radius > 0 ? outwards / radius : 0) < 0;
}

function cosine(normals: Float32Array, a: number, b: number): number {
  const i = 3 * a, j = 3 * b;
  return normals[i] * normals[j] + normals[i + 1] * normals[j + 1] +
    normals[i + 2] * normals[j + 2];
}

/** Neighbours in both directions: those of point p are others[first[p]], …, others[first[p + 1] - 1]. */
function undirectedEdges(
  near: Uint32Array,
  count: number,
): { first: Uint32Array; others: Uint32Array } {
  const width = near.length / count;
  const first = new Uint32Array(count + 1);
  for (let i = 0; i < near.length; i++) first[near[i] + 1] += 1;
  for (let point = 0; point < count; point++) first[point + 1] += first[point] + width;
  const others = new Uint32Array(first[count]);
  const next = first.slice(0, count);
  for (let point = 0; point < count; point++) {
    for (let i = point * width; i < (point + 1) * width; i++) {
      others[next[point]++] = near[i];
      others[next[near[i]]++] = point;
    }
  }
  return { first, others };
}

/** Directed edges in classes of flatness; the newest of the flattest class comes out first. */
function edgeQueue(): {
  push(from: number, to: number, cosine: number): void;
  /** Takes the next edge into `from` and `to`; false when there is none. */
  pop(): boolean;
  from: number;
  to: number;
} {
  const classes: number[][] = Array.from({ length: FLATNESS_CLASSES }, () => []);
  let flattest = 0; // no class before it holds an edge
  return {
    from: 0,
    to: 0,
    push(from, to, cosine) {
      const flat = Math.min(1, Math.abs(cosine));
      const rank = Math.min(FLATNESS_CLASSES - 1, Math.floor((1 - flat) * FLATNESS_CLASSES));
      classes[rank].push(from, to);
      if (rank < flattest) flattest = rank;
    },
    pop() {
      while (flattest < FLATNESS_CLASSES && classes[flattest].length === 0) flattest++;
      if (flattest === FLATNESS_CLASSES) {
        flattest = 0;
        return false;
      }
      this.to = classes[flattest].pop()!;
      this.from = classes[flattest].pop()!;
      return true;
    },
  };
}
