/** Broken configurations: each gives settings, or one list of what is wrong, at once. */

import { join } from "@std/path";
import { Random } from "../../src/base/random.ts";
import { UsageError } from "../../src/base/errors.ts";
import { harmless } from "../../src/base/terminal.ts";
import { type ConfigOverride, TrainingConfig } from "../../src/run/config.ts";
import { readConfigFile } from "../../src/run/config_file.ts";
import { CONFIG_KEY_NAMES } from "../../src/run/config_keys.ts";
import { tinyConfig } from "../../tests/support/tiny_config.ts";
import { type Campaign, type Result, traced } from "./campaign.ts";
import { type TrialMaker, watched } from "./watched.ts";
import { breakYaml, oddValue } from "./yaml_damage.ts";

/** Milliseconds in which somebody who waits for an answer has it. */
const AT_ONCE_MS = 2000;
/** Characters of a message that somebody may still read. */
const LONGEST_MESSAGE = 200_000;
/** What steers a terminal; a message has none of it once it went through `harmless`. */
// deno-lint-ignore no-control-regex
const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/;

/** What is wrong with a message that a person is to read; null: nothing. */
export function messageProblem(message: string): string | null {
  if (message.length > LONGEST_MESSAGE) return `a message of ${message.length} characters`;
  if (CONTROL.test(harmless(message))) return `control characters: ${JSON.stringify(message)}`;
  if (/^ {4}at /m.test(message)) return `a stack trace: ${message}`;
  return message.trim() === "" ? "an empty message" : null;
}

/** What came of a file of settings. */
async function read(path: string, overrides: readonly ConfigOverride[]): Promise<Result> {
  const started = performance.now();
  let result: Result;
  try {
    const config = await readConfigFile(path, overrides);
    const again = TrainingConfig.fromYaml(config.toYaml());
    const same = JSON.stringify(again.toObject()) === JSON.stringify(config.toObject());
    result = { came: "read", wrong: same ? undefined : "what it reads does not load back" };
  } catch (error) {
    const wrong = error instanceof UsageError ? messageProblem(error.message) : traced(error);
    result = { came: "refused", wrong: wrong ?? undefined };
  }
  const took = performance.now() - started;
  return took < AT_ONCE_MS ? result : { ...result, wrong: `it took ${took.toFixed(0)} ms` };
}

/**
 * What came of it, once more where something was wrong: the machine may have done something else
 * meanwhile.
 */
async function readTwice(path: string, overrides: readonly ConfigOverride[]): Promise<Result> {
  const result = await read(path, overrides);
  return result.wrong === undefined ? result : await read(path, overrides);
}

async function soundTexts(): Promise<string[]> {
  const folder = new URL("../../configs/", import.meta.url);
  const names: string[] = [];
  for await (const { name } of Deno.readDir(folder)) names.push(name);
  const shipped = names.sort().map((name) => Deno.readTextFile(new URL(name, folder)));
  return [
    TrainingConfig.defaults().toYaml(),
    tinyConfig().toYaml(),
    "",
    ...await Promise.all(shipped),
  ];
}

/** Every fourth trial sets a key on the command line too. */
export const configTrials: TrialMaker = async (seed, folder) => {
  const texts = await soundTexts();
  const path = join(folder, "config.yaml");
  return async (i) => {
    const random = new Random(seed, "configs", i);
    const { bytes, what } = breakYaml(texts[random.int(texts.length)], random);
    const key = CONFIG_KEY_NAMES[random.int(CONFIG_KEY_NAMES.length)];
    const overrides = i % 4 === 0 ? [{ key, text: oddValue(random), where: `--set ${key}` }] : [];
    await Deno.writeFile(path, bytes);
    const { came, wrong } = await readTwice(path, overrides);
    if (wrong === undefined) return { came };
    const set = overrides.map(({ where, text }) => `, ${where}=${text}`).join("");
    return { came, wrong: `${what.join(", ")}${set}: ${wrong}` };
  };
};

/** The campaign. */
export const configs: Campaign = {
  what: "broken configurations: each gives settings, or one list of what is wrong, at once",
  count: 200,
  run: (ask, tally) => watched("configs", ask, tally),
};
