/**
 * `deno task fuzz [CAMPAIGN…]`: tries to break what dbbd promises, at random but repeatably. What
 * is promised and what came of it so far: docs/reliability.md.
 */

import { UsageError } from "../src/base/errors.ts";
import { runMain } from "../src/cli/exit.ts";
import { flagsHelp, type FlagTable, readFlags } from "../src/cli/flags.ts";
import { say, warn } from "../src/base/terminal.ts";
import { type Campaign, Tally } from "./fuzz/campaign.ts";
import { checkpoints } from "./fuzz/checkpoints.ts";
import { commands } from "./fuzz/commands.ts";
import { configs } from "./fuzz/configs.ts";
import { disk } from "./fuzz/disk.ts";
import { formats } from "./fuzz/formats.ts";
import { kills } from "./fuzz/kills.ts";

const CAMPAIGNS: Readonly<Record<string, Campaign>> = {
  formats,
  checkpoints,
  configs,
  commands,
  kills,
  disk,
};

const FLAGS: FlagTable = {
  count: { value: "N", help: "trials of each campaign (see above)" },
  seed: { value: "N", help: "which trials (1)" },
  first: { value: "N", help: "number of the first trial: --first 37 --count 1 repeats one (0)" },
  format: { value: "WORD", help: "of the formats, only kinds that contain this, such as PLY" },
  help: { help: "show this help (also -h)" },
};

function help(): string {
  const campaigns = Object.entries(CAMPAIGNS).map(([name, { what, count }]) =>
    `  ${name.padEnd(12)} ${what} (${count})`
  );
  return `Try to break what dbbd promises.

  deno task fuzz [CAMPAIGN…] [flags]

Campaigns, and how many trials where --count does not say; all of them where none is named:
${campaigns.join("\n")}

Flags (defaults in brackets):
${flagsHelp(FLAGS)}

Exit code 0; 1 where something came out wrong; 2 for wrong usage.`;
}

interface Row {
  readonly name: string;
  readonly tally: Tally;
  readonly seconds: number;
}

function table(rows: readonly Row[]): string {
  const lines = rows.flatMap(({ name, tally, seconds }) => {
    const { tried, failures, came, skipped } = tally;
    const numbers = [String(tried).padStart(7), String(failures.length).padStart(7)];
    return [
      `${name.padEnd(12)} ${numbers.join(" ")} ${seconds.toFixed(0).padStart(8)}`,
      ...[...came].sort().map(([what, count]) => `${String(count).padStart(20)}  ${what}`),
      ...skipped.map((what) => `${"".padEnd(20)}  skipped: ${what}`),
    ];
  });
  return [`${"campaign".padEnd(12)}   tried  failed  seconds`, ...lines].join("\n");
}

async function main(): Promise<number> {
  const given = readFlags(Deno.args, FLAGS);
  if (given.has("help")) {
    say(help());
    return 0;
  }
  const names = given.rest.length > 0 ? [...new Set(given.rest)] : Object.keys(CAMPAIGNS);
  const unknown = names.find((name) => !Object.hasOwn(CAMPAIGNS, name));
  if (unknown !== undefined) {
    const all = Object.keys(CAMPAIGNS).join(", ");
    throw new UsageError(`There is no campaign ${unknown}; there are ${all}`);
  }
  const seed = given.whole("seed", 1, 0);
  const first = given.whole("first", 0, 0);
  const format = given.text("format");
  const rows: Row[] = [];
  for (const name of names) {
    const count = given.whole("count", CAMPAIGNS[name].count, 1);
    const tally = new Tally(name);
    warn(`${name}: --count ${count} --seed ${seed} …`);
    const started = performance.now();
    await CAMPAIGNS[name].run({ count, seed, first, format }, tally);
    rows.push({ name, tally, seconds: (performance.now() - started) / 1000 });
  }
  say(table(rows));
  return rows.some(({ tally }) => tally.failures.length > 0) ? 1 : 0;
}

if (import.meta.main) await runMain(main);
