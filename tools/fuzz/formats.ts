/** Point cloud files: every format's sample cut at every byte, and bytes changed at random. */

import { allFormatSamples } from "../../tests/support/all_format_samples.ts";
import { fuzz } from "../../tests/support/format_fuzzing.ts";
import type { Campaign } from "./campaign.ts";

/** Each damaged copy gives a cloud or one clear error, at once. */
export const formats: Campaign = {
  about: "point cloud files of every format, cut and changed",
  usual: 2000,
  async run({ count, seed }, tally) {
    const samples = await allFormatSamples();
    for (const sample of samples) {
      const outcome = await fuzz(sample, Math.ceil(count / samples.length), seed);
      for (let i = 0; i < outcome.results; i++) tally.count("a cloud");
      for (let i = 0; i < outcome.errors; i++) tally.count("refused");
      for (const failure of outcome.failures) tally.fail(`${outcome.kind}: ${failure}`);
    }
  },
};
