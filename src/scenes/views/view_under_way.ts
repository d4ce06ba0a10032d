/** A view while augmentations change it. */

import type { Random } from "../../base/random.ts";
import { DataError } from "../../base/errors.ts";
import type { FeatureKind, Scene } from "../scene.ts";
import {
  type Affine,
  compose,
  IDENTITY,
  transformNormals,
  transformPoints,
} from "./augmentations/affine.ts";
import type { ViewUnderWay } from "./augmentations/rule.ts";
import { coverPoints, takeRows } from "./covered_points.ts";
import { drawPoints, type ThinnedTree } from "./drawn_points.ts";

/**
 * A copy of a scene's coordinates and features.
 *
 * Throws DataError for feature columns that do not fit the features.
 */
export class ChangingView implements ViewUnderWay {
  readonly scene: Scene;
  readonly width: number;
  readonly vectors: readonly number[];
  readonly colors: readonly number[];
  #coords: Float32Array;
  #feats: Float32Array;
  /** 1 for each point that is seen. */
  readonly #seen: Uint8Array;
  #drawn = false;
  /** Affine maps are multiplied together and applied in one pass. */
  #pending: Affine = IDENTITY;

  constructor(scene: Scene) {
    this.scene = scene;
    this.vectors = channels(scene, "vector");
    this.colors = channels(scene, "color");
    const count = scene.coords.length / 3;
    this.width = scene.feats.length / count;
    this.#coords = scene.coords.slice();
    this.#feats = scene.feats.slice();
    this.#seen = new Uint8Array(count).fill(1);
  }

  get coords(): Float32Array {
    this.#settle();
    return this.#coords;
  }

  get feats(): Float32Array {
    this.#settle();
    return this.#feats;
  }

  get unmovedFeats(): Float32Array {
    return this.#feats;
  }

  transform(map: Affine): void {
    this.#pending = compose(map, this.#pending);
  }

  cover(hidden: Uint8Array, random: Random): void {
    if (this.#drawn) throw new Error("An augmentation that covers points has to say hidesPoints");
    const { coords, feats } = this;
    const source = coverPoints(hidden, this.scene.tree, coords, random);
    if (!source) return;
    for (const values of [coords, feats]) takeRows(values, source);
    source.forEach((from, point) => this.#seen[point] &= Number(from === point));
  }

  /** Keeps the points that the view draws out of those that are seen. */
  draw(thinned: ThinnedTree, random: Random): void {
    const drawn = drawPoints(thinned, this.scene.tree.order, this.#seen, random);
    this.#coords = rowsAt(this.coords, 3, drawn);
    this.#feats = rowsAt(this.feats, this.width, drawn);
    this.#drawn = true;
  }

  #settle(): void {
    transformPoints(this.#coords, this.#pending);
    for (const first of this.vectors) {
      transformNormals(this.#feats, this.width, first, this.#pending);
    }
    this.#pending = IDENTITY;
  }
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
