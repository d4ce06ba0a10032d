/**
 * Repeats the campaigns against this program at any size: damaged files, broken configurations, odd command lines, kills, full
 * disks. docs/reliability.md says what they found.
 */

import { UsageError } from "../src/errors.ts";
import { runMain } from "../src/exit.ts";
import { flagsHelp, type FlagTable, readFlags } from "../src/flags.ts";
import { ensureDriver } from "../src/gpu/driver.ts";
import { say, warn } from "../src/terminal.ts";
import { type Campaign, Tally } from "./fuzz/campaign.ts";
import { checkpoints } from "./fuzz/checkpoints.ts";
import { commands } from "./fuzz/commands.ts";
import { configs } from "./fuzz/configs.ts";
import { disk } from "./fuzz/disk.ts";
import { formats } from "./fuzz/formats.ts";
import { kills } from "./fuzz/kills.ts";

/** All campaigns by name. */
export const CAMPAIGNS: Readonly<Record<string, Campaign>> = {
  formats,
  checkpoints,
  configs,
  commands,
  kills,
  disk,
};

const FLAGS: FlagTable = {
  count: { value: "N", help: "tries of each campaign (each has a number of its own)" },
  seed: { value: "N", help: "which tries (1)" },
  help: { help: "show this help (also -h)" },
};

function help(): string {
  const list = Object.entries(CAMPAIGNS).map(([name, { about, usual }]) =>
    `  ${name.padEnd(14)}${about} (${usual})`
  );
  return `Try hard to break this program.

  deno task fuzz [flags] [CAMPAIGN …]

Campaigns, all if none is named; in brackets how many tries:
${list.join("\n")}

Flags [defaults in brackets]:
${flagsHelp(FLAGS)}

Exit code 0; 1 when a fault was found; 2 for wrong usage.

Examples:
  deno task fuzz
  deno task fuzz kills --count 200
  deno task fuzz checkpoints configs --count 2000 --seed 7`;
}

async function main(): Promise<number> {
  const flags = readFlags(Deno.args, FLAGS);
  if (flags.has("help")) {
    say(help());
    return 0;
  }
  const names = flags.rest.length > 0 ? flags.rest : Object.keys(CAMPAIGNS);
  const unknown = names.find((name) => !Object.hasOwn(CAMPAIGNS, name));
  if (unknown !== undefined) {
    throw new UsageError(
      `There is no campaign ${unknown}; expected ${Object.keys(CAMPAIGNS).join(", ")}`,
    );
  }
  const count = flags.text("count") === undefined ? null : flags.whole("count", 1, 1);
  const seed = flags.whole("seed", 1, 0);
  await ensureDriver(warn);
  let failed = 0;
  for (const name of names) {
    const campaign = CAMPAIGNS[name], tally = new Tally();
    const started = performance.now();
    await campaign.run({ count: count ?? campaign.usual, seed }, tally);
    const seconds = (performance.now() - started) / 1000;
    const outcomes = [...tally.outcomes].map(([what, times]) => `${times} ${what}`).join(", ");
    say(`${name}: ${tally.tried} tried, ${tally.failed} failed, ${seconds.toFixed(0)} s`);
    if (outcomes) say(`  ${outcomes}`);
    for (const failure of tally.failures) say(`  FAILED ${failure}`);
    failed += tally.failed;
  }
  return failed > 0 ? 1 : 0;
}

if (import.meta.main) await runMain(main);
