/** `deno task preprocess --input PATH… --output DIR`: make training scenes of scans and meshes. */

import { say, warn } from "../src/base/terminal.ts";
import { parsePreprocessArguments, preprocessHelp } from "../src/cli/preprocess/arguments.ts";
import { prepareRun, preprocess } from "../src/scenes/preprocess/run.ts";
import { describePlan, describeResult, progressLine } from "../src/cli/preprocess/show.ts";
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

    const progress = progressLine();
    const interrupted = new AbortController();
    let done = run.done.size;
    Deno.addSignalListener("SIGINT", () => interrupted.abort());
    try {
      const index = await preprocess(run, options, {
        signal: interrupted.signal,
        onFailure: ({ source }, reason) => progress.say(`Skipped ${source.name}: ${reason}`),
        onProgress: (state) => {
          done = state.done;
          progress.show(state);
        },
      });
      progress.end();
      say(describeResult(index, options.output, (performance.now() - started) / 1000));
      return 0;
    } catch (error) {
      progress.end();
      if (!interrupted.signal.aborted) throw error;
      warn(
        `Interrupted with ${done} of ${run.plan.scenes.length} scenes made. Run the same command again to go on.`,
      );
      return INTERRUPTED;
    }
  });
}
