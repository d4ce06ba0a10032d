/**
 * Damages a small file of every point cloud format in every way: cut at every byte, bytes changed at random. Each
 * copy must give a result or one clear error; anything else is printed and ends with exit code 1.
 *
 *     deno run -A tools/fuzz_formats.ts [--flips 10000] [--seed 1] [FORMAT…]
 */

import { parseArgs } from "@std/cli/parse-args";
import { allFormatSamples } from "../tests/support/all_format_samples.ts";
import { fuzz } from "../tests/support/format_fuzzing.ts";
import { UsageError } from "../src/errors.ts";

const HELP = `deno run -A tools/fuzz_formats.ts [--flips N] [--seed N] [FORMAT…]
  --flips N   damaged copies of each format (default 10000)
  --seed N    which damage (default 1)
  FORMAT      only kinds that contain this, e.g. PLY`;

function wholeNumber(name: string, text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= 0 && text.trim() !== "") return value;
  throw new UsageError(
    `Cannot use --${name}: expected a whole number of 0 or more, got "${text}".`,
  );
}

async function main(): Promise<number> {
  const args = parseArgs(Deno.args, {
    string: ["flips", "seed"],
    boolean: ["help"],
    default: { flips: "10000", seed: "1" },
    unknown: (name: string, key?: string) => {
      if (key !== undefined) {
        throw new UsageError(`Cannot use ${name}: there is no such flag.\n${HELP}`);
      }
    },
  });
  if (args.help) {
    console.log(HELP);
    return 0;
  }
  const flips = wholeNumber("flips", args.flips);
  const seed = wholeNumber("seed", args.seed);
  const wanted: string[] = args._.map((word: unknown) => String(word).toLowerCase());
  const samples = (await allFormatSamples()).filter(({ kind }) =>
    wanted.length === 0 || wanted.some((word) => kind.toLowerCase().includes(word))
  );
  if (samples.length === 0) throw new UsageError(`There is no format like ${wanted.join(", ")}.`);
  let failed = 0;
  console.log("format              bytes   read  refused  failed  slowest");
  for (const sample of samples) {
    const { results, errors, slowest, failures } = await fuzz(sample, flips, seed);
    failed += failures.length;
    const cells = [
      sample.kind.padEnd(18),
      String(sample.bytes.length).padStart(6),
      String(results).padStart(6),
      String(errors).padStart(8),
      String(failures.length).padStart(7),
      `${slowest.toFixed(0)} ms`.padStart(8),
    ];
    console.log(cells.join(" "));
    for (const failure of failures.slice(0, 5)) console.log(`  ${failure}`);
  }
  return failed > 0 ? 1 : 0;
}

try {
  Deno.exit(await main());
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  console.error(error.message);
  Deno.exit(2);
}
