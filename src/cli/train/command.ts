/** `deno task train`: pre-train an encoder. */

import manifest from "../../../deno.json" with { type: "json" };
import { say } from "../../base/terminal.ts";
import { ensureDriver } from "../../gpu/driver.ts";
import { command, type RunCommand } from "../command.ts";
import { parseTrainArguments, trainHelp } from "./arguments.ts";
import { runTraining } from "./run.ts";

/** The command. */
export const train: RunCommand = command(trainHelp, parseTrainArguments, async (args) => {
  if (args.version) {
    say(`dbbd ${manifest.version}`);
    return 0;
  }
  await ensureDriver(say);
  return await runTraining(args);
});
