/// <reference lib="dom" />
/** The charts of all runs, and what steers them. */

import type uPlot from "uplot";
import type { RunData, Series } from "../../report_data.ts";
import { type Curve, drawChart, tableOf } from "./chart.ts";
import { type ChartPlan, curvesOf, planCharts } from "./charts.ts";
import { choice, h, slider } from "../dom.ts";
import { duration, number, short } from "../format.ts";
import { smooth } from "./smooth.ts";

/** What is set in the bar above the charts. */
interface Settings {
  smoothing: number;
  log: boolean;
  x: "step" | "time";
  /** Names of runs. */
  readonly hidden: Set<string>;
}

/** The section of curves. `redraw` draws it anew, after a change of the page's colours. */
export function curvesSection(
  runs: readonly RunData[],
  colorOf: (run: RunData) => string,
): { element: HTMLElement; redraw: () => void } {
  const groups = planCharts(runs);
  const settings: Settings = { smoothing: 0.6, log: false, x: "step", hidden: new Set() };
  const charts = new Charts((plan) => drawnCurves(runs, plan, settings, colorOf), settings);
  const drawAll = (): void => charts.draw();
  const toggles = runs.length > 1 ? [runToggles(runs, colorOf, settings.hidden, drawAll)] : [];
  const element = h(
    "section",
    { id: "curves" },
    h("h2", {}, "Curves"),
    ...groups.size === 0
      ? [h("p", { class: "empty" }, "Nothing has been logged yet.")]
      : [h("div", { class: "bar" }, ...toggles, ...controlsOf(settings, charts))],
    ...[...groups].flatMap(([group, plans]) => [
      h("h3", {}, group),
      h("div", { class: "grid" }, ...plans.map((plan) => charts.add(plan))),
    ]),
  );
  new ResizeObserver(() => charts.fit()).observe(element);
  return { element, redraw: drawAll };
}

/** Smoothing, scale and what the curves run over. */
function controlsOf(settings: Settings, charts: Charts): HTMLElement[] {
  return [
    slider(
      "Smoothing",
      { min: 0, max: 0.98, step: 0.02, value: settings.smoothing },
      (value) => value.toFixed(2),
      (value) => {
        settings.smoothing = value;
        charts.setData();
      },
    ),
    choice("Scale", [["linear", "Linear"], ["log", "Log"]], "linear", (value) => {
      settings.log = value === "log";
      charts.draw();
    }),
    choice("Over", [["step", "Steps"], ["time", "Time"]], "step", (value) => {
      settings.x = value;
      charts.draw();
    }),
  ];
}

/** Charts and where they stand. */
class Charts {
  readonly #charts: { plan: ChartPlan; place: HTMLElement; chart: uPlot | null }[] = [];
  readonly #curves: (plan: ChartPlan) => Curve[];
  readonly #settings: Settings;

  constructor(curves: (plan: ChartPlan) => Curve[], settings: Settings) {
    this.#curves = curves;
    this.#settings = settings;
  }

  /** A place for a chart, to be drawn by `draw`. */
  add(plan: ChartPlan): HTMLElement {
    const place = h("div", { class: "chart" });
    this.#charts.push({ plan, place, chart: null });
    return h(
      "figure",
      { "data-chart": plan.key },
      h("figcaption", {}, h("b", {}, plan.title), h("span", {}, plan.note)),
      place,
    );
  }

  /** Draws all anew. */
  draw(): void {
    const { log, x } = this.#settings;
    for (const each of this.#charts) {
      each.chart?.destroy();
      each.chart = drawChart(each.place, this.#curves(each.plan), {
        log,
        tellX: x === "step"
          ? (at) => `Step ${at.toLocaleString("en")}`
          : (at) => `After ${duration(at)}`,
        shortX: x === "step" ? short : shortDuration,
      });
    }
  }

  /** Gives the charts their data anew. */
  setData(): void {
    for (const { plan, chart } of this.#charts) chart?.setData(tableOf(this.#curves(plan)));
  }

  /** Makes the charts as wide as their places. */
  fit(): void {
    for (const { chart, place } of this.#charts) {
      if (chart && place.clientWidth > 0 && place.clientWidth !== chart.width) {
        chart.setSize({ width: place.clientWidth, height: chart.height });
      }
    }
  }
}

/** A button for each run: press to hide or show it, twice to see it alone. */
function runToggles(
  runs: readonly RunData[],
  colorOf: (run: RunData) => string,
  hidden: Set<string>,
  onChange: () => void,
): HTMLElement {
  const buttons = runs.map((run) =>
    h(
      "button",
      {
        type: "button",
        title: `Show or hide ${run.name}; double-click to see it alone`,
        onclick: () => set(run, hidden.has(run.name)),
        ondblclick: () => {
          const alone = runs.every(({ name }) => name === run.name || hidden.has(name));
          for (const other of runs) set(other, alone || other === run);
        },
      },
      h("i", { style: `--swatch: ${colorOf(run)}` }),
      run.name,
    )
  );
  const set = (run: RunData, shown: boolean): void => {
    if (shown) hidden.delete(run.name);
    else hidden.add(run.name);
    for (const [i, { name }] of runs.entries()) {
      buttons[i].setAttribute("aria-pressed", String(!hidden.has(name)));
    }
    onChange();
  };
  for (const button of buttons) button.setAttribute("aria-pressed", "true");
  return h("div", { class: "runs", role: "group", "aria-label": "Runs" }, ...buttons);
}

function drawnCurves(
  runs: readonly RunData[],
  plan: ChartPlan,
  { smoothing, x, hidden }: Settings,
  colorOf: (run: RunData) => string,
): Curve[] {
  return runs.filter(({ name }) => !hidden.has(name)).flatMap((run) => {
    const { training, validation } = curvesOf(run, plan);
    const curve = (series: Series, kind: Curve["kind"], y = series.value): Curve => ({
      name: run.name,
      color: colorOf(run),
      kind,
      x: x === "step" ? series.step : ascending(series.seconds),
      y,
    });
    const weight = plan.smoothed ? smoothing : 0;
    return [
      ...training === undefined ? [] : [
        // Both always, so that a change of smoothing changes data and not the chart.
        curve(training, "faint", weight > 0 ? training.value : training.value.map(() => null)),
        curve(training, "line", smooth(training.value, weight)),
      ],
      ...validation === undefined ? [] : [curve(validation, "dashed")],
    ];
  });
}

/** The clock may have been set back; the axis goes forwards. */
function ascending(seconds: readonly number[]): number[] {
  let last = -Infinity;
  return seconds.map((second) => last = second > last ? second : last + 1e-3);
}

function shortDuration(seconds: number): string {
  if (seconds === 0) return "0";
  if (seconds < 120) return `${number(seconds).replace(/\.?0+$/, "")} s`;
  if (seconds < 7200) return `${short(Math.round(seconds / 6) / 10)} min`;
  return `${short(Math.round(seconds / 360) / 10)} h`;
}
