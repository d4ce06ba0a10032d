/** Command lines of every command, right words and wrong ones mixed. */

import { Random } from "../../src/data/random.ts";
import type { Campaign } from "./campaign.ts";
import { ended, start, unseemly } from "./process.ts";

const SCRIPTS = [
  ...["train.ts", "tools/preprocess.ts", "tools/inspect.ts", "tools/embed.ts"],
  ...["tools/evaluate.ts", "tools/report.ts", "tools/verify.ts"],
];
/** None of them starts a long run: where a training could begin, its data are not there. */
const WORDS = [
  ...[
    "--help",
    "--version",
    "--config",
    "--resume",
    "--resume=",
    "--init-from",
    "--set",
    "--seed",
    "--epochs",
  ],
  ...[
    "--input",
    "--output",
    "--data",
    "--checkpoint",
    "--protocol",
    "--json",
    "--columns",
    "--voxel",
  ],
  ...[
    "--split",
    "--overwrite",
    "--objects",
    "--workers",
    "--scene",
    "--device",
    "--as-input",
    "--csv",
  ],
  ...[
    "nothing.yaml",
    "nothing",
    ".",
    "",
    " ",
    "-",
    "--",
    "-1",
    "1e999",
    "NaN",
    "x=y",
    "=",
    "seed=",
    "a=b=c",
  ],
  ...[
    "software",
    "\u001b[31mred",
    "\u009b5m",
    "日本",
    "x".repeat(3000),
    "--nonsense",
    "-h",
    "../..",
    "0.5",
  ],
  ...[
    "text.txt",
    "link",
    "cloud.xyz",
    "x,y,z",
    "data_root=nothing",
    "dataset=scenes",
    "linear",
    "0.7,0.3,0",
  ],
];

/** Each ends with an exit code and words for a person. */
export const commands: Campaign = {
  about: "command lines of every command",
  usual: 40,
  async run({ count, seed }, tally) {
    const folder = await Deno.makeTempDir();
    try {
      Deno.writeTextFileSync(`${folder}/text.txt`, "no cloud\n");
      Deno.writeTextFileSync(`${folder}/cloud.xyz`, "0 0 0\n1 0 0\n0 1 0\n");
      if (Deno.build.os !== "windows") Deno.symlinkSync("link", `${folder}/link`);
      for (let i = 0; i < count; i++) {
        const random = new Random(seed, "command", i);
        const script = SCRIPTS[random.int(SCRIPTS.length)];
        const args = Array.from({ length: random.int(7) }, () => WORDS[random.int(WORDS.length)]);
        // Verifying all golden files is no question of the command line.
        if (script === "tools/verify.ts") args.push("nothing");
        const result = await ended(start(script, args, folder), 60);
        const wrong = unseemly(result);
        if (wrong) {
          const said = (result.err || result.out).slice(0, 300);
          tally.fail(
            `${script} ${JSON.stringify(args.map((a) => a.slice(0, 40)))}: ${wrong}: ${said}`,
          );
        } else tally.count(`exit code ${result.code}`);
      }
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
};
