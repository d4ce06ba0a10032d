import { assert, assertEquals, assertGreater } from "@std/assert";
import { Tally } from "../tools/fuzz/campaign.ts";
import { CAMPAIGNS } from "../tools/fuzz.ts";
import { noDevice } from "./support/device.ts";
import { missingPermissions } from "./support/permissions.ts";

const ignore = noDevice || missingPermissions("run", "read", "write", "env");

/** Tries that take a second or a few. */
const SMALL: Readonly<Record<string, number>> = {
  formats: 40,
  checkpoints: 60,
  configs: 60,
  commands: 4,
  kills: 2,
  disk: 2,
};

for (const [name, campaign] of Object.entries(CAMPAIGNS)) {
  Deno.test(`the campaign ${name} finds nothing`, { ignore }, async () => {
    const tally = new Tally();
    await campaign.run({ count: SMALL[name], seed: 3 }, tally);
    assertEquals(tally.failures, []);
    assertGreater(tally.tried, 0);
    assertEquals([...tally.outcomes.values()].reduce((sum, n) => sum + n, 0), tally.tried);
  });
}

Deno.test("a campaign that finds something says so", () => {
  const tally = new Tally();
  tally.count("fine");
  for (let i = 0; i < 30; i++) tally.fail(`fault ${i}`);
  assertEquals([tally.tried, tally.failed, tally.failures.length], [31, 30, 20]);
  assert(tally.failures[0] === "fault 0");
});
