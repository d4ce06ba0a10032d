/** `deno task embed --checkpoint PATH --input PATH… --output DIR`: features of scenes and scans. */

import { runCommand } from "../src/cli/commands.ts";

if (import.meta.main) await runCommand("embed");
