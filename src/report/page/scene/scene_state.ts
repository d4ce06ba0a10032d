/// <reference lib="dom" />
/** What a shown scene is coloured by, and what the legend says of it. */

import { h } from "../dom.ts";
import { number } from "../format.ts";
import type { LoadedScene } from "./loaded_scene.ts";
import { kindColors, mapColors } from "./scene_colors.ts";
import { heights, kindsLegend, lowOf, orderOf, scale } from "./scene_legend.ts";
import { cosines, quantile } from "./similarity.ts";

/** What points are coloured by. */
export type Mode = "components" | "similarity" | "regions" | "labels" | "color" | "height";

/** What the modes are called. */
export const MODE_NAMES: Readonly<Record<Mode, string>> = {
  components: "Principal components",
  similarity: "Similarity to a point",
  regions: "Regions",
  labels: "Labels",
  color: "Colour",
  height: "Height",
};

/** A point that others are compared with, by its features in each branch. */
export interface Query {
  readonly scene: string;
  readonly index: number;
  readonly point: number;
  readonly features: readonly Int8Array[];
}

/** What is shown, and how. */
export interface SceneState {
  scene: LoadedScene | null;
  /** Number of the scene that was asked for last. */
  index: number;
  mode: Mode;
  branch: number;
  level: number;
  /** Share of the points that are nearest to the query, those that keep their colour. */
  nearest: number;
  query: Query | null;
  /** Cosine of each point's features with the query's. */
  similarity: Float32Array | null;
}

/** What is shown first. */
export function firstState(): SceneState {
  return {
    scene: null,
    index: 0,
    mode: "components",
    branch: 0,
    level: 1,
    nearest: 1,
    query: null,
    similarity: null,
  };
}

/** The modes that a scene has something for. */
export function modesOf({ colors, labels }: LoadedScene): Mode[] {
  return [
    "components",
    "similarity",
    "regions",
    ...labels ? ["labels"] as const : [],
    ...colors ? ["color"] as const : [],
    "height",
  ];
}

/** Compares all points of the scene with the query anew. */
export function compare(state: SceneState): void {
  const { scene, query, branch } = state;
  if (scene === null || query === null) return;
  const { features, lengths } = scene.branches[branch];
  state.similarity = cosines(features, lengths, query.features[branch]);
}

/** A colour for each point, (N, 3). */
export function colorsOf(scene: LoadedScene, state: SceneState): Uint8Array {
  const { mode, similarity, nearest } = state;
  if (mode === "similarity" && similarity !== null) {
    const least = nearest === 1 ? -Infinity : quantile(similarity, 1 - nearest);
    return mapColors(similarity, lowOf(similarity), 1, least);
  }
  if (mode === "regions") {
    const { start, region } = scene.levels[state.level];
    const kinds = new Uint32Array(scene.data.points);
    for (const [i, from] of start.entries()) kinds.fill(region[i], from, start[i + 1]);
    return kindColors(kinds, (kind) => kind);
  }
  if (mode === "labels" && scene.labels) {
    return kindColors(scene.labels, orderOf(scene.labels));
  }
  if (mode === "color" && scene.colors) return scene.colors;
  if (mode === "height") {
    const { low, high } = heights(scene);
    const z = Float32Array.from(
      { length: scene.data.points },
      (_, i) => scene.positions[3 * i + 2],
    );
    return mapColors(z, low, high);
  }
  return scene.branches[state.branch].colors;
}

/** What the colours mean. */
export function legendOf(scene: LoadedScene, state: SceneState): (Node | string)[] {
  const { mode, similarity } = state;
  if (mode === "components") {
    return [
      "The first three principal components as red, green and blue, the same in all scenes.",
    ];
  }
  if (mode === "similarity") {
    const { kept, width } = scene.branches[state.branch].data;
    const fidelity = `${width} axes hold ${(100 * kept).toFixed(1)} % of the features`;
    return similarity === null
      ? ["Click a point to colour all others by the cosine of their features with its own."]
      : [scale(number(lowOf(similarity)), "1"), h("p", {}, `Cosine similarity; ${fidelity}.`)];
  }
  if (mode === "regions") {
    const count = scene.levels[state.level].regions;
    return [
      `${count.toLocaleString("en")} ${
        count === 1 ? "region" : "regions"
      } at level ${state.level}.`,
    ];
  }
  if (mode === "height") {
    const { low, high } = heights(scene);
    return [scale(`${number(low)} m`, `${number(high)} m`)];
  }
  return mode === "labels" && scene.labels ? kindsLegend(scene.labels) : [];
}
