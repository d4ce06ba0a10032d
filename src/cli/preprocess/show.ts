/** What `preprocess` says to the person who runs it. */

import { basename } from "@std/path";
import { printable } from "../../base/printable.ts";
import { describeLeftOut } from "../../scenes/preprocess/belongs.ts";
import type { Plan } from "../../scenes/preprocess/plan.ts";
import type { Prepared, PreprocessIndex, PreprocessProgress } from "../../scenes/preprocess/run.ts";

const NUMBER = new Intl.NumberFormat("en");
const SPLITS = ["train", "val", "test"] as const;
const NOTES_SHOWN = 8, NAMES_SHOWN = 3, CLASSES_SHOWN = 12;

/** What a run would do, several lines. */
export function describePlan({ plan, done, moved, stale }: Prepared, output: string): string {
  const { scenes, classes, leftOut } = plan;
  const lines = [`${count(scenes.length, "scene")} into ${output}`];
  for (const split of SPLITS) {
    const of = scenes.filter((scene) => scene.split === split);
    if (of.length === 0) continue;
    const names = of.slice(0, NAMES_SHOWN).map(({ id, source }) => `${id} (${source.name})`);
    const rest = of.length > NAMES_SHOWN ? ", …" : "";
    lines.push(`  ${split.padEnd(6)} ${count(of.length, "scene")}: ${names.join(", ")}${rest}`);
  }
  if (classes.length > 0) {
    const shown = classes.slice(0, CLASSES_SHOWN).map((name, label) => `${label} ${name}`);
    lines.push(
      `  labels ${shown.join(", ")}${
        classes.length > CLASSES_SHOWN ? `, … (${classes.length})` : ""
      }`,
    );
  }
  if (leftOut > 0) lines.push(`  ${count(leftOut, "file")} left out: not in the split file`);
  lines.push(...describeBeside(plan.beside).map((line) => `  ${line}`));
  if (done.size > 0) lines.push(`  ${count(done.size, "scene")} made already`);
  if (moved.length > 0) lines.push(`  ${count(moved.length, "scene")} of an earlier run replaced`);
  if (stale.length > 0) {
    lines.push(`  ${count(stale.length, "scene")} of another run in the way, such as ${stale[0]}`);
  }
  return lines.join("\n");
}

/**
 * What is in the inputs besides scenes, a line each: lists that give the splits, files left out,
 * what cannot be read.
 */
export function describeBeside({ leftOut, passedOver, lists }: Plan["beside"]): string[] {
  const lines: string[] = [];
  if (lists !== undefined && lists.length > 0) {
    lines.push(`splits by the lists ${lists.map((path) => basename(path)).join(", ")}`);
  }
  const others = describeLeftOut(leftOut ?? []);
  if (others !== undefined) lines.push(others);
  for (const { path, reason } of (passedOver ?? []).slice(0, NAMES_SHOWN)) {
    lines.push(`passed over ${printable(path)}: ${printable(reason)}`);
  }
  const more = (passedOver?.length ?? 0) - NAMES_SHOWN;
  if (more > 0) lines.push(`passed over ${NUMBER.format(more)} others that cannot be read`);
  return lines;
}

/** How a run went, several lines. */
export function describeResult(index: PreprocessIndex, output: string, seconds: number): string {
  const { counts, totals, scenes, failed } = index;
  const splits = SPLITS.filter((split) => counts[split].scenes > 0).map((split) =>
    `${split} ${NUMBER.format(counts[split].scenes)}`
  );
  const points = scenes.reduce((sum, scene) => sum + scene.points, 0);
  const regions = scenes.reduce((sum, scene) => sum + scene.regions, 0);
  const lines = [
    `${count(scenes.length, "scene")} in ${output} (${splits.join(", ")}): ` +
    `${NUMBER.format(points)} points, ${NUMBER.format(regions)} regions, in ${duration(seconds)}`,
  ];
  const removed = [
    [totals.nonFinite, "not finite"],
    [totals.duplicates, "twice in a place"],
    [totals.voxels, "by voxels"],
    [totals.limit, "over the limit"],
  ].filter(([points]) => Number(points) > 0)
    .map(([points, why]) => `${NUMBER.format(Number(points))} ${why}`);
  if (removed.length > 0) lines.push(`  points removed: ${removed.join(", ")}`);
  if (totals.sampled > 0) {
    lines.push(`  points drawn from meshes: ${NUMBER.format(totals.sampled)}`);
  }
  if (totals.estimatedNormals > 0) {
    lines.push(`  normals estimated: ${NUMBER.format(totals.estimatedNormals)}`);
  }
  if (index.pointClasses !== undefined) {
    const shown = index.pointClasses.slice(0, CLASSES_SHOWN);
    lines.push(
      `  labels of points ${shown.map((name, i) => `${i} ${printable(name)}`).join(", ")}${
        index.pointClasses.length > shown.length ? `, … (${index.pointClasses.length})` : ""
      }`,
    );
  }
  lines.push(...describeNotes(scenes).map((line) => `  ${line}`));
  if (failed.length > 0) lines.push(`  skipped: ${count(failed.length, "file")}, see index.json`);
  return lines.join("\n");
}

/** What readers guessed or doubt, each once with how many files it is said of. */
export function describeNotes(
  scenes: readonly { readonly source: string; readonly notes?: readonly string[] }[],
): string[] {
  const sources = new Map<string, string[]>();
  for (const { source, notes = [] } of scenes) {
    for (const note of notes) {
      const said = sources.get(note);
      if (said === undefined) sources.set(note, [source]);
      else said.push(source);
    }
  }
  const told = [...sources].slice(0, NOTES_SHOWN).map(([note, [first, ...others]]) => {
    const more = others.length > 0 ? ` and ${NUMBER.format(others.length)} more` : "";
    return `note on ${printable(first)}${more}: ${note}`;
  });
  const rest = sources.size - told.length;
  return rest > 0 ? [...told, `${NUMBER.format(rest)} other notes, see the index`] : told;
}

/** How far a run is that began `seconds` ago. */
export function describeProgress(
  { done, failed, total, share }: PreprocessProgress,
  seconds: number,
): string {
  const left = share > 0 && share < 1 ? `, ${duration(seconds / share - seconds)} left` : "";
  const skipped = failed > 0 ? `, ${failed} skipped` : "";
  return `${done + failed} of ${total} (${Math.floor(100 * share)} %)${skipped}${left}`;
}

function count(n: number, what: string): string {
  return `${NUMBER.format(n)} ${what}${n === 1 ? "" : "s"}`;
}

function duration(seconds: number): string {
  if (seconds < 60) return `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
