/**
 * A run's folder: the resolved configuration, one line of JSON for each logged step, TensorBoard
 * events.
 *
 * `config.yaml` loads back to the same run. `run.json` says what computes it: `{"device":"NVIDIA
 * H100"}`. `metrics.jsonl` holds objects like
 * `{"step":120,"time":"2025-01-31T12:00:00.000Z","total":5.1,"region":4.2}`. JSON has no NaN and no
 * infinity: such a value stands as null, and under `non_finite` by its name:
 * `{…,"total":null,"non_finite":{"total":"NaN"}}`.
 */

import { join } from "@std/path";
import { removeTemporaries, writeFileAtomically } from "../base/atomic_write.ts";
import { DataError, UsageError } from "../base/errors.ts";
import { type AppendFile, openAppendFile } from "../base/append_file.ts";
import type { TrainingConfig } from "../run/config.ts";
import { EventWriter } from "./tensorboard.ts";

/** Options of `RunLog.create`. */
export interface RunLogOptions {
  /** Names the folder (log_dir, run_name) and is written into it. */
  readonly config: TrainingConfig;
  /** What computes the run, in words; written into `run.json`. */
  readonly device?: string;
  /** Default now. Its local time names the folder unless run_name does. */
  readonly startTime?: Date;
  /** Set when a run goes on. */
  readonly resume?: {
    /** The run's folder. If it is gone, the run gets a new one. */
    readonly directory: string;
    /**
     * The first step that will be logged. What the folder says of it and of later steps is
     * replaced.
     */
    readonly firstStep: number;
  };
}

const METRICS = "metrics.jsonl", CONFIG = "config.yaml", ABOUT = "run.json";
/** What is written whole or not at all, by way of temporary files. */
const OURS: readonly string[] = [METRICS, CONFIG, ABOUT];
const RESERVED = ["step", "time", "non_finite"];

/**
 * Writes a run's logs. Every `log` reaches the system at once, so that a killed run loses nothing.
 */
export class RunLog implements Disposable {
  /** The run's folder. */
  readonly directory: string;
  readonly #metrics: AppendFile;
  readonly #events: EventWriter;
  #failed = false;

  private constructor(directory: string, metrics: AppendFile, events: EventWriter) {
    this.directory = directory;
    this.#metrics = metrics;
    this.#events = events;
  }

  /**
   * Makes the run's folder (`log_dir/run_name` or `log_dir/2025-01-31_12-00-00`, with `-2`, `-3`, …
   * if that is taken), or goes on in the one of an earlier run.
   *
   * @throws {UsageError} log_dir is no folder.
   * @throws {DataError} The system refuses.
   */
  static async create(options: RunLogOptions): Promise<RunLog> {
    const { config, device, startTime = new Date(), resume } = options;
    const goesOn = resume !== undefined && await isFolder(resume.directory);
    const directory = goesOn
      ? resume.directory
      : await makeFolder(config.log_dir, config.run_name ?? timeName(startTime));
    const write = (name: string, text: string) =>
      writeFileAtomically(join(directory, name), new TextEncoder().encode(text));
    if (goesOn) await removeTemporaries(directory, (name) => OURS.includes(name));
    await write(CONFIG, config.toYaml());
    if (device !== undefined) await write(ABOUT, JSON.stringify({ device }) + "\n");
    const firstStep = goesOn ? resume.firstStep : undefined;
    if (firstStep !== undefined) await keepBefore(join(directory, METRICS), firstStep);
    const metrics = openAppendFile(join(directory, METRICS));
    try {
      const events = EventWriter.create(directory, {
        startTime: startTime.getTime() / 1000,
        firstStep,
      });
      return new RunLog(directory, metrics, events);
    } catch (error) {
      metrics.close();
      throw error;
    }
  }

  /**
   * Logs named values of a step to `metrics.jsonl` and TensorBoard.
   *
   * @param time Default now.
   * @throws {TypeError} A scalar is called step, time or non_finite.
   * @throws {DataError} The system refuses (disk full).
   */
  log(step: number, scalars: Readonly<Record<string, number>>, time: Date = new Date()): void {
    const line: Record<string, unknown> = { step, time: time.toISOString() };
    const nonFinite: Record<string, string> = {};
    for (const [name, value] of Object.entries(scalars)) {
      if (RESERVED.includes(name)) {
        throw new TypeError(`Cannot log a scalar called ${name}: metrics.jsonl keeps that name`);
      }
      line[name] = Number.isFinite(value) ? value : null;
      if (!Number.isFinite(value)) nonFinite[name] = String(value);
      this.#events.scalar(name, value, step, time.getTime() / 1000);
    }
    if (Object.keys(nonFinite).length > 0) line.non_finite = nonFinite;
    try {
      this.#metrics.append(new TextEncoder().encode(JSON.stringify(line) + "\n"));
      this.#events.flush();
    } catch (error) {
      this.#failed = true;
      throw error;
    }
  }

  /** Closes the files. What `log` could not write and has told of, it does not tell of again. */
  close(): void {
    this.#metrics.close();
    try {
      this.#events.close();
    } catch (error) {
      if (!this.#failed) throw error;
    }
  }

  /** As `close`. */
  [Symbol.dispose](): void {
    this.close();
  }
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await Deno.stat(path)).isDirectory;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw new DataError(`Cannot read ${path}: ${(error as Error).message}`, { cause: error });
  }
}

async function makeFolder(parent: string, name: string): Promise<string> {
  try {
    await Deno.mkdir(parent, { recursive: true });
    for (let attempt = 1;; attempt++) {
      const path = join(parent, attempt === 1 ? name : `${name}-${attempt}`);
      try {
        await Deno.mkdir(path); // tells, unlike a look beforehand, if another run has just taken the name
        return path;
      } catch (error) {
        if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
      }
    }
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists || error instanceof Deno.errors.NotADirectory) {
      throw new UsageError(`Cannot log to ${parent} (log_dir): it is, or lies under, a file`);
    }
    throw new DataError(`Cannot make a folder in ${parent}: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

/** 2025-01-31_12-00-00, in local time. */
function timeName(time: Date): string {
  const two = (value: number): string => String(value).padStart(2, "0");
  const day = [time.getFullYear(), two(time.getMonth() + 1), two(time.getDate())].join("-");
  return `${day}_${[time.getHours(), time.getMinutes(), time.getSeconds()].map(two).join("-")}`;
}

/**
 * Keeps the lines of steps before `firstStep`: a resumed run's log reads as if it had never
 * stopped.
 */
async function keepBefore(path: string, firstStep: number): Promise<void> {
  let text: string;
  try {
    text = await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    throw new DataError(`Cannot read ${path}: ${(error as Error).message}`, { cause: error });
  }
  const kept = text.split("\n").filter((line) => stepOf(line) < firstStep);
  const whole = kept.map((line) => line + "\n").join("");
  if (whole !== text) await writeFileAtomically(path, new TextEncoder().encode(whole));
}

/** The step of a line; infinity if it is no such line, as the last one of a killed run may be. */
function stepOf(line: string): number {
  try {
    return JSON.parse(line).step ?? Infinity;
  } catch {
    return Infinity;
  }
}
