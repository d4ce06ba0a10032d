/** `deno task embed --checkpoint PATH --input PATH… --output DIR`: features of scenes and scans. */

import { embedHelp, parseEmbedArguments } from "../src/evaluation/embed/arguments.ts";
import { runEmbed } from "../src/evaluation/embed/command.ts";
import { runMain } from "../src/exit.ts";

if (import.meta.main) {
  await runMain(async () => {
    const args = parseEmbedArguments(Deno.args);
    if (args.help) {
      console.log(embedHelp());
      return 0;
    }
    return await runEmbed(args);
  });
}
