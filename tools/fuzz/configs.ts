/** Configurations that somebody broke. */

import { fromFileUrl, join } from "@std/path";
import { Random } from "../../src/data/random.ts";
import { UsageError } from "../../src/errors.ts";
import { TrainingConfig } from "../../src/training/config.ts";
import { CONFIG_KEY_NAMES } from "../../src/training/config_keys.ts";
import { readConfigFile } from "../../src/training/config_file.ts";
import { type Campaign, firstLine } from "./campaign.ts";

const CONFIGS = fromFileUrl(new URL("../../configs", import.meta.url));
/** A refusal that takes longer is as good as a hang. */
const TOO_SLOW_MS = 2000;
const LONGEST_MESSAGE = 200_000;

const VALUES = [
  ...[
    "",
    "null",
    "~",
    "true",
    "-1",
    "0",
    "1e999",
    "-0",
    ".nan",
    ".inf",
    "0x1F",
    "1_000",
    "'x'",
    '"',
    "[]",
  ],
  ...[
    "{}",
    "[1, [2, [3]]]",
    "{a: {b: c}}",
    "&a [*a]",
    "*none",
    "!!python/object:os.system x",
    "<<: *a",
  ],
  ...[
    "\u0007\u001b[31m",
    "日本",
    "9".repeat(400),
    "x".repeat(5000),
    "{".repeat(300),
    "[".repeat(300),
  ],
  ...[
    "- - - 1",
    "|\n  text",
    ">-\n  folded",
    "2024-01-01",
    "1:30",
    "no",
    "1.5",
    "[normals, normals]",
  ],
];
const CHARACTERS = [..." \t\n:#-[]{}&*!|>'\"%@`,?\u0000\u0085\ufeff\u2028abz09"];

/** One change of a text. */
function change(text: string, random: Random): string {
  const lines = text.split("\n");
  const line = random.int(lines.length);
  const value = VALUES[random.int(VALUES.length)];
  const key = CONFIG_KEY_NAMES[random.int(CONFIG_KEY_NAMES.length)];
  const at = random.int(text.length + 1);
  switch (random.int(8)) {
    case 0:
      return text.slice(0, at) + CHARACTERS[random.int(CHARACTERS.length)] + text.slice(at);
    case 1:
      return text.slice(0, at) + text.slice(at + 1 + random.int(9));
    case 2:
      return [...lines.slice(0, line), lines[line], ...lines.slice(line)].join("\n");
    case 3:
      return [...lines.slice(0, line), `${key}: ${value}`, ...lines.slice(line)].join("\n");
    case 4:
      return [
        ...lines.slice(0, line),
        lines[line].replace(/:.*/, `: ${value}`),
        ...lines.slice(line + 1),
      ]
        .join("\n");
    case 5:
      return [...lines.slice(0, line), `  ${lines[line]}`, ...lines.slice(line + 1)].join("\n");
    case 6:
      return text.slice(0, at);
    default:
      return [...lines.slice(0, line), `${value}: ${value}`, ...lines.slice(line)].join("\n");
  }
}

/** Each gives a configuration, or one list of what is wrong. */
export const configs: Campaign = {
  about: "configurations with characters, lines, keys and values broken",
  usual: 600,
  async run({ count, seed }, tally) {
    const texts = [TrainingConfig.defaults().toYaml()];
    for (const { name } of Deno.readDirSync(CONFIGS)) {
      texts.push(Deno.readTextFileSync(join(CONFIGS, name)));
    }
    const folder = await Deno.makeTempDir();
    const path = join(folder, "broken.yaml");
    try {
      for (let i = 0; i < count; i++) {
        const random = new Random(seed, "config", i);
        let text = texts[random.int(texts.length)];
        for (let n = 1 + random.int(4); n > 0; n--) text = change(text, random);
        const bytes = new TextEncoder().encode(text);
        if (random.int(10) === 0) bytes[random.int(bytes.length)] = 0x80 + random.int(128);
        Deno.writeFileSync(path, bytes);
        const started = performance.now();
        let outcome = "a configuration", wrong = "";
        try {
          await readConfigFile(path);
        } catch (error) {
          outcome = "refused";
          if (!(error instanceof UsageError)) wrong = firstLine(error);
          else if (error.message.length > LONGEST_MESSAGE) wrong = "a message nobody can read";
        }
        const took = performance.now() - started;
        if (took > TOO_SLOW_MS) wrong = `took ${took.toFixed(0)} ms`;
        if (wrong) tally.fail(`${JSON.stringify(text.slice(0, 200))}…: ${wrong}`);
        else tally.count(outcome);
      }
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
};
