/** `deno task preprocess --input PATH… --output DIR`: make training scenes of scans and meshes. */

import { say, warn } from "../src/base/terminal.ts";
import { parsePreprocessArguments, preprocessHelp } from "../src/cli/preprocess/arguments.ts";
import { prepareRun, preprocess } from "../src/scenes/preprocess/run.ts";
import { describePlan, describeProgress, describeResult } from "../src/cli/preprocess/show.ts";
import { statusLine } from "../src/base/status_line.ts";
import { runMain } from "../src/cli/exit.ts";

const INTERRUPTED = 130;

if (import.meta.main) {
  await runMain(async () => {
    const args = parsePreprocessArguments(Deno.args);
    if (args.help) {
      say(preprocessHelp().trimEnd());
      return 0;
    }
    const { options, dryRun } = args;
    const started = performance.now();
    const run = await prepareRun(options);
    say(describePlan(run, options.output));
    if (dryRun) return 0;

    const status = statusLine();
    const begun = performance.now();
    const interrupted = new AbortController();
    let done = run.done.size;
    Deno.addSignalListener("SIGINT", () => interrupted.abort());
    try {
      const index = await preprocess(run, options, {
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
        `Interrupted with ${done} of ${run.plan.scenes.length} scenes made. Run the same command again to go on.`,
      );
      return INTERRUPTED;
    }
  });
}
