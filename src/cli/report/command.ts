/** `deno task report`: a page of training runs, their curves and what their encoder sees. */

import { statusLine } from "../../base/status_line.ts";
import { say, warn } from "../../base/terminal.ts";
import { makeReport } from "../../report/make_report.ts";
import { command, type RunCommand } from "../command.ts";
import { INTERRUPTED } from "../exit.ts";
import { parseReportArguments, type ReportArguments, reportHelp } from "./arguments.ts";

/** The command. */
export const report: RunCommand = command(reportHelp, parseReportArguments, run);

async function run({ options }: Extract<ReportArguments, { help: false }>): Promise<number> {
  Deno.addSignalListener("SIGINT", () => {
    warn("Interrupted; no page was written.");
    Deno.exit(INTERRUPTED);
  });
  const status = statusLine();
  const made = await makeReport(options, status.say, status.show).finally(status.end);
  const { runs, scenes } = made.report;
  const shown = [
    `${runs.length} ${runs.length === 1 ? "run" : "runs"}`,
    `${scenes.length} ${scenes.length === 1 ? "scene" : "scenes"}`,
  ];
  say(`${options.output}: ${shown.join(", ")}, ${(made.bytes / 1e6).toFixed(1)} MB`);
  return 0;
}
