/** An evaluation as a table for people and as a row for spreadsheets. */

import { writeFileAtomically } from "../../base/atomic_write.ts";
import { DataError, UsageError } from "../../base/errors.ts";
import type { Evaluation } from "../../evaluation/evaluate.ts";
import type { Gain, ObjectResult } from "../../evaluation/object_protocols.ts";
import type { PointResult } from "../../evaluation/point_protocol.ts";

const NUMBER = new Intl.NumberFormat("en");
const percent = (share: number): string => (100 * share).toFixed(1);

function signed(share: number): string {
  return (share < 0 ? "−" : "+") + percent(Math.abs(share));
}

function gainText({ difference, low, high }: Gain): string {
  return `${signed(difference)} [${signed(low)}, ${signed(high)}]`;
}

/** What the draws chose: one value, or the least and the largest. */
function range(values: readonly number[]): string {
  const least = Math.min(...values), most = Math.max(...values);
  return least === most ? `${least}` : `${least}–${most}`;
}

/** Columns as wide as their widest cell: the first to the left, the others to the right. */
function aligned(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0].map((_, c) => Math.max(...rows.map((row) => row[c].length)));
  return rows.map((row) =>
    "  " + row.map((cell, c) => c === 0 ? cell.padEnd(widths[c]) : cell.padStart(widths[c]))
      .join("  ").trimEnd()
  );
}

/** The whole evaluation, several lines. */
export function describeEvaluation(evaluation: Evaluation): string {
  const { checkpoint, data, testedOn, scenes, features, objects, points } = evaluation;
  const lines = [
    `${checkpoint}, features ${features}`,
    `Trained on ${NUMBER.format(scenes.train)} scenes of ${data}, tested on ${
      NUMBER.format(scenes.test)
    }: ${testedOn}`,
  ];
  if (objects) {
    const { classes, widths, results, skipped } = objects;
    const sizes = Object.entries(widths).map(([name, width]) => `${name} ${width}`).join(", ");
    lines.push(`${classes.length} classes; values of a scene: ${sizes}`);
    const protocols = [...new Set(results.map(({ protocol }) => protocol))];
    for (const protocol of protocols) {
      lines.push("", ...objectLines(results.filter((result) => result.protocol === protocol)));
    }
    if (skipped.length > 0) {
      lines.push(`  not possible with these classes: ${skipped.join(", ")}`);
    }
  }
  if (points) lines.push("", ...pointLines(points));
  return lines.join("\n");
}

function objectLines(results: readonly ObjectResult[]): string[] {
  const [{ protocol, classifier, parameter, scores, gains }] = results;
  const title = `${protocol}: ${classifier}, accuracy in %; gains with 95 % intervals`;
  const head = [
    protocol === "fewshot" ? "task" : "labels",
    ...scores.map(({ features }) => features),
    ...gains.map(({ over }) => `gain over ${over}`),
    parameter,
  ];
  const rows = results.map((result) => [
    protocol === "fewshot" ? result.setting : `${result.setting} (${NUMBER.format(result.labels)})`,
    ...result.scores.map(({ accuracy, deviation }) =>
      result.draws > 1 ? `${percent(accuracy)} ± ${percent(deviation)}` : percent(accuracy)
    ),
    ...result.gains.map(gainText),
    result.scores.map(({ chosen }) => range(chosen)).join(", "),
  ]);
  const lines = [title, ...aligned([head, ...rows])];
  for (const chosenOn of new Set(results.map((result) => result.chosenOn))) {
    const settings = results.filter((result) => result.chosenOn === chosenOn).map((r) => r.setting);
    lines.push(`  ${parameter} chosen on ${chosenOn} (${settings.join(", ")})`);
    const last = results.findLast((result) => result.chosenOn === chosenOn)!;
    for (const { features, validation } of last.scores) {
      const tried = validation.map(({ value, accuracy }) => `${value}: ${percent(accuracy)}`);
      lines.push(`    ${last.setting}, ${features}: ${tried.join("  ")}`);
    }
  }
  return lines;
}

