/**
 * Runs that are killed at any moment, again and again, and go on: nothing is lost, and they end as
 * if nothing had been.
 */

import { Random } from "../../src/base/random.ts";
import type { Ask, Campaign, Result, Tally } from "./campaign.ts";
import { end, outputProblem, signal } from "./programs.ts";
import {
  describeEnd,
  differences,
  mostSteps,
  type Places,
  placesIn,
  readAll,
  train,
  type Unbroken,
  unbrokenRun,
  writeConfig,
} from "./runs.ts";

/** Most kills that one run lives through before it may complete. */
const MOST_KILLS = 10;
/** Milliseconds that no run of this size needs. */
const HANGS_MS = 120_000;
/** Most are the kind that nothing can prepare for. */
const SIGNALS: readonly Deno.Signal[] = [
  ...["SIGKILL", "SIGKILL", "SIGKILL", "SIGKILL", "SIGKILL"] as const,
  ...["SIGTERM", "SIGINT", "SIGHUP"] as const,
];

/** How a story of kills goes on. */
interface Story {
  readonly places: Places;
  readonly whole: Unbroken;
  /** Steps that were saved before. */
  saved: number;
}

function go({ places, saved }: Story): Deno.ChildProcess {
  return saved > 0 ? train(places, "--resume") : train(places);
}

/**
 * Resolves at a moment to kill: some time after the start, or as the run touches one of its files.
 */
async function moment({ places, whole }: Story, random: Random, over: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  over.addEventListener("abort", () => resolve());
  if (random.int(3) > 0) {
    const timer = setTimeout(resolve, random.uniform(0, whole.took));
    await promise;
    clearTimeout(timer);
    return;
  }
  // Files are written, flushed, renamed and locked within microseconds of each other: no clock hits
  // that often.
  using watcher = Deno.watchFs(places.folder);
  let events = 1 + random.int(60);
  (async () => {
    for await (const _ of watcher) if (--events === 0) resolve();
  })();
  await promise;
}

/** What is wrong with how a run took a signal that it can listen to. */
function askedProblem(ended: Awaited<ReturnType<typeof end>>, name: Deno.Signal): string | null {
  // Before it listens, the system ends it; when it is through, it is through.
  const right = ended.signal === name || ended.code === 130 || ended.code === 0;
  return right ? outputProblem(ended) : `after ${name} ${describeEnd(ended)}`;
}

/** What came of a kill; null: the run was complete before it. */
type Killed = Result | null;

/**
 * What is wrong with the checkpoints that are there after a kill; null: nothing. Notes what is
 * saved.
 */
async function savedProblem(story: Story, told: number): Promise<string | null> {
  const steps = mostSteps(await readAll(story.places.checkpoints));
  const expected = Math.max(told, story.saved);
  story.saved = steps;
  return steps < expected ? `${steps} steps are there; ${expected} were saved` : null;
}

/**
 * One kill: start, or go on; kill; see that what is there is sound, and that nothing saved is gone.
 */
async function killOnce(story: Story, random: Random): Promise<Killed> {
  const name = SIGNALS[random.int(SIGNALS.length)];
  const over = new AbortController();
  const child = go(story);
  const ended = end(child).finally(() => over.abort());
  await moment(story, random, over.signal);
  const early = over.signal.aborted;
  signal(child, name);
  const timer = setTimeout(() => signal(child, "SIGKILL"), HANGS_MS);
  const how = await ended;
  clearTimeout(timer);
  if (how.code === 0) {
    story.saved = mostSteps(await readAll(story.places.checkpoints));
    return null;
  }
  const came = how.code === 130 ? `${name}: saved, and ended` : `${name}: ended`;
  const told = Number(/Interrupted after step (\d+)/.exec(how.out)?.[1] ?? 0);
  const wrong = early ? `goes not on: ${describeEnd(how)}` : askedProblem(how, name);
  return { came, wrong: wrong ?? await savedProblem(story, told) ?? undefined };
}

/** Lets the run complete, and compares. */
async function complete(story: Story): Promise<string[]> {
  const child = go(story);
  const timer = setTimeout(() => signal(child, "SIGKILL"), HANGS_MS);
  const ended = await end(child);
  clearTimeout(timer);
  if (ended.code !== 0) return [`goes not on: ${describeEnd(ended)}`];
  const problem = outputProblem(ended);
  return [...(problem ? [problem] : []), ...await differences(story.places, story.whole)];
}

/** Kills runs of `epochs` epochs, `ask.count` times in all. */
export async function killRuns(ask: Ask, tally: Tally, epochs: number): Promise<void> {
  const whole = await unbrokenRun(epochs);
  for (let run = ask.first, left = ask.count; left > 0; run++) {
    const folder = await Deno.makeTempDir({ prefix: "dbbd-fuzz-" });
    const random = new Random(ask.seed, "kills", run);
    const story: Story = { places: placesIn(folder), whole, saved: 0 };
    try {
      await writeConfig(story.places, epochs);
      for (let n = Math.min(left, 1 + random.int(MOST_KILLS)); n > 0; n--, left--) {
        const killed = await killOnce(story, random);
        if (killed === null) break;
        tally.add(run, killed);
      }
      const wrong = await complete(story);
      tally.count(wrong.length === 0 ? "runs that ended as if unbroken" : "runs that did not");
      for (const what of wrong) tally.fail(`run ${run}: ${what}`);
    } catch (error) {
      tally.fail(`run ${run}: ${(error as Error).message}`); // a checkpoint that does not load
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  }
}

/** The campaign. */
export const kills: Campaign = {
  what: "runs killed at any moment that go on with --resume: they end as if unbroken",
  count: 10,
  run: (ask, tally) => killRuns(ask, tally, 8),
};
