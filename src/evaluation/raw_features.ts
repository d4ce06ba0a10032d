/**
 * What scenes look like without an encoder: the inputs themselves, which learnt features have to
 * beat.
 */

import type { Scene } from "../scenes/scene.ts";
import type { Table } from "./heads/table.ts";

/**
 * (N, 4 + C) for each point: its coordinates relative to the centre of its leaf, its height above
 * the scene's lowest point, its feature channels. A point in no leaf is relative to the centre of
 * the deepest region that holds it.
 */
export function rawPointFeatures({ coords, feats, tree }: Scene): Table {
  const count = coords.length / 3, channels = feats.length / count, width = 4 + channels;
  const values = new Float32Array(count * width);
  const center = new Uint32Array(count);
  // Regions stand in pre-order: what is deeper overwrites what holds it.
  for (let region = 0; region < tree.level.length; region++) {
    for (let at = tree.start[region]; at < tree.end[region]; at++) {
      center[tree.order[at]] = tree.center[region];
    }
  }
  let lowest = Infinity;
  for (let i = 0; i < count; i++) lowest = Math.min(lowest, coords[3 * i + 2]);
  for (let i = 0; i < count; i++) {
    const to = i * width, from = 3 * center[i];
    for (let k = 0; k < 3; k++) values[to + k] = coords[3 * i + k] - coords[from + k];
    values[to + 3] = coords[3 * i + 2] - lowest;
    for (let k = 0; k < channels; k++) values[to + 4 + k] = feats[i * channels + k];
  }
  return { values, width };
}

/**
 * One vector for a whole scene: the largest value, the mean and the standard deviation over its
 * points of the coordinates and of everything in `rawPointFeatures`; 3 · (7 + C) values.
 */
export function rawSceneVector(scene: Scene): Float32Array {
  const points = rawPointFeatures(scene);
  return Float32Array.from([
    ...pooled({ values: scene.coords, width: 3 }),
    ...pooled(points),
  ]);
}

function pooled({ values, width }: Table): number[] {
  const rows = values.length / width;
  const most = new Array<number>(width).fill(-Infinity);
  const mean = new Array<number>(width).fill(0), square = new Array<number>(width).fill(0);
  for (let at = 0; at < values.length; at += width) {
    for (let c = 0; c < width; c++) {
      most[c] = Math.max(most[c], values[at + c]);
      mean[c] += values[at + c] / rows;
    }
  }
  for (let at = 0; at < values.length; at += width) {
    for (let c = 0; c < width; c++) square[c] += (values[at + c] - mean[c]) ** 2 / rows;
  }
  return [...most, ...mean, ...square.map(Math.sqrt)];
}
