/// <reference lib="dom" />
/** The page of a report: reads what stands in it and shows it. */

import { unpackBytes } from "../bytes.ts";
import type { ReportData, RunData } from "../report_data.ts";
import { chartTooltip } from "./curves/chart.ts";
import { curvesSection } from "./curves/curves.ts";
import { choice, h } from "./dom.ts";
import { when } from "./format.ts";
import { overviewSection } from "./overview.ts";
import { scenesSection } from "./scene/scene_panel.ts";
import { settingsSection } from "./settings.ts";

const RUN_COLORS = 10;

/** What a `<script type="text/plain">` holds. */
function packed(id: string): string {
  return document.getElementById(id)!.textContent;
}

const report: ReportData = JSON.parse(
  new TextDecoder().decode(await unpackBytes(packed("report-data"))),
);
const { runs } = report;
const colorOf = (run: RunData): string => {
  const variable = `--run-${runs.indexOf(run) % RUN_COLORS}`;
  return getComputedStyle(document.documentElement).getPropertyValue(variable).trim();
};
const curves = curvesSection(runs, colorOf);
const theme = choice("Theme", [["", "Auto"], ["light", "Light"], ["dark", "Dark"]], "", (value) => {
  document.documentElement.style.colorScheme = value;
  curves.redraw();
});
document.body.append(
  h(
    "header",
    {},
    h(
      "div",
      {},
      h("h1", {}, runs.length === 1 ? runs[0].name : `${runs.length} runs`),
      h("p", {}, `DBBD pre-training, reported ${when(report.made)}`),
    ),
    theme,
  ),
  h(
    "main",
    {},
    overviewSection(runs, colorOf),
    curves.element,
    scenesSection(report, (index) => packed(`scene-${index}`)),
    settingsSection(runs, colorOf),
  ),
  chartTooltip(),
);
curves.redraw();
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => curves.redraw());
document.documentElement.dataset.ready = "true";
