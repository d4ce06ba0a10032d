/** Views of a scene: copies of its coordinates and features that share its tree. SPEC §5. */

import { DataError, UsageError } from "../../base/errors.ts";
import {
  type AugmentationConfig,
  type Axis,
  type CompleteAugmentation,
  parseAugmentation,
} from "./augmentation.ts";
import { type Covering, coverPoints, direction, takeRows } from "./covered_points.ts";
import { drawPoints, type ThinnedTree } from "./drawn_points.ts";
import type { Random } from "../../base/random.ts";
import type { FeatureKind, Scene } from "../scene.ts";

/** One view of one scene, points in the scene's own order. */
export interface SceneView {
  /** (N, 3) metres. */
  readonly coords: Float32Array;
  /** (N, C) */
  readonly feats: Float32Array;
}

/** The scene as it is, sharing its arrays: what validation sees. */
export function identityView(scene: Scene): SceneView {
  return { coords: scene.coords, feats: scene.feats };
}

/**
 * A view of `scene` that went through the augmentations of `config` in order, drawn from `random`. The scene
 * itself is left as it is.
 *
 * Coordinates change under rotation, scale, translation, flip and jitter. Feature columns of kind "vector" are
 * taken for surface normals: they rotate and flip with the coordinates, follow an anisotropic scale by its inverse
 * transpose, and keep their length. Columns of kind "color" change under colour augmentations. Any column can be set
 * to zero, and takes another point's values where a point is covered up.
 *
 * With `thinned`, made of the scene's tree, the view has the points that it draws, in the order of that tree's rows. They
 * are drawn behind the last augmentation that hides points, out of those that are still seen.
 *
 * Throws UsageError for a config that is not valid or asks for features the scene does not have, DataError for
 * feature columns that do not fit the features.
 */
export function augment(
  scene: Scene,
  config: AugmentationConfig,
  random: Random,
  thinned: ThinnedTree | null = null,
): SceneView {
  const vectors = channels(scene, "vector"), colors = channels(scene, "color");
  const count = scene.coords.length / 3;
  const width = scene.feats.length / count;
  let coords: Float32Array = scene.coords.slice(), feats: Float32Array = scene.feats.slice();
  const seen = new Uint8Array(count).fill(1);
  let pending = IDENTITY; // affine steps are multiplied together and applied in one pass
  const apply = (): void => {
    transformPoints(coords, pending);
    for (const first of vectors) transformNormals(feats, width, first, pending);
    pending = IDENTITY;
  };
  const step = (augmentation: CompleteAugmentation): void => {
    const { type } = augmentation;
    if (type === "flip") {
      for (const axis of augmentation.axes) {
        if (random.uniform() < augmentation.p) pending = compose(mirror(axis), pending);
      }
      return;
    }
    if ((type === "color_jitter" || type === "auto_contrast") && colors.length === 0) {
      throw missingFeatures(scene, `${type} needs colour features`);
    }
    if (type === "jitter_normals" && vectors.length === 0) {
      throw missingFeatures(scene, `${type} needs normals or other vectors`);
    }
    const zeroed = type === "zero_features" ? namedChannels(scene, augmentation.names) : [];
    if (random.uniform() >= augmentation.p) return;
    if (type === "jitter") {
      apply();
      jitter(coords, augmentation.sigma, augmentation.clip, random);
    } else if (hides(augmentation)) {
      apply();
      const source = coverPoints(augmentation, scene.tree, coords, random);
      if (!source) return;
      for (const values of [coords, feats]) takeRows(values, source);
      for (let point = 0; point < count; point++) seen[point] &= Number(source[point] === point);
    } else if (type === "jitter_normals") {
      apply();
      for (const first of vectors) jitterNormals(feats, width, first, augmentation.sigma, random);
    } else if (type === "zero_features") {
      for (const channel of zeroed) {
        for (let at = channel; at < feats.length; at += width) feats[at] = 0;
      }
    } else if (type === "color_jitter") {
      for (const channel of colors) jitterColor(feats, width, channel, augmentation.sigma, random);
    } else if (type === "auto_contrast") {
      const blend = augmentation.blend ?? random.uniform();
      for (const channel of colors) stretchContrast(feats, width, channel, blend);
    } else {
      pending = compose(drawAffine(augmentation, random), pending);
    }
  };
  const steps = parseAugmentation(config);
  const behind = 1 + steps.findLastIndex(hides);
  steps.slice(0, behind).forEach(step);
  if (thinned) {
    apply();
    const drawn = drawPoints(thinned, scene.tree.order, seen, random);
    [coords, feats] = [rowsAt(coords, 3, drawn), rowsAt(feats, width, drawn)];
  }
  steps.slice(behind).forEach(step);
  apply();
  return { coords, feats };
}

