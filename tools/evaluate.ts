/** `deno task evaluate --checkpoint PATH --data DIR`: what the features of a checkpoint are worth. */

import { writeFileAtomically } from "../src/data/atomic_write.ts";
import { UsageError } from "../src/errors.ts";
import { evaluate } from "../src/evaluation/evaluate.ts";
import { evaluateHelp, parseEvaluateArguments } from "../src/evaluation/evaluate_arguments.ts";
import { appendCsv, describeEvaluation } from "../src/evaluation/evaluate_table.ts";
import { statusLine } from "../src/evaluation/status_line.ts";
import { runMain } from "../src/exit.ts";
import { TrainingConfig } from "../src/training/config.ts";

async function readConfig(file: string): Promise<TrainingConfig> {
  try {
    return TrainingConfig.fromYaml(await Deno.readTextFile(file), { file });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new UsageError(`Cannot read the configuration ${file}: there is no such file.`);
  }
}

if (import.meta.main) {
  await runMain(async () => {
    const args = parseEvaluateArguments(Deno.args);
    if (args.help) {
      console.log(evaluateHelp());
      return 0;
    }
    const config = args.config === undefined ? undefined : await readConfig(args.config);
    const started = performance.now();
    const status = statusLine();
    // The JSON alone goes to standard output where it is asked for there.
    const say = args.json === "-" ? console.error : console.log;
    try {
      const evaluation = await evaluate({ ...args.options, config }, {
        onMessage: (line) => status.say(line),
        onProgress: (what, done, total) => status.show(what, done, total),
      });
      status.end();
      say(describeEvaluation(evaluation));
      const json = JSON.stringify(evaluation, null, 1) + "\n";
      if (args.json === "-") console.log(json.trimEnd());
      else if (args.json !== undefined) {
        await writeFileAtomically(args.json, new TextEncoder().encode(json));
      }
      if (args.csv !== undefined) await appendCsv(args.csv, evaluation);
      say(`\nDone in ${((performance.now() - started) / 1000).toFixed(0)} s`);
      return 0;
    } finally {
      status.end();
    }
  });
}
