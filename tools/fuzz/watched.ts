/**
 * Trials in a worker, which is ended where one of them hangs: nothing else gets out of an endless
 * loop.
 */

import { type Ask, type Result, type Tally, traced } from "./campaign.ts";

/** The kinds of trials that the worker knows. */
export type WatchedTrials = "checkpoints" | "configs" | "arguments";

/** What the worker is told first. */
export interface Begin {
  readonly trials: WatchedTrials;
  readonly seed: number;
  /** A folder of the worker's own. */
  readonly folder: string;
}

/** One trial, by its number. */
export type Trial = (i: number) => Promise<Result>;

/** Makes the trials of a seed; files go into `folder`. */
export type TrialMaker = (seed: number, folder: string) => Promise<Trial>;

/** Longer than any trial may take, with room for a machine that does something else meanwhile. */
const HANGS_MS = 10_000;
/** Time for a worker to load its modules. */
const STARTS_MS = 60_000;

/** Asks the worker for something and waits; null: it did not answer in time. */
async function answer(worker: Worker, message: unknown, within: number): Promise<Result | null> {
  const { promise, resolve, reject } = Promise.withResolvers<Result | null>();
  const timer = setTimeout(() => resolve(null), within);
  worker.onmessage = ({ data }) => resolve(data);
  worker.onerror = (event) => {
    event.preventDefault();
    reject(new Error(event.message));
  };
  worker.postMessage(message);
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
  }
}

async function begin(message: Begin): Promise<Worker> {
  const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
  if (await answer(worker, message, STARTS_MS) === null) {
    worker.terminate();
    throw new Error(`The worker of ${message.trials} does not start`);
  }
  return worker;
}

/** Makes the trials that `ask` names, one after the other. */
export async function watched(trials: WatchedTrials, ask: Ask, tally: Tally): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "dbbd-fuzz-" });
  const message = { trials, seed: ask.seed, folder };
  let worker: Worker | null = null;
  try {
    for (let i = ask.first; i < ask.first + ask.count; i++) {
      worker ??= await begin(message);
      let result: Result;
      try {
        const answered = await answer(worker, i, HANGS_MS);
        if (answered === null) worker.terminate(), worker = null;
        result = answered ?? { came: "hung", wrong: `no end within ${HANGS_MS / 1000} s` };
      } catch (error) {
        worker?.terminate();
        worker = null;
        result = { came: "broke", wrong: `it ended its worker: ${traced(error)}` };
      }
      tally.add(i, result);
    }
  } finally {
    worker?.terminate();
    await Deno.remove(folder, { recursive: true });
  }
}
