/** `deno task evaluate`: what the features of a checkpoint are worth. */

import { writeFileAtomically } from "../../base/atomic_write.ts";
import { statusLine } from "../../base/status_line.ts";
import { say, warn, writeTo } from "../../base/terminal.ts";
import { evaluate as evaluateFeatures } from "../../evaluation/evaluate.ts";
import { readConfigFile } from "../../run/config_file.ts";
import { command, type RunCommand } from "../command.ts";
import { type EvaluateArguments, evaluateHelp, parseEvaluateArguments } from "./arguments.ts";
import { appendCsv, describeEvaluation } from "./table.ts";

/** The command. */
export const evaluate: RunCommand = command(evaluateHelp, parseEvaluateArguments, run);

async function run(args: Extract<EvaluateArguments, { help: false }>): Promise<number> {
  const config = args.config === undefined ? undefined : await readConfigFile(args.config);
  const started = performance.now();
  const status = statusLine();
  // The JSON alone goes to standard output where it is asked for there.
  const tell = args.json === "-" ? warn : say;
  try {
    const evaluation = await evaluateFeatures({ ...args.options, config }, {
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
}
