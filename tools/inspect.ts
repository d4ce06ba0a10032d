/** `deno task inspect [--json] FILE|DIR …`: what is in these files? */

import { runCommand } from "../src/cli/commands.ts";

if (import.meta.main) await runCommand("inspect");
