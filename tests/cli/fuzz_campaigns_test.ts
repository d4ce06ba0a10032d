/** Each campaign of `deno task fuzz`, a few trials of it: that they work, and find nothing. */

import { assert, assertEquals } from "@std/assert";
import { type Ask, type Result, Tally } from "../../tools/fuzz/campaign.ts";
import { checkpoints } from "../../tools/fuzz/checkpoints.ts";
import { commands } from "../../tools/fuzz/commands.ts";
import { configs } from "../../tools/fuzz/configs.ts";
import { troubleRuns } from "../../tools/fuzz/disk.ts";
import { formats } from "../../tools/fuzz/formats.ts";
import { killRuns } from "../../tools/fuzz/kills.ts";
import { missingPermissions } from "../support/permissions.ts";

const ignore = missingPermissions("run", "read", "write", "env") || Deno.build.os === "windows";

/** Epochs of the runs that are broken here: four steps. */
const EPOCHS = 2;

async function tallied(
  count: number,
  run: (ask: Ask, tally: Tally) => Promise<void>,
): Promise<Tally> {
  const tally = new Tally("test");
  await run({ count, seed: 20240607, first: 0 }, tally);
  assertEquals(tally.failures, []);
  return tally;
}

Deno.test("campaign: damaged checkpoints and scenes", { ignore }, async () => {
  assertEquals((await tallied(20, checkpoints.run)).tried, 20);
});

Deno.test("campaign: broken configurations", { ignore }, async () => {
  assertEquals((await tallied(20, configs.run)).tried, 20);
});

Deno.test("campaign: command lines, two of them as processes", { ignore }, async () => {
  const { tried, came } = await tallied(11, commands.run);
  assertEquals(tried, 11);
  const processes = [...came].filter(([what]) => what.startsWith("process: "));
  assertEquals(processes.reduce((sum, [, times]) => sum + times, 0), 2);
});

Deno.test("campaign: formats", { ignore }, async () => {
  const tally = await tallied(3, (ask, all) => formats.run({ ...ask, format: "OFF" }, all));
  assert(tally.tried > 6);
});

Deno.test("campaign: a run killed twice", { ignore }, async () => {
  const { tried, came } = await tallied(2, (ask, tally) => killRuns(ask, tally, EPOCHS));
  assertEquals(tried, 2);
  assert((came.get("runs that ended as if unbroken") ?? 0) >= 1);
});

Deno.test("campaign: a disk that fills up, where one can be mounted", { ignore }, async () => {
  const { tried, skipped } = await tallied(1, (ask, tally) => troubleRuns(ask, tally, EPOCHS));
  assertEquals(tried + skipped.length, 1);
});

Deno.test("what comes out wrong fails a campaign and names its trial", () => {
  const tally = new Tally("test");
  const results: Result[] = [{ came: "refused" }, { came: "loaded", wrong: "it loads" }];
  results.forEach((result, i) => tally.add(i, result));
  assertEquals([tally.tried, tally.failures], [2, ["trial 1: it loads"]]);
  assertEquals([...tally.came], [["refused", 1], ["loaded", 1]]);
});
