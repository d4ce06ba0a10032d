/** From a mesh to points: sampling its surface evenly by area. */

import { DataError, UsageError } from "../base/errors.ts";
import type { Attribute, PointCloud } from "./point_cloud.ts";
import { Random } from "../base/random.ts";

/**
 * `count` points on the triangles of a mesh, evenly by area (one in each of `count` strips of equal
 * area, so that no part is left out by chance), with the triangles' unit normals, by the winding of
 * their corners. Colours and other real attributes are interpolated between the corners; integer
 * ones (labels) are the nearest corner's. Triangles without area or with a corner that is not
 * finite get no points. The same seed gives the same points.
 *
 * @param where names the mesh in messages
 * @throws {UsageError} when `count` is no whole number of 1 or more
 * @throws {DataError} when the cloud has no triangle with an area
 */
export function sampleMesh(
  mesh: PointCloud,
  count: number,
  seed: number,
  where = "the mesh",
): PointCloud {
  if (!Number.isSafeInteger(count) || count < 1) {
    throw new UsageError(`Cannot sample ${where}: expected 1 point or more, got ${count}`);
  }
  const { triangles = new Uint32Array(0), coords } = mesh;
  const areas = cumulativeAreas(coords, triangles);
  const total = areas.at(-1) ?? 0;
  if (!(total > 0)) {
    throw new DataError(
      `Cannot sample ${where}: none of its ${triangles.length / 3} triangles has an area.`,
    );
  }
  const random = new Random(seed, "mesh surface");
  /** Per point its triangle's three corners and their weights. */
  const corners = new Uint32Array(3 * count);
  const weights = new Float64Array(3 * count);
  let triangle = 0;
  for (let i = 0; i < count; i++) {
    const target = (i + random.uniform()) / count * total;
    while (triangle < areas.length - 1 && areas[triangle] <= target) triangle++;
    // The square root makes the density even over the triangle.
    const root = Math.sqrt(random.uniform());
    const along = random.uniform();
    corners.set(triangles.subarray(3 * triangle, 3 * triangle + 3), 3 * i);
    weights[3 * i] = 1 - root;
    weights[3 * i + 1] = root * (1 - along);
    weights[3 * i + 2] = root * along;
  }
  const attributes = new Map<string, Attribute>();
  attributes.set("normals", { width: 3, data: triangleNormals(coords, corners) });
  for (const [name, attribute] of mesh.attributes) {
    if (name !== "normals") attributes.set(name, atSamples(attribute, corners, weights));
  }
  const points = atSamples({ width: 3, data: coords }, corners, weights).data as Float32Array;
  return { count, coords: points, origin: mesh.origin, attributes };
}

/** Twice the area of the triangles up to and with each. */
function cumulativeAreas(coords: Float32Array, triangles: Uint32Array): Float64Array {
  const areas = new Float64Array(triangles.length / 3);
  const cross = [0, 0, 0];
  let sum = 0;
  for (let t = 0; t < areas.length; t++) {
    const area = crossProduct(coords, triangles, 3 * t, cross);
    if (area > 0 && area < Infinity) sum += area;
    areas[t] = sum;
  }
  return areas;
}

/**
 * The cross product of two sides of the triangle whose corners stand at `at`; returns its length.
 */
function crossProduct(
  coords: Float32Array,
  corners: Uint32Array,
  at: number,
  out: number[],
): number {
  const a = 3 * corners[at];
  const b = 3 * corners[at + 1];
  const c = 3 * corners[at + 2];
  const ux = coords[b] - coords[a];
  const uy = coords[b + 1] - coords[a + 1];
  const uz = coords[b + 2] - coords[a + 2];
  const vx = coords[c] - coords[a];
  const vy = coords[c + 1] - coords[a + 1];
  const vz = coords[c + 2] - coords[a + 2];
  out[0] = uy * vz - uz * vy;
  out[1] = uz * vx - ux * vz;
  out[2] = ux * vy - uy * vx;
  return Math.sqrt(out[0] * out[0] + out[1] * out[1] + out[2] * out[2]);
}

function triangleNormals(coords: Float32Array, corners: Uint32Array): Float32Array {
  const normals = new Float32Array(corners.length);
  const cross = [0, 0, 0];
  for (let i = 0; i < corners.length; i += 3) {
    const length = crossProduct(coords, corners, i, cross);
    for (let k = 0; k < 3; k++) normals[i + k] = cross[k] / length;
  }
  return normals;
}

/** An attribute of the mesh's vertices at the samples. */
function atSamples(
  { width, data }: Attribute,
  corners: Uint32Array,
  weights: Float64Array,
): Attribute {
  const count = corners.length / 3;
  if (data instanceof Float32Array || data instanceof Float64Array) {
    const out = data instanceof Float32Array
      ? new Float32Array(count * width)
      : new Float64Array(count * width);
    for (let i = 0; i < count; i++) {
      for (let k = 0; k < width; k++) {
        let value = 0;
        for (let j = 3 * i; j < 3 * i + 3; j++) value += weights[j] * data[corners[j] * width + k];
        out[i * width + k] = value;
      }
    }
    return { width, data: out };
  }
  const out = data instanceof Int32Array
    ? new Int32Array(count * width)
    : new Uint32Array(count * width);
  for (let i = 0; i < count; i++) {
    let nearest = 3 * i;
    for (let j = nearest + 1; j < 3 * i + 3; j++) if (weights[j] > weights[nearest]) nearest = j;
    const from = corners[nearest] * width;
    for (let k = 0; k < width; k++) out[i * width + k] = data[from + k];
  }
  return { width, data: out };
}
