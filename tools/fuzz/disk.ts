/**
 * Disks that fill up and folders that vanish under a run: one clear message, nothing half-written,
 * and it goes on.
 */

import { join } from "@std/path";
import { Random } from "../../src/base/random.ts";
import type { Ask, Campaign, Tally } from "./campaign.ts";
import { end, type Ended, outputProblem, signal } from "./programs.ts";
import {
  describeEnd,
  differences,
  filesIn,
  mostSteps,
  type Places,
  placesIn,
  readAll,
  train,
  type Unbroken,
  unbrokenRun,
  writeConfig,
} from "./runs.ts";
import { mountSmallDisk, type SmallDisk } from "./small_disk.ts";

/** Space for a run's logs and its checkpoints. */
const KILOBYTES = 8000;
/** Milliseconds that no run of this size needs. */
const HANGS_MS = 120_000;

/** A run in trouble. */
interface Scene {
  readonly places: Places;
  readonly whole: Unbroken;
  readonly random: Random;
  /** Lines of the log after which it happens. */
  readonly after: number;
}

/** What happens to a run, and what must have come of it once it has ended. */
interface Trouble {
  /** Which folders lie on the small disk; none: it needs no disk. */
  readonly onDisk: readonly ("checkpoints" | "logs")[];
  /** What it costs all the same, as `differences` tells of it. */
  readonly costs?: RegExp;
  /** Happens. */
  strike(scene: Scene, disk: SmallDisk | null): void;
  /** What is wrong with how the run took it; null: nothing. */
  wrong(scene: Scene, ended: Ended): Promise<string | null>;
}

/** Whether a run that fails says so as it should: exit code 1, the reason, and what is saved. */
function failsProblem(ended: Ended, reason: RegExp, saved: RegExp): string | null {
  if (ended.code !== 1) return `expected exit code 1: ${describeEnd(ended)}`;
  if (!reason.test(ended.err)) return `the reason is not told: ${describeEnd(ended)}`;
  return saved.test(ended.err) ? null : `what is saved is not told: ${describeEnd(ended)}`;
}

