/**
 * A run's folder as its report shows it. What training has written so far is enough: it may still
 * be going on.
 */

import { basename, dirname, join, resolve } from "@std/path";
import { parse } from "yaml";
import { DataError, UsageError } from "../base/errors.ts";
import type { RunData, Series } from "./report_data.ts";
import { thin } from "./thin.ts";

/** Values drawn of a curve; longer ones lose those between the peaks. */
const LONGEST_CURVE = 1000;
const NAMED = 3;

/**
 * Reads `config.yaml`, `run.json` and `metrics.jsonl` of each folder. Lines that cannot be read are
 * left out and told in the run's notes; so is a missing configuration.
 *
 * @throws {UsageError} A folder is missing, no run's, or given twice. @throws {DataError} The
 * system refuses.
 */
export async function readRuns(directories: readonly string[]): Promise<RunData[]> {
  const paths = directories.map((directory) => resolve(directory));
  const twice = paths.findIndex((path, i) => paths.indexOf(path) < i);
  if (twice >= 0) {
    throw new UsageError(`Cannot report ${directories[twice]} twice: name each run once`);
  }
  const names = uniqueNames(paths);
  const runs: RunData[] = [];
  for (const [i, directory] of directories.entries()) {
    runs.push(await readRun(directory, names[i]));
  }
  return runs;
}

/**
 * The folders' own names, with as many of the folders above them as it takes to tell them apart.
 */
export function uniqueNames(paths: readonly string[]): string[] {
  const names = paths.map((path) => basename(path));
  for (let rest = paths.map(dirname);; rest = rest.map(dirname)) {
    const clashing = names.map((name, i) => names.some((other, j) => i !== j && other === name));
    if (!clashing.includes(true)) return names;
    for (const i of names.keys()) {
      if (clashing[i]) names[i] = join(basename(rest[i]), names[i]);
    }
  }
}

async function readRun(directory: string, name: string): Promise<RunData> {
  const path = join(directory, "metrics.jsonl");
  const text = await readText(path);
  if (text === null) throw await noRun(directory);
  const configPath = join(directory, "config.yaml");
  const configText = await readText(configPath);
  const { config, problem } = readConfig(configText, configPath);
  const { device, problem: deviceProblem } = await readDevice(directory);
  const log = parseMetrics(text, path);
  const planned = config.num_epochs;
  return {
    name,
    directory,
    started: log.started === null ? null : new Date(log.started).toISOString(),
    extent: {
      steps: log.lastStep + 1,
      epochs: log.epochs,
      epochsPlanned: typeof planned === "number" ? planned : null,
      seconds: log.seconds,
    },
    device,
    config,
    series: log.series,
    notes: [problem, deviceProblem, ...log.notes].filter((note) => note !== null),
  };
}

/** A file's text; null if it is not there. */
async function readText(path: string): Promise<string | null> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
      return null;
    }
    throw new DataError(`Cannot read ${path}: ${(error as Error).message}`, { cause: error });
  }
}

/** Why a folder without metrics.jsonl cannot be reported, and what was probably meant. */
async function noRun(directory: string): Promise<UsageError> {
  const inside: string[] = [];
  try {
    for await (const { name, isDirectory } of Deno.readDir(directory)) {
      if (isDirectory && await readText(join(directory, name, "metrics.jsonl")) !== null) {
        inside.push(join(directory, name));
      }
    }
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) {
      return new UsageError(`Cannot report ${directory}: there is no such folder`);
    }
    if (error instanceof Deno.errors.NotADirectory) {
      return new UsageError(`Cannot report ${directory}: expected a run's folder, got a file`);
    }
    throw new DataError(`Cannot read ${directory}: ${(error as Error).message}`, { cause: error });
  }
  const hint = inside.length === 0
    ? ""
    : `. It holds runs: ${inside.sort().slice(-NAMED).join(" ")}${
      inside.length > NAMED ? " …" : ""
    }`;
  return new UsageError(
    `Cannot report ${directory}: expected a run's folder with metrics.jsonl in it${hint}`,
  );
}