function pointLines(points: PointResult): string[] {
  const { classes, trainPoints, testPoints, ignoredPoints, chosenOn, resampled, scores, gains } =
    points;
  const value = (share: number | null): string => share === null ? "–" : percent(share);
  const head = ["in %", ...scores.map(({ features }) => features)];
  const rows = [
    ["mean IoU", ...scores.map(({ meanIoU }) => percent(meanIoU))],
    ["accuracy", ...scores.map(({ accuracy }) => percent(accuracy))],
    ["mean class accuracy", ...scores.map(({ meanAccuracy }) => percent(meanAccuracy))],
    ...classes.map((label, c) => [`IoU of ${label}`, ...scores.map(({ iou }) => value(iou[c]))]),
  ];
  return [
    `points: logistic regression on ${NUMBER.format(trainPoints.fitted)} of ${
      NUMBER.format(trainPoints.all)
    } training points, tested on ${NUMBER.format(testPoints)}; ${
      NUMBER.format(ignoredPoints)
    } without a class that counts`,
    ...aligned([head, ...rows]),
    ...gains.map((gain) =>
      `  gain of mean IoU over ${gain.over}: ${gainText(gain)}, resampling ${resampled}`
    ),
    `  λ chosen on ${chosenOn}`,
    ...scores.map(({ features, chosen, validation }) =>
      `    ${features}: λ ${chosen}; ${
        validation.map(({ value, meanIoU }) => `${value}: ${percent(meanIoU)}`).join("  ")
      }`
    ),
  ];
}

/** All numbers of an evaluation under names that say what they are. */
export function evaluationRow(evaluation: Evaluation): Map<string, string | number> {
  const { checkpoint, data, testedOn, seed, features, scenes, objects, points } = evaluation;
  const row = new Map<string, string | number>([
    ["checkpoint", checkpoint],
    ["data", data],
    ["tested_on", testedOn],
    ["seed", seed],
    ["features", features],
    ["train_scenes", scenes.train],
    ["test_scenes", scenes.test],
  ]);
  const putGains = (name: string, gains: readonly Gain[]) => {
    for (const { over, difference, low, high } of gains) {
      row.set(`${name}/gain_over_${over}`, difference);
      row.set(`${name}/gain_over_${over}_low`, low);
      row.set(`${name}/gain_over_${over}_high`, high);
    }
  };
  for (const { protocol, setting, scores, gains } of objects?.results ?? []) {
    const name = `${protocol}/${setting.replaceAll(" ", "_")}`;
    for (const { features, accuracy, deviation } of scores) {
      row.set(`${name}/${features}`, accuracy);
      row.set(`${name}/${features}_deviation`, deviation);
    }
    putGains(name, gains);
  }
  if (points) {
    for (const { features, meanIoU, accuracy, meanAccuracy, iou } of points.scores) {
      row.set(`points/${features}/mean_iou`, meanIoU);
      row.set(`points/${features}/accuracy`, accuracy);
      row.set(`points/${features}/mean_class_accuracy`, meanAccuracy);
      points.classes.forEach((label, c) =>
        row.set(`points/${features}/iou_${label}`, iou[c] ?? "")
      );
    }
    putGains("points/mean_iou", points.gains);
  }
  return row;
}

const cell = (value: string | number): string => {
  const text = String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
};

/**
 * Appends an evaluation to a CSV file; a new file gets a header first.
 *
 * @throws {UsageError} The file has other columns. @throws {DataError} The system refuses.
 */
export async function appendCsv(path: string, evaluation: Evaluation): Promise<void> {
  const row = evaluationRow(evaluation);
  const header = [...row.keys()].map(cell).join(",");
  let text = "";
  try {
    text = await Deno.readTextFile(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) {
      throw new DataError(`Cannot append to ${path}: ${(error as Error).message}`);
    }
  }
  const first = text.split(/\r?\n/, 1)[0];
  if (text !== "" && first !== header) {
    throw new UsageError(
      `Cannot append to ${path}: its columns are not those of this evaluation (${
        firstDifference(first, header)
      }). Evaluations of other protocols, labels or comparisons go to a file of their own`,
    );
  }
  const before = text === "" ? header + "\n" : text.endsWith("\n") ? text : text + "\n";
  const line = [...row.values()].map(cell).join(",") + "\n";
  await writeFileAtomically(path, new TextEncoder().encode(before + line));
}

function firstDifference(there: string, here: string): string {
  const old = there.split(","), own = here.split(",");
  const at = own.findIndex((name, i) => name !== old[i]);
  return at < 0
    ? `it has ${old.length}, expected ${own.length}`
    : `column ${at + 1} is ${old[at] ?? "missing"}, expected ${own[at]}`;
}
