/// <reference lib="dom" />
/** The runs in a table: how far, how good, how fast, where and when. */

import type { RunData } from "../report_data.ts";
import { h } from "./dom.ts";
import { duration, number, short, when } from "./format.ts";

/** A column: its name, and what it says of a run. */
type Column = readonly [string, (run: RunData) => string];

/** The table, and under it what a reader must know. */
export function overviewSection(
  runs: readonly RunData[],
  colorOf: (run: RunData) => string,
): HTMLElement {
  const used = columnsOf(runs).filter(([, tell]) => runs.some((run) => tell(run) !== "–"));
  const notes = runs.flatMap((run) =>
    run.notes.map((note) => runs.length > 1 ? `${run.name}: ${note}` : note)
  );
  const head = h("tr", {}, h("th", {}, "Name"), ...used.map(([name]) => h("th", {}, name)));
  const rows = runs.map((run) =>
    h(
      "tr",
      {},
      h("th", { title: run.directory }, h("i", { style: `--swatch: ${colorOf(run)}` }), run.name),
      ...used.map(([, tell]) => h("td", {}, tell(run))),
    )
  );
  const table = h(
    "table",
    { class: "overview" },
    h("thead", {}, head),
    h("tbody", {}, ...rows),
  );
  return h(
    "section",
    { id: "runs" },
    h("h2", {}, runs.length === 1 ? "Run" : "Runs"),
    h("div", { class: "scroll" }, table),
    ...notes.length === 0
      ? []
      : [h("ul", { class: "notes" }, ...notes.map((note) => h("li", {}, note)))],
  );
}

function columnsOf(runs: readonly RunData[]): Column[] {
  const probes = [
    ...new Set(runs.flatMap(({ series }) => Object.keys(series)).filter((n) => /probe/i.test(n))),
  ];
  return [
    ["Epochs", tellEpochs],
    ["Steps", ({ extent }) => short(extent.steps)],
    ["Loss", (run) => number(last(run, "total"))],
    ["Best validation", (run) => number(least(run, "validation/total"))],
    ...probes.slice(0, 3).map((name): Column => [
      name.replace(/^probe[/_]/i, "").replace(/_/g, " "),
      (run) => number(last(run, name)),
    ]),
    ["Alignment", (run) => number(last(run, "alignment"))],
    ["Spread", (run) => number(last(run, "feat_std"))],
    ["Points/s", (run) => number(median(run, "points_per_second"))],
    ["Took", ({ extent }) => duration(extent.seconds)],
    ["Started", ({ started }) => started === null ? "–" : when(started)],
    ["Device", ({ device }) => device ?? "–"],
  ];
}

function tellEpochs({ extent: { epochs, epochsPlanned } }: RunData): string {
  return epochsPlanned === null || epochsPlanned === epochs
    ? String(epochs)
    : `${epochs} of ${epochsPlanned}`;
}

function valuesOf({ series }: RunData, name: string): number[] {
  return (series[name]?.value ?? []).filter((value) => value !== null);
}

function last(run: RunData, name: string): number | undefined {
  return valuesOf(run, name).at(-1);
}

function least(run: RunData, name: string): number | undefined {
  const values = valuesOf(run, name);
  return values.length === 0 ? undefined : Math.min(...values);
}

function median(run: RunData, name: string): number | undefined {
  const values = valuesOf(run, name).sort((a, b) => a - b);
  return values[Math.floor(values.length / 2)];
}
