/** Goes through the scenes of a data set once and collects what the protocols need of each. */

import type { Dataset, Scene } from "../scenes/scene.ts";
import { DataError } from "../base/errors.ts";
import type { SceneEncoder } from "../inference/encoder.ts";
import type { LabelledTable } from "./heads/table.ts";
import { rawSceneVector } from "./raw_features.ts";
import { type FeatureChoice, sceneRow } from "./vectors.ts";

/** Encoders by name; null stands for the raw inputs. */
export type Encoders = ReadonlyMap<string, SceneEncoder | null>;

/** Called as scenes are done. */
export type OnScenes = (done: number, total: number) => void;

/** Scenes that are read and encoded together. */
const CHUNK_POINTS = 65536;

/** Numbers of scenes in runs of about as many points as are encoded together. */
export async function* chunksOf(
  dataset: Dataset,
  indices: ArrayLike<number>,
): AsyncGenerator<{ readonly first: number; readonly scenes: Scene[] }> {
  let scenes: Scene[] = [], points = 0, first = 0;
  for (let i = 0; i < indices.length; i++) {
    const scene = await dataset.get(indices[i]);
    scenes.push(scene);
    points += scene.coords.length / 3;
    if (points >= CHUNK_POINTS) {
      yield { first, scenes };
      scenes = [];
      points = 0;
      first = i + 1;
    }
  }
  if (scenes.length > 0) yield { first, scenes };
}

/** For each encoder the vector of each scene, as one table without labels. */
export async function gatherSceneVectors(
  dataset: Dataset,
  indices: ArrayLike<number>,
  labels: Uint32Array,
  encoders: Encoders,
  choice: FeatureChoice,
  onScenes?: OnScenes,
): Promise<Map<string, LabelledTable>> {
  const rows = new Map([...encoders.keys()].map((name): [string, Float32Array[]] => [name, []]));
  for await (const { first, scenes } of chunksOf(dataset, indices)) {
    for (const [name, encoder] of encoders) {
      const own = rows.get(name)!;
      if (encoder === null) own.push(...scenes.map(rawSceneVector));
      else {
        const encoded = await encoder.encode(scenes, ["scene"]);
        own.push(...encoded.map(({ scene }) => sceneRow(scene, choice)));
      }
      checkFinite(own.slice(first), scenes, name);
    }
    onScenes?.(first + scenes.length, indices.length);
  }
  return new Map(
    [...rows].map(([name, own]) => {
      const width = own[0].length;
      const values = new Float32Array(width * own.length);
      own.forEach((row, i) => values.set(row, i * width));
      return [name, { values, width, labels }];
    }),
  );
}

function checkFinite(rows: readonly Float32Array[], scenes: readonly Scene[], name: string): void {
  rows.forEach((row, i) => {
    if (row.every(Number.isFinite)) return;
    throw new DataError(
      `Cannot evaluate: the ${name} features of scene ${scenes[i].id} are not finite`,
    );
  });
}
