/** Affine maps of coordinates, and directions. */

import type { Random } from "../../../base/random.ts";
import type { Axis } from "./types.ts";

/** x ↦ M x + t, as M row by row and then t: 12 numbers. */
export type Affine = readonly number[];

/** The map that changes nothing. */
export const IDENTITY: Affine = [1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0];

/** The map that does `first`, then `then`. */
export function compose(then: Affine, first: Affine): Affine {
  const out: number[] = [];
  for (let row = 0; row < 9; row += 3) {
    for (let column = 0; column < 3; column++) {
      out.push(
        then[row] * first[column] + then[row + 1] * first[3 + column] +
          then[row + 2] * first[6 + column],
      );
    }
  }
  for (let k = 0; k < 3; k++) {
    out.push(
      then[3 * k] * first[9] + then[3 * k + 1] * first[10] + then[3 * k + 2] * first[11] +
        then[9 + k],
    );
  }
  return out;
}

/** Stretches each axis by its factor. */
export function scaling(factors: readonly number[]): Affine {
  return [factors[0], 0, 0, 0, factors[1], 0, 0, 0, factors[2], 0, 0, 0];
}

/** Turns about an axis. */
export function rotation(axis: Axis, radians: number): Affine {
  const c = Math.cos(radians), s = Math.sin(radians);
  if (axis === "x") return [1, 0, 0, 0, c, -s, 0, s, c, 0, 0, 0];
  if (axis === "y") return [c, 0, s, 0, 1, 0, -s, 0, c, 0, 0, 0];
  return [c, -s, 0, s, c, 0, 0, 0, 1, 0, 0, 0];
}

/** Turns about the unit vector (x, y, z): Rodrigues' formula. */
export function rotationAbout([x, y, z]: readonly number[], radians: number): Affine {
  const c = Math.cos(radians), s = Math.sin(radians), d = 1 - c;
  return [
    ...[c + d * x * x, d * x * y - s * z, d * x * z + s * y],
    ...[d * x * y + s * z, c + d * y * y, d * y * z - s * x],
    ...[d * x * z - s * y, d * y * z + s * x, c + d * z * z],
    ...[0, 0, 0],
  ];
}

/** A direction, all equally likely. */
export function direction(random: Random): [number, number, number] {
  const [x, y, z] = [random.normal(), random.normal(), random.normal()];
  const length = Math.hypot(x, y, z);
  return [x / length, y / length, z / length];
}

/** Maps (N, 3) coordinates in place. */
export function transformPoints(coords: Float32Array, map: Affine): void {
  if (map === IDENTITY) return;
  const [a, b, c, d, e, f, g, h, i, tx, ty, tz] = map;
  for (let at = 0; at < coords.length; at += 3) {
    const x = coords[at], y = coords[at + 1], z = coords[at + 2];
    coords[at] = a * x + b * y + c * z + tx;
    coords[at + 1] = d * x + e * y + f * z + ty;
    coords[at + 2] = g * x + h * y + i * z + tz;
  }
}

/**
 * Maps the vectors that begin at channel `first` of each row, in place: normals follow M by its
 * inverse transpose, which is its cofactor matrix over its determinant.
 */
export function transformNormals(
  feats: Float32Array,
  width: number,
  first: number,
  map: Affine,
): void {
  if (map === IDENTITY) return;
  const [a, b, c, d, e, f, g, h, i] = map;
  const cofactors = [e * i - f * h, f * g - d * i, d * h - e * g];
  cofactors.push(c * h - b * i, a * i - c * g, b * g - a * h);
  cofactors.push(b * f - c * e, c * d - a * f, a * e - b * d);
  const sign = Math.sign(a * cofactors[0] + b * cofactors[1] + c * cofactors[2]);
  const [n0, n1, n2, n3, n4, n5, n6, n7, n8] = cofactors.map((value) => sign * value);
  for (let at = first; at < feats.length; at += width) {
    const x = feats[at], y = feats[at + 1], z = feats[at + 2];
    const u = n0 * x + n1 * y + n2 * z;
    const v = n3 * x + n4 * y + n5 * z;
    const w = n6 * x + n7 * y + n8 * z;
    const square = u * u + v * v + w * w;
    // A zero vector (no normal known) stays one.
    const scale = square > 0 ? Math.sqrt((x * x + y * y + z * z) / square) : 0;
    feats[at] = u * scale;
    feats[at + 1] = v * scale;
    feats[at + 2] = w * scale;
  }
}
