/** From a mesh to points: drawn evenly by area from its triangles, each with its normal. */

import { DataError } from "../errors.ts";
import type { Attribute, PointCloud } from "./point_cloud.ts";
import { Random } from "./random.ts";

/**
 * `points` points on the triangles of `mesh`, uniform by area, seeded. The total area is cut into as many equal
 * parts as there are points and one is drawn from each, so that points lie more evenly than independent ones would.
 *
 * Normals are the vertices' own, interpolated, where the mesh has them, else the triangles' (by the right-hand rule
 * over the order of their corners). Other attributes: reals are interpolated, integers (labels) taken from the
 * nearest corner. Triangles without area, or with a corner that is not finite, get no points.
 *
 * @throws {DataError} No triangle has an area: `where` names the mesh.
 */
export function sampleMesh(
  mesh: PointCloud,
  points: number,
  seed: number,
  where: string,
): PointCloud {
  const triangles = mesh.triangles ?? new Uint32Array(0);
  const upTo = cumulativeAreas(mesh.coords, triangles);
  const total = upTo.length > 0 ? upTo[upTo.length - 1] : 0;
  if (!(total > 0 && total < Infinity)) {
    throw new DataError(
      `Cannot sample the surface of ${where}: expected triangles with an area, got ${upTo.length} triangles ` +
        `with a total area of ${total}`,
    );
  }
  const random = new Random(seed, "mesh surface");
  const corners = new Uint32Array(3 * points), weights = new Float64Array(3 * points);
  for (let point = 0, triangle = 0; point < points; point++) {
    const place = (point + random.uniform()) / points * total;
    while (upTo[triangle] <= place && triangle < upTo.length - 1) triangle++;
    // The square root makes it uniform: Osada et al., "Shape distributions", ACM TOG 21(4), 2002, section 4.2.
    const edge = Math.sqrt(random.uniform()), along = random.uniform();
    weights.set([1 - edge, edge * (1 - along), edge * along], 3 * point);
    corners.set(triangles.subarray(3 * triangle, 3 * triangle + 3), 3 * point);
  }
  const attributes = new Map<string, Attribute>();
  for (const [name, attribute] of mesh.attributes) {
    attributes.set(name, spread(attribute, corners, weights));
  }
  const coords = new Float32Array(3 * points);
  interpolate({ width: 3, data: mesh.coords }, corners, weights, coords);
  attributes.set("normals", {
    width: 3,
    data: surfaceNormals(mesh.coords, corners, attributes.get("normals")),
  });
  return { count: points, coords, origin: mesh.origin, attributes };
}

/** Area of triangles 0 to t together; a triangle that is not finite has none. */
function cumulativeAreas(coords: Float32Array, triangles: Uint32Array): Float64Array {
  const upTo = new Float64Array(triangles.length / 3);
  let sum = 0;
  for (let t = 0; t < upTo.length; t++) {
    const [x, y, z] = cross(coords, triangles, 3 * t);
    const area = Math.sqrt(x * x + y * y + z * z) / 2;
    if (area < Infinity) sum += area; // false for NaN too
    upTo[t] = sum;
  }
  return upTo;
}

/** The cross product of two edges of the triangle whose corners stand at `at`. */
function cross(coords: Float32Array, corners: Uint32Array, at: number): [number, number, number] {
  const a = 3 * corners[at], b = 3 * corners[at + 1], c = 3 * corners[at + 2];
  const ux = coords[b] - coords[a], uy = coords[b + 1] - coords[a + 1];
  const uz = coords[b + 2] - coords[a + 2];
  const vx = coords[c] - coords[a], vy = coords[c + 1] - coords[a + 1];
  const vz = coords[c + 2] - coords[a + 2];
  return [uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx];
}

function spread(attribute: Attribute, corners: Uint32Array, weights: Float64Array): Attribute {
  const { width, data } = attribute;
  if (data instanceof Float32Array || data instanceof Float64Array) {
    const out = data instanceof Float32Array
      ? new Float32Array(corners.length / 3 * width)
      : new Float64Array(corners.length / 3 * width);
    return { width, data: interpolate({ width, data }, corners, weights, out) };
  }
  const count = corners.length / 3;
  const out = data instanceof Int32Array
    ? new Int32Array(count * width)
    : new Uint32Array(count * width);
  for (let point = 0; point < count; point++) {
    let nearest = 3 * point;
    for (let i = nearest + 1; i < 3 * point + 3; i++) {
      if (weights[i] > weights[nearest]) nearest = i;
    }
    for (let k = 0; k < width; k++) out[point * width + k] = data[corners[nearest] * width + k];
  }
  return { width, data: out };
}

/** Writes into `out` each point's three corners' values, weighted. */
function interpolate<T extends Float32Array | Float64Array>(
  { width, data }: Attribute,
  corners: Uint32Array,
  weights: Float64Array,
  out: T,
): T {
  for (let at = 0, to = 0; at < corners.length; at += 3) {
    const a = corners[at] * width, b = corners[at + 1] * width, c = corners[at + 2] * width;
    for (let k = 0; k < width; k++) {
      out[to++] = weights[at] * data[a + k] + weights[at + 1] * data[b + k] +
        weights[at + 2] * data[c + k];
    }
  }
  return out;
}

/** Unit normals: `given` where it has a direction, else the triangle's. */
function surfaceNormals(
  coords: Float32Array,
  corners: Uint32Array,
  given: Attribute | undefined,
): Float32Array {
  const normals = new Float32Array(corners.length);
  for (let at = 0; at < normals.length; at += 3) {
    let normal: ArrayLike<number> = given?.data.subarray(at, at + 3) ?? [0, 0, 0];
    let length = Math.hypot(normal[0], normal[1], normal[2]);
    if (!(length > 1e-6 && length < Infinity)) {
      normal = cross(coords, corners, at);
      length = Math.hypot(normal[0], normal[1], normal[2]);
    }
    for (let k = 0; k < 3; k++) normals[at + k] = normal[k] / length;
  }
  return normals;
}