function hides(augmentation: CompleteAugmentation): augmentation is Covering {
  const { type } = augmentation;
  return type === "drop" || type === "drop_regions" || type === "crop";
}

function rowsAt(values: Float32Array, width: number, rows: Uint32Array): Float32Array {
  const out = new Float32Array(width * rows.length);
  rows.forEach((row, at) => {
    for (let k = 0; k < width; k++) out[at * width + k] = values[row * width + k];
  });
  return out;
}

/** Positions of the colour channels, or of the first channel of each vector, in a feature row. */
function channels(scene: Scene, kind: FeatureKind & ("vector" | "color")): number[] {
  const found: number[] = [];
  let first = 0;
  for (const column of scene.featureColumns) {
    if (column.kind === "vector" && column.width !== 3) {
      throw new DataError(
        `Cannot augment scene ${scene.id}: feature ${column.name} is a vector of ${column.width} values; expected 3`,
      );
    }
    if (column.kind === kind) {
      for (let k = 0; k < (kind === "vector" ? 1 : column.width); k++) found.push(first + k);
    }
    first += column.width;
  }
  const points = scene.coords.length / 3;
  if (first * points !== scene.feats.length) {
    throw new DataError(
      `Cannot augment scene ${scene.id}: its feature columns are ${first} wide together, its features ` +
        `${scene.feats.length / points} a point; expected the same`,
    );
  }
  return found;
}

function missingFeatures(scene: Scene, what: string): UsageError {
  const names = scene.featureColumns.map(({ name }) => name).join(", ") || "none";
  return new UsageError(
    `Cannot augment scene ${scene.id}: ${what}, the scene's features are: ${names}`,
  );
}

/** Positions of the channels of the columns called `names`, null for all, in a feature row. */
function namedChannels(scene: Scene, names: readonly string[] | null): number[] {
  const missing = names?.find((name) => !scene.featureColumns.some((one) => one.name === name));
  if (missing !== undefined) throw missingFeatures(scene, `zero_features needs ${missing}`);
  const columns = scene.featureColumns.flatMap(({ name, width }) => Array(width).fill(name));
  return columns.flatMap((name, channel) => !names || names.includes(name) ? [channel] : []);
}

/** x ↦ M x + t, as M row by row and then t: 12 numbers. */
type Affine = readonly number[];

const IDENTITY: Affine = [1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0];
const AXES: readonly Axis[] = ["x", "y", "z"];

