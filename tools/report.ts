/** `deno task report RUN_DIR…`: a page of training runs, their curves and what their encoder sees. */

import { statusLine } from "../src/base/status_line.ts";
import { say, warn } from "../src/base/terminal.ts";
import { parseReportArguments, reportHelp } from "../src/cli/report/arguments.ts";
import { makeReport } from "../src/report/make_report.ts";
import { runMain } from "../src/cli/exit.ts";

const INTERRUPTED = 130;

if (import.meta.main) {
  await runMain(async () => {
    const args = parseReportArguments(Deno.args);
    if (args.help) {
      say(reportHelp().trimEnd());
      return 0;
    }
    Deno.addSignalListener("SIGINT", () => {
      warn("Interrupted; no page was written.");
      Deno.exit(INTERRUPTED);
    });
    const { options } = args;
    const status = statusLine();
    const { bytes, report } = await makeReport(options, status.say, status.show)
      .finally(status.end);
    const shown = [
      `${report.runs.length} ${report.runs.length === 1 ? "run" : "runs"}`,
      `${report.scenes.length} ${report.scenes.length === 1 ? "scene" : "scenes"}`,
    ];
    say(`${options.output}: ${shown.join(", ")}, ${(bytes / 1e6).toFixed(1)} MB`);
    return 0;
  });
}
