/** Pre-train an encoder: `deno task train --config configs/debug_local.yaml`; `--help` lists everything. */

import manifest from "./deno.json" with { type: "json" };
import { runMain } from "./src/exit.ts";
import { ensureDriver } from "./src/gpu/driver.ts";
import { parseTrainArguments, trainHelp } from "./src/training/cli_arguments.ts";
import { runTraining } from "./src/training/run.ts";

if (import.meta.main) {
  await runMain(async () => {
    const args = parseTrainArguments(Deno.args);
    if (args.help || args.version) {
      console.log(args.help ? trainHelp() : `dbbd ${manifest.version}`);
      return 0;
    }
    await ensureDriver(console.log);
    return await runTraining(args);
  });
}