/** The steps that the log of a run has seen. */
function stepsLogged({ places }: Scene): number {
  return linesOf(places).filter((line) => /^\{"step".*"learning_rate"/.test(line)).length;
}

function linesOf({ logs }: Places): string[] {
  try {
    return Deno.readTextFileSync(join(logs, "run", "metrics.jsonl")).split("\n").slice(0, -1);
  } catch {
    return [];
  }
}

const FULL = /^Cannot write .*(No space left|space)/m;

/**
 * A full disk under checkpoint_dir or the logs; a run that got through before it noticed has done
 * no wrong.
 */
function fullDisk(onDisk: Trouble["onDisk"], saved: RegExp): Trouble {
  return {
    onDisk,
    // The line that the disk did not take: its step is done and saved, and not computed again.
    costs: onDisk.includes("logs") ? /^the log lacks 1 line$/ : undefined,
    strike: (_, disk) => disk!.fill(),
    async wrong(scene, ended) {
      if (ended.code === 0) return null;
      const { checkpoints, logs } = scene.places;
      const steps = stepsLogged(scene);
      if (steps === 0) return failsProblem(ended, FULL, /^/); // there is nothing to be saved yet
      const problem = failsProblem(ended, FULL, saved);
      if (problem !== null || onDisk.length > 1) return problem;
      // The other disk takes a checkpoint of all that was computed.
      const rescued = Math.max(
        mostSteps(await readAll(checkpoints)),
        mostSteps(await readAll(join(logs, "run"))),
      );
      return rescued >= steps ? null : `${rescued} of ${steps} steps are saved`;
    },
  };
}

const TROUBLES: Readonly<Record<string, Trouble>> = {
  "checkpoints' disk full": fullDisk(["checkpoints"], /^Everything up to step \d+ is saved/m),
  "logs' disk full": fullDisk(["logs"], /^Everything up to step \d+ is saved/m),
  "the only disk full": fullDisk(["checkpoints", "logs"], /saved/),
  "checkpoint_dir removed": {
    onDisk: [],
    costs: /^the list of checkpoints differs/,
    strike: ({ places }) => Deno.removeSync(places.checkpoints, { recursive: true }),
    wrong: (_, ended) =>
      Promise.resolve(
        ended.code === 0 ? null : failsProblem(
          ended,
          /^Cannot write .*does not exist/m,
          /^Everything up to step \d+ is/m,
        ),
      ),
  },
  "log folder removed": {
    onDisk: [],
    costs: /^the log lacks \d+ lines?$/,
    strike: ({ places }) => Deno.removeSync(places.logs, { recursive: true }),
    wrong: (_, ended) =>
      Promise.resolve(ended.code === 0 ? null : failsProblem(ended, /^Cannot/m, /saved/)),
  },
};

/** Waits until the run has logged so many lines, or has ended. */
async function reached({ places, after }: Scene, ended: () => boolean): Promise<void> {
  while (!ended() && linesOf(places).length < after) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

async function limited(child: Deno.ChildProcess): Promise<Ended> {
  const timer = setTimeout(() => signal(child, "SIGKILL"), HANGS_MS);
  try {
    return await end(child);
  } finally {
    clearTimeout(timer);
  }
}

/** Runs into trouble. */
async function intoTrouble(scene: Scene, trouble: Trouble, disk: SmallDisk | null): Promise<Ended> {
  const child = train(scene.places);
  let over = false;
  const ended = limited(child).finally(() => over = true);
  await reached(scene, () => over);
  trouble.strike(scene, disk);
  return await ended;
}

/** The command that a message names, or a bare --resume, which finds what is in checkpoint_dir. */
function howToGoOn({ places, random }: Scene, { err }: Ended, steps: number): string[] {
  const named = /--resume (\S+)$/m.exec(err)?.[1];
  if (named !== undefined && (random.int(2) === 0 || steps === 0)) return ["--resume", named];
  return steps > 0 && filesIn(places.checkpoints).length > 0 ? ["--resume"] : [];
}

/** One run into one trouble, and on. What is wrong. */
async function survive(scene: Scene, trouble: Trouble, disk: SmallDisk | null): Promise<string[]> {
  const { places, whole } = scene;
  const ended = await intoTrouble(scene, trouble, disk);
  const wrong = [outputProblem(ended), await trouble.wrong(scene, ended)];
  const steps = mostSteps(await readAll(places.checkpoints)); // throws where one is half-written
  const left = filesIn(places.checkpoints).filter((name) => name.startsWith("."));
  if (left.length > 0) wrong.push(`these files are left: ${left.join(", ")}`);
  if (trouble.onDisk.length > 0) disk!.free();
  const told = wrong.filter((what) => what !== null);
  if (told.length > 0) return told;
  const on = howToGoOn(scene, ended, steps);
  const again = await limited(train(places, ...on));
  if (again.code !== 0) return [`goes not on with ${on.join(" ")}: ${describeEnd(again)}`];
  return (await differences(places, whole)).filter((what) => !trouble.costs?.test(what));
}

/** Puts runs of `epochs` epochs into trouble, `ask.count` times. */
export async function troubleRuns(ask: Ask, tally: Tally, epochs: number): Promise<void> {
  const whole = await unbrokenRun(epochs);
  for (let i = ask.first; i < ask.first + ask.count; i++) {
    const random = new Random(ask.seed, "disk", i);
    const [name, trouble] = Object.entries(TROUBLES)[i % Object.keys(TROUBLES).length];
    const folder = await Deno.makeTempDir({ prefix: "dbbd-fuzz-" });
    try {
      const mounted = trouble.onDisk.length > 0
        ? await mountSmallDisk(join(folder, "disk"), KILOBYTES)
        : null;
      if (typeof mounted === "string") {
        tally.skipped.push(`${name}: ${mounted}`);
        continue;
      }
      await using disk = mounted;
      const on = (which: "checkpoints" | "logs") =>
        disk && trouble.onDisk.includes(which) ? { [which]: join(disk.path, which) } : {};
      const places = placesIn(folder, { ...on("checkpoints"), ...on("logs") });
      await writeConfig(places, epochs);
      const after = random.int(whole.lines.length - 3);
      const wrong = await survive({ places, whole, random, after }, trouble, disk);
      const came = wrong.length === 0 ? "went on to the unbroken run's end" : "went wrong";
      const what = wrong.length === 0
        ? undefined
        : `${name} after ${after} lines: ${wrong.join("; ")}`;
      tally.add(i, { came: `${name}: ${came}`, wrong: what });
    } catch (error) {
      tally.add(i, { came: `${name}: went wrong`, wrong: (error as Error).message });
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  }
}

/** The campaign. */
export const disk: Campaign = {
  what:
    "disks that fill up and folders that vanish under a run (full disks: as superuser on Linux)",
  count: 5,
  run: (ask, tally) => troubleRuns(ask, tally, 8),
};
