/**
 * `deno task report RUN_DIR…`: a page of training runs, their curves and what their encoder sees.
 */

import { runCommand } from "../src/cli/commands.ts";

if (import.meta.main) await runCommand("report");
