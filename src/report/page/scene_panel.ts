/// <reference lib="dom" />
/** The section of scenes: a view, what steers it, and what it says of a point. */

import type { ReportData } from "../report_data.ts";
import { shownHeight } from "./ceiling.ts";
import { choice, h, slider } from "./dom.ts";
import { number } from "./format.ts";
import { type LoadedScene, loadScene, runAt } from "./loaded_scene.ts";
import { kindColors, mapColors } from "./scene_colors.ts";
import {
  heights,
  kindsLegend,
  lowOf,
  orderOf,
  scale,
  tellCounts,
  tellPlace,
} from "./scene_legend.ts";
import { type SceneView, sceneView } from "./scene_view.ts";
import { cosines, nearestElsewhere, quantile } from "./similarity.ts";

type Mode = "components" | "similarity" | "regions" | "labels" | "color" | "height";

const MODE_NAMES: Readonly<Record<Mode, string>> = {
  components: "Principal components",
  similarity: "Similarity to a point",
  regions: "Regions",
  labels: "Labels",
  color: "Colour",
  height: "Height",
};
const NEIGHBOURS = 6;
/** Neighbours are this share of the scene's longest side apart. */
const APART = 0.06;

/** A point that others are compared with, by its features in each branch. */
interface Query {
  readonly scene: string;
  readonly index: number;
  readonly point: number;
  readonly features: readonly Int8Array[];
}

