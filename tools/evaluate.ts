/**
 * `deno task evaluate --checkpoint PATH --data DIR`: what the features of a checkpoint are worth.
 */

import { runCommand } from "../src/cli/commands.ts";

if (import.meta.main) await runCommand("evaluate");
