import { assertEquals } from "@std/assert";
import { fuzz } from "../../support/format_fuzzing.ts";
import { allFormatSamples } from "../../support/all_format_samples.ts";

for (const sample of await allFormatSamples()) {
  Deno.test(`${sample.kind}: cut at every byte and damaged 300 times, a result or one clear error`, async () => {
    const { failures } = await fuzz(sample, 300, 20240607);
    assertEquals(failures, []);
  });
}