/** The section, or why there is none. `packedOf` gives a scene's packed bytes. */
export function scenesSection(
  report: ReportData,
  packedOf: (index: number) => string,
): HTMLElement {
  const section = (...content: readonly (Node | string)[]): HTMLElement =>
    h("section", { id: "scenes" }, h("h2", {}, "Scenes"), ...content);
  const notes = report.notes.map((note) => h("li", {}, note));
  const noteList = notes.length === 0 ? [] : [h("ul", { class: "notes" }, ...notes)];
  if (report.scenes.length === 0) {
    return section(
      h("p", { class: "empty" }, "No scenes are shown: features need a checkpoint of the run."),
      ...noteList,
    );
  }
  const state: {
    scene: LoadedScene | null;
    index: number;
    mode: Mode;
    branch: number;
    level: number;
    nearest: number;
    query: Query | null;
    similarity: Float32Array | null;
  } = {
    scene: null,
    index: 0,
    mode: "components",
    branch: 0,
    level: 1,
    nearest: 1,
    query: null,
    similarity: null,
  };
  let view: SceneView;
  try {
    view = sceneView(choose, hover);
  } catch (error) {
    return section(
      h("p", { class: "empty" }, `Scenes need WebGL 2: ${(error as Error).message}`),
      ...noteList,
    );
  }
  const loaded = new Map<number, Promise<LoadedScene>>();
  const modes = h("div", { class: "modes" });
  const options = h("div", { class: "options" });
  const legend = h("div", { class: "legend" });
  const told = h("div", { class: "told" });
  const readout = h("div", { class: "readout", role: "status" });
  const cut = h("div");
  view.element.append(readout);

  async function open(index: number): Promise<void> {
    view.element.classList.add("loading");
    state.index = index;
    const promise = loaded.get(index) ?? loadScene(report.scenes[index], packedOf(index));
    loaded.set(index, promise);
    const scene = await promise;
    if (state.index !== index) return;
    state.scene = scene;
    if (!modesOf(scene).includes(state.mode)) state.mode = "components";
    state.level = Math.min(state.level, scene.levels.length - 1);
    compare();
    const { low, high } = heights(scene);
    const cutAt = (share: number): number => share === 1 ? Infinity : low + share * (high - low);
    const shown = shownHeight(scene.positions);
    view.setPoints(scene.positions, colorsOf(scene), cutAt(shown));
    cut.replaceChildren(slider(
      "Cut above",
      { min: 0, max: 1, step: 0.01, value: shown },
      (share) => share === 1 ? "off" : `${cutAt(share).toFixed(2)} m`,
      (share) => view.setCut(cutAt(share)),
    ));
    view.element.classList.remove("loading");
    refresh();
    view.element.dataset.scene = scene.data.id;
  }

  function modesOf({ colors, labels }: LoadedScene): Mode[] {
    return [
      "components",
      "similarity",
      "regions",
      ...labels ? ["labels"] as const : [],
      ...colors ? ["color"] as const : [],
      "height",
    ];
  }

  function compare(): void {
    const { scene, query, branch } = state;
    if (scene === null || query === null) return;
    const { features, lengths } = scene.branches[branch];
    state.similarity = cosines(features, lengths, query.features[branch]);
  }

  function choose(point: number): void {
    const { scene } = state;
    if (scene === null) return;
    const features = scene.branches.map(({ data: { width }, features }) =>
      features.slice(point * width, (point + 1) * width)
    );
    state.query = { scene: scene.data.id, index: state.index, point, features };
    state.mode = "similarity";
    compare();
    recolor();
    refresh();
    hover(point);
  }

  function colorsOf(scene: LoadedScene): Uint8Array {
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

  function recolor(): void {
    if (state.scene !== null) view.setColors(colorsOf(state.scene));
  }

  /** Controls, legend and what is said of the chosen point, after a change of what is shown. */
  function refresh(): void {
    const { scene, mode } = state;
    if (scene === null) return;
    modes.replaceChildren(
      choice(
        "Colour by",
        modesOf(scene).map((each) => [each, MODE_NAMES[each]] as const),
        mode,
        (value) => {
          state.mode = value;
          recolor();
          refresh();
        },
      ),
    );
    const byFeatures = mode === "components" || mode === "similarity";
    options.replaceChildren(
      ...byFeatures
        ? [choice(
          "Features",
          scene.branches.map(({ data: { name } }, i) => [String(i), name] as const),
          String(state.branch),
          (value) => {
            state.branch = Number(value);
            compare();
            recolor();
            refresh();
          },
        )]
        : [],
      ...mode === "similarity" && state.query !== null
        ? [slider(
          "Nearest",
          { min: -3, max: 0, step: 0.05, value: Math.log10(state.nearest) },
          (power) => power === 0 ? "all" : `${Number((100 * 10 ** power).toPrecision(2))} %`,
          (power) => {
            state.nearest = 10 ** power;
            recolor();
          },
        )]
        : [],
      ...mode === "regions"
        ? [slider(
          "Level",
          { min: 0, max: scene.levels.length - 1, step: 1, value: state.level },
          (level) => `${level}`,
          (level) => {
            state.level = level;
            recolor();
            legend.replaceChildren(...legendOf(scene));
          },
        )]
        : [],
    );
    legend.replaceChildren(...legendOf(scene));
    tellQuery(scene);
  }

  function legendOf(scene: LoadedScene): (Node | string)[] {
    const { mode, similarity } = state;
    const { kept, width } = scene.branches[state.branch].data;
    const fidelity = `${width} axes hold ${(100 * kept).toFixed(1)} % of the features`;
    if (mode === "components") {
      return [
        "The first three principal components as red, green and blue, the same in all scenes.",
      ];
    }
    if (mode === "similarity") {
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
    if (mode === "labels" && scene.labels) return kindsLegend(scene.labels);
    return [];
  }

  function tellQuery(scene: LoadedScene): void {
    const { query, similarity, mode } = state;
    if (query === null || similarity === null || mode !== "similarity") {
      told.replaceChildren();
      view.setMarks([]);
      return;
    }
    const here = query.index === state.index;
    const { positions } = scene;
    const place = (point: number) => [...positions.subarray(3 * point, 3 * point + 3)];
    const extent = 65534 * scene.data.scale;
    const neighbours = nearestElsewhere(similarity, positions, here ? [place(query.point)] : [], {
      apart: APART * extent,
      count: NEIGHBOURS,
    });
    view.setMarks([...here ? [query.point] : [], ...neighbours]);
    const label = (point: number): string => scene.labels ? ` · label ${scene.labels[point]}` : "";
    told.replaceChildren(
      h("h4", {}, here ? `Point ${query.point}${label(query.point)}` : `Point of ${query.scene}`),
      h("p", {}, "Most similar elsewhere"),
      h(
        "ol",
        {},
        ...neighbours.map((point) =>
          h(
            "li",
            {},
            h("b", {}, similarity[point].toFixed(3)),
            `${tellPlace(place(point))}${label(point)}`,
          )
        ),
      ),
    );
  }

  function hover(point: number): void {
    const { scene, similarity, mode } = state;
    if (scene === null || point < 0) {
      readout.replaceChildren();
      return;
    }
    const { positions, labels } = scene;
    const level = scene.levels[state.level];
    const parts = [
      tellPlace([...positions.subarray(3 * point, 3 * point + 3)]),
      ...labels ? [`label ${labels[point]}`] : [],
      ...mode === "regions" ? [`region ${level.region[runAt(level, point)]}`] : [],
      ...mode === "similarity" && similarity ? [`similarity ${similarity[point].toFixed(3)}`] : [],
    ];
    readout.replaceChildren(parts.join(" · "));
  }

  const { encoder, scenes } = report;
  const element = section(
    h(
      "p",
      { class: "lead" },
      `Features of ${encoder!.run}, ${
        encoder!.checkpoint
      }. Drag to turn, scroll to zoom, click a point to compare.`,
    ),
    ...scenes.length > 1
      ? [choice(
        "Scene",
        scenes.map(({ id }, i) => [String(i), id] as const),
        "0",
        (value) => void open(Number(value)),
      )]
      : [],
    h(
      "div",
      { class: "stage" },
      view.element,
      h(
        "div",
        { class: "panel" },
        modes,
        options,
        legend,
        told,
        h(
          "div",
          { class: "view-controls" },
          slider(
            "Point size",
            { min: 0.25, max: 4, step: 0.05, value: 1 },
            (factor) => `${factor.toFixed(2)} ×`,
            (factor) => view.setPointSize(factor),
          ),
          cut,
          h("button", { type: "button", onclick: () => view.resetCamera() }, "Reset view"),
        ),
        h("p", { class: "count" }, ...tellCounts(report)),
      ),
    ),
    ...noteList,
  );
  void open(0);
  return element;
}
