/** `deno task preprocess --input PATH… --output DIR`: make training scenes of scans and meshes. */

import { runCommand } from "../src/cli/commands.ts";

if (import.meta.main) await runCommand("preprocess");
