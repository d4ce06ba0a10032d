/// <reference lib="dom" />
/** The runs' settings; what differs between them comes first. */

import type { RunData } from "../report_data.ts";
import { type ComparedSetting, compareSettings } from "./compare.ts";
import { h } from "./dom.ts";

/** The section of settings. */
export function settingsSection(
  runs: readonly RunData[],
  colorOf: (run: RunData) => string,
): HTMLElement {
  const settings = compareSettings(runs.map(({ config }) => config));
  const differing = settings.filter(({ differs }) => differs);
  const common = settings.filter(({ differs }) => !differs);
  const content = settings.length === 0
    ? [h("p", { class: "empty" }, "No settings were found.")]
    : runs.length === 1
    ? [list(common)]
    : [
      differing.length === 0
        ? h("p", { class: "empty" }, "All runs have the same settings.")
        : comparison(runs, differing, colorOf),
      h(
        "details",
        {},
        h("summary", {}, `${common.length} settings that all runs share`),
        list(common),
      ),
    ];
  return h("section", { id: "settings" }, h("h2", {}, "Settings"), ...content);
}

function list(settings: readonly ComparedSetting[]): HTMLElement {
  return h(
    "dl",
    { class: "settings" },
    ...settings.map(({ key, values: [value] }) =>
      h("div", {}, h("dt", {}, key), h("dd", {}, value ?? "–"))
    ),
  );
}

function comparison(
  runs: readonly RunData[],
  settings: readonly ComparedSetting[],
  colorOf: (run: RunData) => string,
): HTMLElement {
  return h(
    "div",
    { class: "scroll" },
    h(
      "table",
      { class: "comparison" },
      h("thead", {}, h("tr", {}, h("th", {}), ...settings.map(({ key }) => h("th", {}, key)))),
      h(
        "tbody",
        {},
        ...runs.map((run, i) =>
          h(
            "tr",
            {},
            h("th", {}, h("i", { style: `--swatch: ${colorOf(run)}` }), run.name),
            ...settings.map(({ values }) => h("td", {}, values[i] ?? "–")),
          )
        ),
      ),
    ),
  );
}
