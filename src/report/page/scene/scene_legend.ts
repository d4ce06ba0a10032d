/// <reference lib="dom" />
/** What colours mean, and numbers of scenes in words. */

import type { ReportData } from "../../report_data.ts";
import { h } from "../dom.ts";
import type { LoadedScene } from "./loaded_scene.ts";
import { css, FADED, kindColor, mapColor } from "./scene_colors.ts";
import { quantile } from "./similarity.ts";

const LABELS_SHOWN = 24;

/** Labels with their colours and how many points have them. */
export function kindsLegend(labels: Int32Array): (Node | string)[] {
  const order = orderOf(labels);
  const counts = new Map<number, number>();
  for (const label of labels) counts.set(label, (counts.get(label) ?? 0) + 1);
  const all = [...counts].sort(([a], [b]) => a - b);
  return [
    h(
      "ul",
      { class: "kinds" },
      ...all.slice(0, LABELS_SHOWN).map(([label, count]) =>
        h(
          "li",
          {},
          h("i", { style: `--swatch: ${css(label < 0 ? FADED : kindColor(order(label)))}` }),
          `${label} `,
          h("small", {}, count.toLocaleString("en")),
        )
      ),
    ),
    ...all.length > LABELS_SHOWN ? [`and ${all.length - LABELS_SHOWN} more`] : [],
  ];
}

/** Which scenes are shown in part. */
export function tellCounts({ scenes }: ReportData): string[] {
  const thinned = scenes.filter(({ points, pointsOfScene }) => points < pointsOfScene);
  if (thinned.length === 0) return [];
  return [
    thinned.map(({ id, points, pointsOfScene }) =>
      `${id}: ${points.toLocaleString("en")} of ${pointsOfScene.toLocaleString("en")} points shown`
    ).join("; "),
  ];
}

/** (1.00, −2.50, 0.30), in metres. */
export function tellPlace(place: readonly number[]): string {
  return `(${place.map((value) => value.toFixed(2).replace("-", "−")).join(", ")})`;
}

/** The map of numbers with its ends. */
export function scale(low: string, high: string): HTMLElement {
  const stops = Array.from({ length: 9 }, (_, i) => css(mapColor(i / 8))).join(", ");
  return h(
    "div",
    { class: "scale" },
    h("span", {}, low),
    h("i", { style: `background: linear-gradient(to right, ${stops})` }),
    h("span", {}, high),
  );
}

/** Most features have something in common: the map begins where the similarities do. */
export function lowOf(similarity: Float32Array): number {
  return quantile(similarity, 0.01);
}

/** The lowest and the highest z. */
export function heights({ positions }: LoadedScene): { low: number; high: number } {
  let low = Infinity, high = -Infinity;
  for (let i = 2; i < positions.length; i += 3) {
    low = Math.min(low, positions[i]);
    high = Math.max(high, positions[i]);
  }
  return { low, high };
}

/** Labels by their rank, so that colours are those of the first few kinds. */
export function orderOf(labels: Int32Array): (label: number) => number {
  const ranks = new Map(
    [...new Set(labels)].filter((label) => label >= 0).sort((a, b) => a - b)
      .map((label, rank) => [label, rank]),
  );
  return (label) => ranks.get(label) ?? 0;
}