/** The map that does `first`, then `then`. */
function compose(then: Affine, first: Affine): Affine {
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

function scaling(factors: readonly number[]): Affine {
  return [factors[0], 0, 0, 0, factors[1], 0, 0, 0, factors[2], 0, 0, 0];
}

function mirror(axis: Axis): Affine {
  return scaling(AXES.map((other) => other === axis ? -1 : 1));
}

function rotation(axis: Axis, radians: number): Affine {
  const c = Math.cos(radians), s = Math.sin(radians);
  if (axis === "x") return [1, 0, 0, 0, c, -s, 0, s, c, 0, 0, 0];
  if (axis === "y") return [c, 0, s, 0, 1, 0, -s, 0, c, 0, 0, 0];
  return [c, -s, 0, s, c, 0, 0, 0, 1, 0, 0, 0];
}

/** Rodrigues' formula for the unit vector (x, y, z). */
function rotationAbout([x, y, z]: readonly number[], radians: number): Affine {
  const c = Math.cos(radians), s = Math.sin(radians), d = 1 - c;
  return [
    ...[c + d * x * x, d * x * y - s * z, d * x * z + s * y],
    ...[d * x * y + s * z, c + d * y * y, d * y * z - s * x],
    ...[d * x * z - s * y, d * y * z + s * x, c + d * z * z],
    ...[0, 0, 0],
  ];
}

function drawAffine(
  augmentation: Extract<CompleteAugmentation, { type: "rotate" | "scale" | "translate" }>,
  random: Random,
): Affine {
  if (augmentation.type === "rotate") {
    const { axis, degrees } = augmentation;
    const radians = random.uniform(-degrees, degrees) * Math.PI / 180;
    return axis === "any" ? rotationAbout(direction(random), radians) : rotation(axis, radians);
  }
  if (augmentation.type === "scale") {
    const { min, max, anisotropic } = augmentation;
    const factor = random.uniform(min, max);
    if (!anisotropic) return scaling([factor, factor, factor]);
    return scaling([factor, random.uniform(min, max), random.uniform(min, max)]);
  }
  const { range } = augmentation;
  const [x, y, z] = typeof range === "number" ? [range, range, range] : range;
  const offset = [random.uniform(-x, x), random.uniform(-y, y), random.uniform(-z, z)];
  return [...IDENTITY.slice(0, 9), ...offset];
}

function transformPoints(coords: Float32Array, map: Affine): void {
  if (map === IDENTITY) return;
  const [a, b, c, d, e, f, g, h, i, tx, ty, tz] = map;
  for (let at = 0; at < coords.length; at += 3) {
    const x = coords[at], y = coords[at + 1], z = coords[at + 2];
    coords[at] = a * x + b * y + c * z + tx;
    coords[at + 1] = d * x + e * y + f * z + ty;
    coords[at + 2] = g * x + h * y + i * z + tz;
  }
}

/** Normals follow M by its inverse transpose, which is its cofactor matrix over its determinant. */
function transformNormals(feats: Float32Array, width: number, first: number, map: Affine): void {
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

function jitter(coords: Float32Array, sigma: number, clip: number, random: Random): void {
  for (let i = 0; i < coords.length; i++) {
    coords[i] += Math.min(clip, Math.max(-clip, sigma * random.normal()));
  }
}

function jitterNormals(
  feats: Float32Array,
  width: number,
  first: number,
  sigma: number,
  random: Random,
): void {
  for (let at = first; at < feats.length; at += width) {
    const vector = feats.subarray(at, at + 3);
    const length = Math.hypot(...vector);
    for (let k = 0; k < 3; k++) vector[k] += length * sigma * random.normal();
    const scale = length > 0 ? length / Math.hypot(...vector) : 0;
    for (let k = 0; k < 3; k++) vector[k] *= scale;
  }
}

function jitterColor(
  feats: Float32Array,
  width: number,
  channel: number,
  sigma: number,
  random: Random,
): void {
  for (let at = channel; at < feats.length; at += width) {
    feats[at] = Math.min(1, Math.max(0, feats[at] + sigma * random.normal()));
  }
}

function stretchContrast(feats: Float32Array, width: number, channel: number, blend: number): void {
  let least = Infinity, most = -Infinity;
  for (let at = channel; at < feats.length; at += width) {
    least = Math.min(least, feats[at]);
    most = Math.max(most, feats[at]);
  }
  if (most <= least) return; // one value throughout: nothing to stretch
  for (let at = channel; at < feats.length; at += width) {
    feats[at] = (1 - blend) * feats[at] + blend * (feats[at] - least) / (most - least);
  }
}
