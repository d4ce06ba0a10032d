/// <reference lib="dom" />
/** The section of scenes: a view, what steers it, and what it says of a point. */

import type { ReportData } from "../../report_data.ts";
import { shownHeight } from "./ceiling.ts";
import { choice, h, slider } from "../dom.ts";
import { type LoadedScene, loadScene, runAt } from "./loaded_scene.ts";
import { heights, tellCounts, tellPlace } from "./scene_legend.ts";
import {
  colorsOf,
  compare,
  firstState,
  legendOf,
  MODE_NAMES,
  modesOf,
  type SceneState,
} from "./scene_state.ts";
import { type SceneView, sceneView } from "./scene_view.ts";
import { nearestElsewhere } from "./similarity.ts";

const NEIGHBOURS = 6;
/** Neighbours are this share of the scene's longest side apart. */
const APART = 0.06;

/** The section, or why there is none. `packedOf` gives a scene's packed bytes. */
export function scenesSection(
  report: ReportData,
  packedOf: (index: number) => string,
): HTMLElement {
  const notes = report.notes.map((note) => h("li", {}, note));
  const noteList = notes.length === 0 ? [] : [h("ul", { class: "notes" }, ...notes)];
  const section = (...content: readonly Node[]): HTMLElement =>
    h("section", { id: "scenes" }, h("h2", {}, "Scenes"), ...content, ...noteList);
  const empty = (why: string): HTMLElement => section(h("p", { class: "empty" }, why));
  if (report.scenes.length === 0) {
    return empty("No scenes are shown: features need a checkpoint of the run.");
  }
  let panel: ScenePanel;
  try {
    panel = new ScenePanel(report, packedOf);
  } catch (error) {
    return empty(`Scenes need WebGL 2: ${(error as Error).message}`);
  }
  const element = section(...panel.content());
  void panel.open(0);
  return element;
}

/** A view of scenes with its controls. */
class ScenePanel {
  readonly #report: ReportData;
  readonly #packedOf: (index: number) => string;
  readonly #view: SceneView;
  readonly #state: SceneState = firstState();
  readonly #loaded = new Map<number, Promise<LoadedScene>>();
  readonly #modes = h("div", { class: "modes" });
  readonly #options = h("div", { class: "options" });
  readonly #legend = h("div", { class: "legend" });
  readonly #told = h("div", { class: "told" });
  readonly #readout = h("div", { class: "readout", role: "status" });
  readonly #cut = h("div");

  /** Throws an Error where the browser has no WebGL 2. */
  constructor(report: ReportData, packedOf: (index: number) => string) {
    this.#report = report;
    this.#packedOf = packedOf;
    this.#view = sceneView((point) => this.#choose(point), (point) => this.#hover(point));
    this.#view.element.append(this.#readout);
  }

  /** What stands in the section. */
  content(): Node[] {
    const { encoder, scenes } = this.#report;
    const lead = `Features of ${encoder!.run}, ${encoder!.checkpoint}. ` +
      "Drag to turn, scroll to zoom, click a point to compare.";
    const names = scenes.map(({ id }, i) => [String(i), id] as const);
    return [
      h("p", { class: "lead" }, lead),
      ...scenes.length > 1
        ? [choice("Scene", names, "0", (value) => void this.open(Number(value)))]
        : [],
      h("div", { class: "stage" }, this.#view.element, this.#controls()),
    ];
  }

  #controls(): HTMLElement {
    const view = this.#view;
    return h(
      "div",
      { class: "panel" },
      this.#modes,
      this.#options,
      this.#legend,
      this.#told,
      h(
        "div",
        { class: "view-controls" },
        slider(
          "Point size",
          { min: 0.25, max: 4, step: 0.05, value: 1 },
          (factor) => `${factor.toFixed(2)} ×`,
          (factor) => view.setPointSize(factor),
        ),
        this.#cut,
        h("button", { type: "button", onclick: () => view.resetCamera() }, "Reset view"),
      ),
      h("p", { class: "count" }, ...tellCounts(this.#report)),
    );
  }

  /** Shows a scene once it is loaded, unless another was asked for by then. */
  async open(index: number): Promise<void> {
    const state = this.#state, view = this.#view;
    view.element.classList.add("loading");
    state.index = index;
    const promise = this.#loaded.get(index) ??
      loadScene(this.#report.scenes[index], this.#packedOf(index));
    this.#loaded.set(index, promise);
    const scene = await promise;
    if (state.index !== index) return;
    state.scene = scene;
    if (!modesOf(scene).includes(state.mode)) state.mode = "components";
    state.level = Math.min(state.level, scene.levels.length - 1);
    compare(state);
    const { low, high } = heights(scene);
    const cutAt = (share: number): number => share === 1 ? Infinity : low + share * (high - low);
    const shown = shownHeight(scene.positions);
    view.setPoints(scene.positions, colorsOf(scene, state), cutAt(shown));
    this.#cut.replaceChildren(slider(
      "Cut above",
      { min: 0, max: 1, step: 0.01, value: shown },
      (share) => share === 1 ? "off" : `${cutAt(share).toFixed(2)} m`,
      (share) => view.setCut(cutAt(share)),
    ));
    view.element.classList.remove("loading");
    this.#refresh();
    view.element.dataset.scene = scene.data.id;
  }

  /** Compares all points with one. */
  #choose(point: number): void {
    const state = this.#state, { scene } = state;
    if (scene === null) return;
    const features = scene.branches.map(({ data: { width }, features }) =>
      features.slice(point * width, (point + 1) * width)
    );
    state.query = { scene: scene.data.id, index: state.index, point, features };
    state.mode = "similarity";
    compare(state);
    this.#redraw();
    this.#hover(point);
  }

