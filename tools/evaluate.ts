/** `deno task evaluate --checkpoint PATH --data DIR`: what the features of a checkpoint are worth. */

import { writeFileAtomically } from "../src/base/atomic_write.ts";
import { evaluate } from "../src/evaluation/evaluate.ts";
import { evaluateHelp, parseEvaluateArguments } from "../src/cli/evaluate/arguments.ts";
import { appendCsv, describeEvaluation } from "../src/cli/evaluate/table.ts";
import { statusLine } from "../src/base/status_line.ts";
import { runMain } from "../src/cli/exit.ts";
import { say, warn, writeTo } from "../src/base/terminal.ts";
import { readConfigFile } from "../src/run/config_file.ts";

if (import.meta.main) {
  await runMain(async () => {
    const args = parseEvaluateArguments(Deno.args);
    if (args.help) {
      say(evaluateHelp().trimEnd());
      return 0;
    }
    const config = args.config === undefined ? undefined : await readConfigFile(args.config);
    const started = performance.now();
    const status = statusLine();
    // The JSON alone goes to standard output where it is asked for there.
    const tell = args.json === "-" ? warn : say;
    try {
      const evaluation = await evaluate({ ...args.options, config }, {
        onMessage: (line) => status.say(line),
        onProgress: (what, done, total) =>
          status.show(total > 1 ? `${what}: ${done} of ${total}` : what),
      });
      status.end();
      tell(describeEvaluation(evaluation));
      const json = JSON.stringify(evaluation, null, 1) + "\n";
      if (args.json === "-") writeTo("stdout", json);
      else if (args.json !== undefined) {
        await writeFileAtomically(args.json, new TextEncoder().encode(json));
      }
      if (args.csv !== undefined) await appendCsv(args.csv, evaluation);
      tell(`\nDone in ${((performance.now() - started) / 1000).toFixed(0)} s`);
      return 0;
    } finally {
      status.end();
    }
  });
}
