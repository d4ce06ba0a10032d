/**
 * A small file of every point cloud format, damaged: each copy gives a cloud or one clear error.
 */

import { UsageError } from "../../src/base/errors.ts";
import { allFormatSamples } from "../../tests/support/all_format_samples.ts";
import { fuzz } from "../../tests/support/format_fuzzing.ts";
import type { Ask, Campaign, Tally } from "./campaign.ts";

async function run({ count, seed, format = "" }: Ask, tally: Tally): Promise<void> {
  const samples = (await allFormatSamples()).filter(({ kind }) =>
    kind.toLowerCase().includes(format.toLowerCase())
  );
  if (samples.length === 0) throw new UsageError(`--format: there is no format like ${format}`);
  for (const sample of samples) {
    const { results, errors, failures } = await fuzz(sample, count, seed);
    tally.tried += results + errors;
    tally.count("read", results);
    tally.count("refused", errors);
    for (const failure of failures) tally.fail(`${sample.kind}: ${failure}`);
  }
}

/** The campaign. Besides `count` damaged copies of each sample it tries it cut at every byte. */
export const formats: Campaign = {
  what: "point cloud files of every format, cut at every byte and N damaged copies of each",
  count: 50,
  run,
};
