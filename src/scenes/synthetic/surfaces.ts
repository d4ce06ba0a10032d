/**
 * Surfaces that points can be drawn from evenly, with their exact normals; and the solids made of
 * them.
 */

import type { Random } from "../../base/random.ts";

/** x, y and z. */
export type Vector = readonly [number, number, number];

/** A piece of surface with a class. */
export interface Surface {
  /** Square metres. */
  readonly area: number;
  /** Class of its points. */
  readonly label: number;
  /**
   * Writes one point, uniform on the surface, and its unit normal at offset `at` of both arrays.
   */
  readonly draw: (random: Random, coords: Float32Array, normals: Float32Array, at: number) => void;
}

/** The parallelogram from `origin` along `u` and `v`, its normal that of u × v. */
export function patch(label: number, origin: Vector, u: Vector, v: Vector): Surface {
  const cross = [u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]];
  const area = Math.hypot(...cross);
  return {
    area,
    label,
    draw(random, coords, normals, at) {
      const a = random.uniform(), b = random.uniform();
      for (let k = 0; k < 3; k++) {
        coords[at + k] = origin[k] + a * u[k] + b * v[k];
        normals[at + k] = cross[k] / area;
      }
    },
  };
}

/** A sphere, seen from outside. */
export function sphere(label: number, center: Vector, radius: number): Surface {
  return {
    area: 4 * Math.PI * radius ** 2,
    label,
    draw(random, coords, normals, at) {
      // Archimedes: heights of a uniform point on a sphere are uniform.
      const height = random.uniform(-1, 1), turn = random.uniform(0, 2 * Math.PI);
      const ring = Math.sqrt(1 - height * height);
      const normal = [ring * Math.cos(turn), ring * Math.sin(turn), height];
      for (let k = 0; k < 3; k++) {
        coords[at + k] = center[k] + radius * normal[k];
        normals[at + k] = normal[k];
      }
    },
  };
}

/** An upright cylinder standing at `base`: its side and its top. */
export function cylinder(label: number, base: Vector, radius: number, height: number): Surface[] {
  const side: Surface = {
    area: 2 * Math.PI * radius * height,
    label,
    draw(random, coords, normals, at) {
      const turn = random.uniform(0, 2 * Math.PI);
      const x = Math.cos(turn), y = Math.sin(turn);
      coords[at] = base[0] + radius * x;
      coords[at + 1] = base[1] + radius * y;
      coords[at + 2] = base[2] + random.uniform(0, height);
      normals[at] = x;
      normals[at + 1] = y;
      normals[at + 2] = 0;
    },
  };
  const top: Surface = {
    area: Math.PI * radius ** 2,
    label,
    draw(random, coords, normals, at) {
      const turn = random.uniform(0, 2 * Math.PI), reach = radius * Math.sqrt(random.uniform());
      coords[at] = base[0] + reach * Math.cos(turn);
      coords[at + 1] = base[1] + reach * Math.sin(turn);
      coords[at + 2] = base[2] + height;
      normals[at] = normals[at + 1] = 0;
      normals[at + 2] = 1;
    },
  };
  return [side, top];
}

/** Where a piece of furniture stands: on the floor at (x, y), turned by `yaw` radians about z. */
export interface Place {
  /** Metres. */
  readonly x: number;
  /** Metres. */
  readonly y: number;
  /** Radians. */
  readonly yaw: number;
}

/**
 * An upright cuboid in a piece of furniture: `from` and `to` are its corners before it is placed.
 */
export function cuboid(label: number, place: Place, from: Vector, to: Vector): Surface[] {
  const c = Math.cos(place.yaw), s = Math.sin(place.yaw);
  const turn = ([x, y, z]: Vector): Vector => [c * x - s * y, s * x + c * y, z];
  const corner = (x: number, y: number, z: number): Vector => {
    const [tx, ty, tz] = turn([x, y, z]);
    return [place.x + tx, place.y + ty, tz];
  };
  const u = turn([to[0] - from[0], 0, 0]), v = turn([0, to[1] - from[1], 0]);
  const w: Vector = [0, 0, to[2] - from[2]];
  const low = corner(...from), high = corner(...to);
  const back = (vector: Vector): Vector => [-vector[0], -vector[1], -vector[2]];
  const faces = [
    patch(label, low, w, v),
    patch(label, low, u, w),
    patch(label, high, back(v), back(w)),
    patch(label, high, back(w), back(u)),
    patch(label, high, back(u), back(v)),
  ];
  if (from[2] > 0) faces.push(patch(label, low, v, u)); // a face on the floor is nobody's to see
  return faces;
}
