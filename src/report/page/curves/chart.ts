/// <reference lib="dom" />
/** One chart: the curves of several runs over a common axis, with a read-out under the pointer. */

import uPlot from "uplot";
import { color, h } from "../dom.ts";
import { number, short } from "../format.ts";
import { linearTicks, logTicks } from "./ticks.ts";

/** A curve as it is drawn. */
export interface Curve {
  /** Of the run; the read-out names it. */
  readonly name: string;
  readonly color: string;
  /**
   * line; faint: the values that the next curve smooths; dashed: with a dot at each value, such as
   * a validation's.
   */
  readonly kind: "line" | "faint" | "dashed";
  readonly x: readonly number[];
  readonly y: readonly (number | null)[];
}

/** How all charts of a page are drawn. */
export interface ChartStyle {
  readonly log: boolean;
  /** Names a place on the horizontal axis in the read-out. */
  readonly tellX: (x: number) => string;
  /** Marks on the horizontal axis. */
  readonly shortX: (x: number) => string;
}

const HEIGHT = 200;
const FONT = "11px system-ui, sans-serif";
const sync = uPlot.sync("report");
let hovered: uPlot | null = null;

const tooltip = h("div", { class: "tooltip", hidden: true });

/** The read-out, one for all charts; put it at the end of the body. */
export function chartTooltip(): HTMLElement {
  return tooltip;
}

/**
 * Draws curves into `place`, as wide as it is. The same place is drawn into again after its chart
 * is destroyed.
 */
export function drawChart(
  place: HTMLElement,
  curves: readonly Curve[],
  style: ChartStyle,
): uPlot {
  const log = style.log && curves.every(({ y }) => y.every((value) => value === null || value > 0));
  const chart: uPlot = new uPlot(
    {
      width: place.clientWidth,
      height: HEIGHT,
      padding: [8, 8, 0, 0],
      legend: { show: false },
      cursor: {
        sync: { key: sync.key, setSeries: false, scales: ["x", null] },
        y: false,
        drag: { x: true, y: false },
        points: { size: 6 },
        dataIdx: nearestValue,
      },
      scales: {
        x: { time: false },
        y: log
          ? {
            distr: 3,
            range: (_, low, high) => [low / margin(low, high), high * margin(low, high)],
          }
          : { range: (_, low, high) => padded(low, high) },
      },
      axes: axesOf(log, style),
      series: [{}, ...curves.map(seriesOf)],
      hooks: { setCursor: [(u) => u === hovered && showTooltip(u, curves, style)] },
    },
    tableOf(curves),
    place,
  );
  chart.over.addEventListener("pointerenter", () => hovered = chart);
  chart.over.addEventListener("pointerleave", () => {
    hovered = null;
    tooltip.hidden = true;
  });
  return chart;
}

/** The axes of x and y. */
function axesOf(log: boolean, { shortX }: ChartStyle): uPlot.Axis[] {
  const axis: uPlot.Axis = {
    stroke: color("--muted"),
    font: FONT,
    grid: { stroke: color("--line"), width: 1 },
    ticks: { show: false },
  };
  return [
    {
      ...axis,
      size: 28,
      gap: 6,
      grid: { show: false },
      splits: (u, _, low, high) => linearTicks(low, high, u.width / 90),
      values: (_, ticks) => ticks.map(shortX),
    },
    {
      ...axis,
      size: 46,
      gap: 6,
      splits: (_, __, low, high) => (log ? logTicks : linearTicks)(low, high, 4),
      filter: (_, ticks) => ticks,
      values: (_, ticks) => ticks.map((tick) => tick === null ? "" : short(tick)),
    },
  ];
}

/** The curves over the union of their places. */
export function tableOf(curves: readonly Curve[]): uPlot.AlignedData {
  if (curves.length === 0) return [[]];
  return uPlot.join(curves.map(({ x, y }) => [[...x], [...y]]));
}

function seriesOf({ kind, color }: Curve): uPlot.Series {
  const base: uPlot.Series = { stroke: color, spanGaps: true, points: { show: false } };
  if (kind === "faint") return { ...base, width: 1, alpha: 0.22 };
  if (kind === "line") return { ...base, width: 1.75 };
  const points = { show: true, size: 5, stroke: color, fill: color };
  return { ...base, width: 1.5, dash: [5, 4], points };
}

function padded(low: number | null, high: number | null): [number, number] {
  if (low === null || high === null) return [0, 1];
  const room = (high - low || Math.abs(high) || 1) * 0.06;
  return [low - room, high + room];
}

function margin(low: number, high: number): number {
  return Math.max(1.02, (high / low) ** 0.06);
}

/**
 * The place nearest to the pointer at which the series has a value: others' steps are not its own.
 */
function nearestValue(u: uPlot, series: number, index: number, at: number): number {
  const x = u.data[0], y = u.data[series];
  if (series === 0) return index;
  const seek = (step: number): number => {
    let i = index;
    while (i >= 0 && i < y.length && typeof y[i] !== "number") i += step;
    return i;
  };
  const before = seek(-1), after = seek(1);
  if (before < 0) return after < y.length ? after : index;
  if (after >= y.length) return before;
  return at - x[before] <= x[after] - at ? before : after;
}

function showTooltip(u: uPlot, curves: readonly Curve[], style: ChartStyle): void {
  const { left, top, idx, idxs } = u.cursor;
  if (idx === null || idx === undefined || left === undefined || left < 0) {
    tooltip.hidden = true;
    return;
  }
  const at = (i: number): number | null | undefined => u.data[i + 1][idxs?.[i + 1] ?? idx];
  const rows = curves.map((curve, i) => ({
    curve,
    value: at(i),
    raw: curves[i - 1]?.kind === "faint" ? at(i - 1) : null,
  })).filter(({ curve, value }) => curve.kind !== "faint" && typeof value === "number");
  const smoothed = rows.some(({ raw }) => typeof raw === "number");
  tooltip.replaceChildren(
    h("div", { class: "tooltip-title" }, style.tellX(u.data[0][idx])),
    ...rows.map(({ curve, value, raw }) =>
      h(
        "div",
        { class: "tooltip-row" },
        h("i", { class: curve.kind, style: `--swatch: ${curve.color}` }),
        h("span", {}, curve.kind === "dashed" ? `${curve.name}, validation` : curve.name),
        h("b", {}, number(value)),
        ...smoothed ? [h("small", {}, typeof raw === "number" ? number(raw) : "")] : [],
      )
    ),
  );
  tooltip.hidden = false;
  const box = u.over.getBoundingClientRect();
  const width = tooltip.offsetWidth, height = tooltip.offsetHeight;
  const right = box.left + left + 14;
  const x = right + width > document.documentElement.clientWidth
    ? box.left + left - width - 14
    : right;
  const y = Math.min(box.top + (top ?? 0) + 10, document.documentElement.clientHeight - height - 8);
  tooltip.style.transform = `translate(${Math.max(8, x)}px, ${Math.max(8, y)}px)`;
}
