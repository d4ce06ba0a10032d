/**
 * Small trainings as processes, and the comparison of a broken run's end with an unbroken one's.
 */

import { assertEquals } from "@std/assert";
import { join } from "@std/path";
import { modelParameters } from "../../src/model/model.ts";
import { type Checkpoint, readCheckpoint } from "../../src/run/checkpoint.ts";
import { TINY, tinyConfig } from "../../tests/support/tiny_config.ts";
import { end, type Ended, start } from "./programs.ts";

/** A run's folders. */
export interface Places {
  /** Holds `config.yaml`. */
  readonly folder: string;
  readonly checkpoints: string;
  readonly logs: string;
}

/** The folders of a run in `folder`; those named in `other` lie elsewhere. */
export function placesIn(folder: string, other: Partial<Places> = {}): Places {
  return { folder, checkpoints: join(folder, "checkpoints"), logs: join(folder, "logs"), ...other };
}

/** Writes the settings of a run of two steps an epoch that saves after each. */
export async function writeConfig(
  { folder, checkpoints, logs }: Places,
  epochs: number,
): Promise<void> {
  const values = {
    ...TINY,
    num_epochs: epochs,
    max_train_scenes: 4,
    max_val_scenes: 2,
    synthetic_points: 100,
    checkpoint_dir: checkpoints,
    log_dir: logs,
    run_name: "run",
    log_interval: 1,
    save_interval: 1,
    eval_interval: 1,
    verbose: false,
    device: "software",
  };
  const lines = Object.entries(values).map(([key, value]) => `${key}: ${JSON.stringify(value)}\n`);
  await Deno.writeTextFile(join(folder, "config.yaml"), lines.join(""));
}

/** Starts the run, or goes on with it. */
export function train({ folder }: Places, ...more: readonly string[]): Deno.ChildProcess {
  return start("train.ts", ["--config", join(folder, "config.yaml"), ...more], folder);
}

/** Files of a folder, sorted; none where it is gone. */
export function filesIn(folder: string): string[] {
  try {
    return [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

const specs = modelParameters(tinyConfig());

/** All checkpoints of a folder, each read whole. Throws where one is damaged. */
export async function readAll(folder: string): Promise<Map<string, Checkpoint>> {
  const all = new Map<string, Checkpoint>();
  for (const name of filesIn(folder)) {
    if (!name.startsWith(".") && name.endsWith(".safetensors")) {
      all.set(name, await readCheckpoint(join(folder, name), specs));
    }
  }
  return all;
}

/** The most steps that a checkpoint of a folder holds; 0 where there is none. */
export function mostSteps(all: ReadonlyMap<string, Checkpoint>): number {
  return Math.max(0, ...[...all.values()].map(({ counters }) => counters.step));
}

/** A logged line without what differs between two runs of the same. */
function comparable(line: string): unknown {
  const { time: _, points_per_second: __, ...rest } = JSON.parse(line);
  return rest;
}

/** What metrics.jsonl of a run's folder says; nothing where it is gone. */
export function logged(folder: string): unknown[] {
  if (!filesIn(folder).includes("metrics.jsonl")) return [];
  const text = Deno.readTextFileSync(join(folder, "metrics.jsonl"));
  return text.trimEnd().split("\n").map(comparable);
}

/** A run that nothing broke. */
export interface Unbroken {
  readonly epochs: number;
  readonly final: Checkpoint;
  /** The names of its files in checkpoint_dir. */
  readonly files: readonly string[];
  readonly lines: readonly unknown[];
  /** How long it took, in milliseconds. */
  readonly took: number;
}

const unbroken = new Map<number, Promise<Unbroken>>();

async function runUnbroken(epochs: number): Promise<Unbroken> {
  const folder = await Deno.makeTempDir({ prefix: "dbbd-fuzz-" });
  try {
    const places = placesIn(folder);
    await writeConfig(places, epochs);
    await end(train(places, "--epochs", "1", "--set", `checkpoint_dir=${folder}/warm`)); // compiles
    await Deno.remove(places.logs, { recursive: true });
    const started = performance.now();
    const { code, err } = await end(train(places));
    if (code !== 0) throw new Error(`A run that nothing disturbs fails: ${err}`);
    return {
      epochs,
      final: (await readAll(places.checkpoints)).get("final.safetensors")!,
      files: filesIn(places.checkpoints),
      lines: logged(join(places.logs, "run")),
      took: performance.now() - started,
    };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** The same run, computed once. */
export function unbrokenRun(epochs: number): Promise<Unbroken> {
  const found = unbroken.get(epochs) ?? runUnbroken(epochs);
  unbroken.set(epochs, found);
  return found;
}

function differs(what: string, found: unknown, expected: unknown): string[] {
  try {
    assertEquals(found, expected);
    return [];
  } catch (error) {
    // deno-lint-ignore no-control-regex
    const plain = (error as Error).message.replaceAll(/\u001b\[\d+m/g, "").split("\n");
    return [
      `${what} differs:\n${plain.filter((line) => /^[-+]/.test(line)).join("\n").slice(0, 800)}`,
    ];
  }
}

/** Where lines are missing, how many; where there are others, which. */
function logDiffers(found: readonly unknown[], expected: readonly unknown[]): string[] {
  const has = new Set(found.map((line) => JSON.stringify(line)));
  const there = expected.filter((line) => has.has(JSON.stringify(line)));
  const lacking = expected.length - there.length;
  if (lacking === 0 || there.length < found.length) return differs("the log", found, expected);
  return [`the log lacks ${lacking} ${lacking === 1 ? "line" : "lines"}`];
}

/** What is not as in the unbroken run, once a broken one is complete. */
export async function differences(places: Places, whole: Unbroken): Promise<string[]> {
  const final = (await readAll(places.checkpoints)).get("final.safetensors");
  if (final === undefined) return ["there is no final.safetensors"];
  const logs = final.runDirectory;
  const left = [places.checkpoints, ...(logs ? [logs] : [])].flatMap(filesIn)
    .filter((name) => name.startsWith("."));
  return [
    ...differs("the weights", final.parameters, whole.final.parameters),
    ...differs("the optimiser's state", final.optimizer, whole.final.optimizer),
    ...differs("where the run stands", final.counters, whole.final.counters),
    ...differs("the list of checkpoints", filesIn(places.checkpoints), whole.files),
    ...(logs ? logDiffers(logged(logs), whole.lines) : ["it has no log"]),
    ...(left.length > 0 ? [`these files are left: ${left.join(", ")}`] : []),
  ];
}

/** An ending in a line, for failures. */
export function describeEnd({ code, signal, out, err }: Ended): string {
  return `exit code ${code}${signal ? ` (${signal})` : ""}: ${err || out}`;
}
