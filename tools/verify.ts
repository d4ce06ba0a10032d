/** `deno task verify [--json] [FILE…]`: does this device compute what PyTorch computes? */

import { runCommand } from "../src/cli/commands.ts";

if (import.meta.main) await runCommand("verify");