/** What computed a run; null for a run of a version that did not write it down. */
async function readDevice(
  directory: string,
): Promise<{ device: string | null; problem: string | null }> {
  const path = join(directory, "run.json");
  const text = await readText(path);
  if (text === null) return { device: null, problem: null };
  try {
    const { device } = JSON.parse(text);
    if (typeof device === "string") return { device, problem: null };
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  return { device: null, problem: `${path} does not name the device: it is damaged` };
}

function readConfig(
  text: string | null,
  path: string,
): { config: Record<string, unknown>; problem: string | null } {
  if (text === null) return { config: {}, problem: `${path} is missing: settings are not shown` };
  try {
    const config = parse(text);
    if (typeof config === "object" && config !== null && !Array.isArray(config)) {
      return { config, problem: null };
    }
    return { config: {}, problem: `${path} holds no settings: expected a mapping` };
  } catch (error) {
    const line = (error as Error).message.split("\n")[0];
    return { config: {}, problem: `${path} cannot be read: ${line}` };
  }
}

/** What metrics.jsonl says. */
export interface Metrics {
  /** By name, thinned to what is worth drawing. */
  readonly series: Readonly<Record<string, Series>>;
  /** Milliseconds since 1970 of the first line; null without one. */
  readonly started: number | null;
  /** From the first line to the last. */
  readonly seconds: number;
  /** -1 without one. */
  readonly lastStep: number;
  /** Epochs completed. */
  readonly epochs: number;
  /** What was left out and why. */
  readonly notes: readonly string[];
}

interface Entry {
  readonly step: number;
  readonly time: number;
  readonly value: number | null;
}

/** Names that are no curves: what a line is of, and epoch, which counts. */
const NO_CURVE = new Set(["step", "time", "non_finite", "epoch"]);

/** Reads the lines of a metrics.jsonl; of a step logged twice the later one counts. */
export function parseMetrics(text: string, path: string): Metrics {
  const entries = new Map<string, Map<number, Entry>>();
  const broken: string[] = [];
  const nonFinite = new Map<string, number>();
  let first = Infinity, last = -Infinity, lastStep = -1, epochs = 0;
  for (const [i, line] of text.split("\n").entries()) {
    if (line.trim() === "") continue;
    const found = parseLine(line);
    if (typeof found === "string") {
      broken.push(`${path}:${i + 1}: ${found}`);
      continue;
    }
    const { step, time, values } = found;
    first = Math.min(first, time);
    last = Math.max(last, time);
    lastStep = Math.max(lastStep, step);
    for (const [name, value] of Object.entries(values)) {
      if (name === "epoch" && typeof value === "number") epochs = Math.max(epochs, value);
      if (NO_CURVE.has(name) || (value !== null && typeof value !== "number")) continue;
      if (value === null) nonFinite.set(name, (nonFinite.get(name) ?? 0) + 1);
      if (!entries.has(name)) entries.set(name, new Map());
      entries.get(name)!.set(step, { step, time, value });
    }
  }
  const notes = broken.slice(0, NAMED).map((reason) => `${reason}; left out`);
  if (broken.length > NAMED) notes.push(`${broken.length - NAMED} more lines left out`);
  for (const [name, count] of nonFinite) {
    notes.push(`${name}: ${count} ${count === 1 ? "value is" : "values are"} not finite`);
  }
  if (entries.size === 0) notes.push(`${path}: nothing has been logged yet`);
  return {
    series: Object.fromEntries([...entries].map(([name, of]) => [name, toSeries(of, first)])),
    started: Number.isFinite(first) ? first : null,
    seconds: Number.isFinite(first) ? (last - first) / 1000 : 0,
    lastStep,
    epochs,
    notes,
  };
}

/** A line's parts, or what is wrong with it. */
function parseLine(
  line: string,
): { step: number; time: number; values: Readonly<Record<string, unknown>> } | string {
  let values: unknown;
  try {
    values = JSON.parse(line);
  } catch {
    return "expected a line of JSON, got one that is cut off or damaged";
  }
  if (typeof values !== "object" || values === null || Array.isArray(values)) {
    return "expected a JSON object";
  }
  const { step, time } = values as Record<string, unknown>;
  if (!Number.isSafeInteger(step) || (step as number) < 0) {
    return `expected a step of 0 or more, got ${JSON.stringify(step)}`;
  }
  const milliseconds = typeof time === "string" ? Date.parse(time) : NaN;
  if (Number.isNaN(milliseconds)) return `expected a time, got ${JSON.stringify(time)}`;
  return {
    step: step as number,
    time: milliseconds,
    values: values as Readonly<Record<string, unknown>>,
  };
}

function toSeries(entries: ReadonlyMap<number, Entry>, first: number): Series {
  const sorted = [...entries.values()].sort((a, b) => a.step - b.step);
  const kept = thin(sorted.map(({ value }) => value), LONGEST_CURVE).map((i) => sorted[i]);
  return {
    step: kept.map(({ step }) => step),
    seconds: kept.map(({ time }) => (time - first) / 1000),
    value: kept.map(({ value }) => value === null ? null : Number(value.toPrecision(7))),
  };
}
