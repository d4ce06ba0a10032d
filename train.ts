/**
 * Pre-train an encoder: `deno task train --config configs/debug_local.yaml`; `--help` lists everything.
 *
 * The task starts V8 with a small young generation: the device's handles are small to V8 but not to the system, and a
 * heap that is collected seldom let the process grow by a fifth over 300 steps (measured: 284 → 294 MB with the flags,
 * 320 → 394 MB in a hundred steps without, at the same speed).
 */

import manifest from "./deno.json" with { type: "json" };
import { runMain } from "./src/cli/exit.ts";
import { ensureDriver } from "./src/gpu/driver.ts";
import { parseTrainArguments, trainHelp } from "./src/cli/train/arguments.ts";
import { say } from "./src/base/terminal.ts";
import { runTraining } from "./src/cli/train/run.ts";

if (import.meta.main) {
  await runMain(async () => {
    const args = parseTrainArguments(Deno.args);
    if (args.help || args.version) {
      say(args.help ? trainHelp().trimEnd() : `dbbd ${manifest.version}`);
      return 0;
    }
    await ensureDriver(say);
    return await runTraining(args);
  });
}
