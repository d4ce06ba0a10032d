/** `deno task preprocess`: make training scenes of scans and meshes. */

import { statusLine } from "../../base/status_line.ts";
import { say, warn } from "../../base/terminal.ts";
import { prepareRun, preprocess as makeScenes } from "../../scenes/preprocess/run.ts";
import { command, type RunCommand } from "../command.ts";
import { INTERRUPTED } from "../exit.ts";
import { parsePreprocessArguments, type PreprocessArguments, preprocessHelp } from "./arguments.ts";
import { describePlan, describeProgress, describeResult } from "./show.ts";

/** The command. */
export const preprocess: RunCommand = command(preprocessHelp, parsePreprocessArguments, run);

async function run(
  { options, dryRun }: Extract<PreprocessArguments, { help: false }>,
): Promise<number> {
  const started = performance.now();
  const prepared = await prepareRun(options);
  say(describePlan(prepared, options.output));
  if (dryRun) return 0;

  const status = statusLine();
  const begun = performance.now();
  const interrupted = new AbortController();
  let done = prepared.done.size;
  Deno.addSignalListener("SIGINT", () => interrupted.abort());
  try {
    const index = await makeScenes(prepared, options, {
      signal: interrupted.signal,
      onFailure: ({ source }, reason) => status.say(`Skipped ${source.name}: ${reason}`),
      onProgress: (state) => {
        done = state.done;
        status.show(describeProgress(state, (performance.now() - begun) / 1000));
      },
    });
    status.end();
    say(describeResult(index, options.output, (performance.now() - started) / 1000));
    return 0;
  } catch (error) {
    status.end();
    if (!interrupted.signal.aborted) throw error;
    warn(
      `Interrupted with ${done} of ${prepared.plan.scenes.length} scenes made. Run the same command again to go on.`,
    );
    return INTERRUPTED;
  }
}
