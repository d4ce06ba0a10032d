/** Which curves stand in which chart. */

import type { RunData, Series } from "../../report_data.ts";

/** One chart of the page. */
export interface ChartPlan {
  readonly key: string;
  readonly title: string;
  readonly note: string;
  /** The heading that it stands under. */
  readonly group: string;
  /** Whether smoothing means anything: not for what is measured seldom or set. */
  readonly smoothed: boolean;
}

const LOSS = "Losses",
  LEVELS = "Region loss by level",
  FEATURES = "Features",
  PROBE = "Probe",
  PACE = "Pace and schedule";
const OTHER = "Other";
const GROUPS = [LOSS, PROBE, LEVELS, FEATURES, PACE, OTHER];
const VALIDATION = "validation/";

const KNOWN: readonly ChartPlan[] = [
  plan("total", "Total", "α · region + β · point", LOSS, true),
  plan("region", "Region", "mean over the levels", LOSS, true),
  plan("point", "Point", "of the points drawn", LOSS, true),
  plan("epoch/train_loss", "Epoch mean", "of the total, all steps of an epoch", LOSS, false),
  plan("alignment", "Alignment", "mean cosine of a point's two features", FEATURES, true),
  plan("feat_std", "Feature spread", "near 0: all features are the same", FEATURES, true),
  plan("feat_norm", "Feature norm", "mean length of G2L's point features", FEATURES, true),
  plan("learning_rate", "Learning rate", "", PACE, false),
  plan("points_per_second", "Throughput", "points a second", PACE, true),
];
/** Says the same as learning_rate, more seldom. */
const LEFT_OUT = new Set(["epoch/learning_rate"]);

function plan(
  key: string,
  title: string,
  note: string,
  group: string,
  smoothed: boolean,
): ChartPlan {
  return { key, title, note, group, smoothed };
}

/**
 * The charts for the curves that any of the runs has, by heading; one with a heading but no curve
 * is left out.
 */
export function planCharts(runs: readonly RunData[]): Map<string, ChartPlan[]> {
  const names = new Set(
    runs.flatMap(({ series }) => Object.keys(series)).map((name) =>
      name.startsWith(VALIDATION) ? name.slice(VALIDATION.length) : name
    ),
  );
  const unknown = [...names]
    .filter((name) => !LEFT_OUT.has(name) && !KNOWN.some(({ key }) => key === name))
    .sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
  const plans = [...KNOWN.filter(({ key }) => names.has(key)), ...unknown.map(planOf)];
  const groups = GROUPS.map((group) =>
    [group, plans.filter((each) => each.group === group)] as const
  );
  return new Map(groups.filter(([, charts]) => charts.length > 0));
}

function planOf(name: string): ChartPlan {
  const level = /^region_level_(\d+)$/.exec(name);
  if (level !== null) {
    const note = level[1] === "0" ? "the whole scenes" : "";
    return plan(name, `Level ${level[1]}`, note, LEVELS, true);
  }
  if (/probe/i.test(name)) {
    return plan(name, name.replace(/^probe[/_]/i, "").replace(/_/g, " "), "", PROBE, false);
  }
  return plan(name, name, "", OTHER, false);
}

/** A run's curves of a chart: as trained, and as validated. */
export function curvesOf(
  { series }: RunData,
  { key }: ChartPlan,
): { training: Series | undefined; validation: Series | undefined } {
  return { training: series[key], validation: series[VALIDATION + key] };
}
