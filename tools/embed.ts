/** `deno task embed --checkpoint PATH --input PATH… --output DIR`: features of scenes and scans. */

import { say } from "../src/base/terminal.ts";
import { embedHelp, parseEmbedArguments } from "../src/cli/embed/arguments.ts";
import { runEmbed } from "../src/cli/embed/command.ts";
import { runMain } from "../src/cli/exit.ts";

if (import.meta.main) {
  await runMain(async () => {
    const args = parseEmbedArguments(Deno.args);
    if (args.help) {
      say(embedHelp().trimEnd());
      return 0;
    }
    return await runEmbed(args);
  });
}