  /** Says what there is to a point; of -1, nothing. */
  #hover(point: number): void {
    const { scene, similarity, mode, level: shown } = this.#state;
    if (scene === null || point < 0) {
      this.#readout.replaceChildren();
      return;
    }
    const { positions, labels } = scene;
    const level = scene.levels[shown];
    const parts = [
      tellPlace([...positions.subarray(3 * point, 3 * point + 3)]),
      ...labels ? [`label ${labels[point]}`] : [],
      ...mode === "regions" ? [`region ${level.region[runAt(level, point)]}`] : [],
      ...mode === "similarity" && similarity ? [`similarity ${similarity[point].toFixed(3)}`] : [],
    ];
    this.#readout.replaceChildren(parts.join(" · "));
  }

  #recolor(): void {
    const { scene } = this.#state;
    if (scene !== null) this.#view.setColors(colorsOf(scene, this.#state));
  }

  /** After a change of what points are coloured by. */
  #redraw(): void {
    this.#recolor();
    this.#refresh();
  }

  /** Controls, legend and what is said of the chosen point, after a change of what is shown. */
  #refresh(): void {
    const state = this.#state, { scene, mode } = state;
    if (scene === null) return;
    const names = modesOf(scene).map((each) => [each, MODE_NAMES[each]] as const);
    this.#modes.replaceChildren(choice("Colour by", names, mode, (value) => {
      state.mode = value;
      this.#redraw();
    }));
    const byFeatures = mode === "components" || mode === "similarity";
    this.#options.replaceChildren(
      ...byFeatures ? [this.#branchChoice(scene)] : [],
      ...mode === "similarity" && state.query !== null ? [this.#nearestSlider()] : [],
      ...mode === "regions" ? [this.#levelSlider(scene)] : [],
    );
    this.#legend.replaceChildren(...legendOf(scene, state));
    this.#tellQuery(scene);
  }

  #branchChoice(scene: LoadedScene): HTMLElement {
    const state = this.#state;
    const names = scene.branches.map(({ data: { name } }, i) => [String(i), name] as const);
    return choice("Features", names, String(state.branch), (value) => {
      state.branch = Number(value);
      compare(state);
      this.#redraw();
    });
  }

  #nearestSlider(): HTMLElement {
    return slider(
      "Nearest",
      { min: -3, max: 0, step: 0.05, value: Math.log10(this.#state.nearest) },
      (power) => power === 0 ? "all" : `${Number((100 * 10 ** power).toPrecision(2))} %`,
      (power) => {
        this.#state.nearest = 10 ** power;
        this.#recolor();
      },
    );
  }

  #levelSlider(scene: LoadedScene): HTMLElement {
    return slider(
      "Level",
      { min: 0, max: scene.levels.length - 1, step: 1, value: this.#state.level },
      (level) => `${level}`,
      (level) => {
        this.#state.level = level;
        this.#recolor();
        this.#legend.replaceChildren(...legendOf(scene, this.#state));
      },
    );
  }

  /** Marks the chosen point and those most like it, and lists them. */
  #tellQuery(scene: LoadedScene): void {
    const { query, similarity, mode, index } = this.#state;
    if (query === null || similarity === null || mode !== "similarity") {
      this.#told.replaceChildren();
      this.#view.setMarks([]);
      return;
    }
    const here = query.index === index;
    const { positions } = scene;
    const place = (point: number) => [...positions.subarray(3 * point, 3 * point + 3)];
    const extent = 65534 * scene.data.scale;
    const neighbours = nearestElsewhere(similarity, positions, here ? [place(query.point)] : [], {
      apart: APART * extent,
      count: NEIGHBOURS,
    });
    this.#view.setMarks([...here ? [query.point] : [], ...neighbours]);
    const label = (point: number): string => scene.labels ? ` · label ${scene.labels[point]}` : "";
    const items = neighbours.map((point) =>
      h(
        "li",
        {},
        h("b", {}, similarity[point].toFixed(3)),
        `${tellPlace(place(point))}${label(point)}`,
      )
    );
    this.#told.replaceChildren(
      h("h4", {}, here ? `Point ${query.point}${label(query.point)}` : `Point of ${query.scene}`),
      h("p", {}, "Most similar elsewhere"),
      h("ol", {}, ...items),
    );
  }
}
