/** Runs that are killed again and again, and go on until they are done. */

import { join } from "@std/path";
import { Random } from "../../src/data/random.ts";
import type { Campaign } from "./campaign.ts";
import { ended, unseemly } from "./process.ts";
import {
  PATIENCE,
  startOrResume,
  tensorsOf,
  unbroken,
  writeConfig,
  wrongWith,
} from "./small_run.ts";

/** Mostly the one that nobody can catch. */
const SIGNALS: readonly Deno.Signal[] = [
  ...["SIGKILL", "SIGKILL", "SIGKILL", "SIGKILL", "SIGTERM", "SIGINT", "SIGHUP"] as const,
];

/** Kills in a row before a run is left to end: else one that starts slowly would never come to. */
const IN_A_ROW = 12;

/** Each ends with the weights of the run that nobody killed. */
export const kills: Campaign = {
  about: "runs killed at any moment, gone on with until they end",
  usual: 10,
  async run({ count, seed }, tally) {
    const folder = await Deno.makeTempDir();
    try {
      const expected = await unbroken(folder);
      for (let run = 0, done = 0; done < count; run++) {
        const own = join(folder, `run ${run}`);
        Deno.mkdirSync(own);
        const config = writeConfig({ folder: own }), checkpoints = join(own, "checkpoints");
        const random = new Random(seed, "kills", run);
        for (let k = 0;; k++) {
          const child = await startOrResume(config, checkpoints);
          const signal = SIGNALS[random.int(SIGNALS.length)];
          const delay = 300 + random.int(2200);
          const kill = k < IN_A_ROW && done < count;
          const timer = kill ? setTimeout(() => tryKill(child, signal), delay) : undefined;
          const result = await ended(child, PATIENCE);
          clearTimeout(timer);
          const wrong = result.code > 128 ? null : unseemly(result);
          if (wrong) tally.fail(`run ${run}, ${signal} after ${delay} ms: ${wrong}: ${result.err}`);
          if (result.code === 0) break;
          if (!kill) {
            tally.fail(`run ${run} does not go on: exit code ${result.code}: ${result.err}`);
            break;
          }
          done++;
          if (!wrong) tally.count(`${signal}, gone on with`);
        }
        const wrong = await wrongWith(checkpoints);
        const same =
          await tensorsOf(join(checkpoints, "final.safetensors")).catch(String) === expected;
        if (!same) wrong.push("other weights than those of the unbroken run");
        if (wrong.length > 0) tally.fail(`run ${run}: ${wrong.join("; ")}`);
        await Deno.remove(own, { recursive: true });
      }
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
};

function tryKill(child: Deno.ChildProcess, signal: Deno.Signal): void {
  try {
    child.kill(signal);
  } catch {
    // it has ended by itself
  }
}
