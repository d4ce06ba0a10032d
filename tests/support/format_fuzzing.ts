/** Damaging sample files in every way: the reader must give a result or one DataError. */

import { readPointCloudBytes } from "../../src/cloud/formats/registry.ts";
import { DataError } from "../../src/base/errors.ts";
import { Random } from "../../src/base/random.ts";
import type { FormatSample } from "./format_samples.ts";

/** What became of a sample's damaged copies. */
export interface FuzzOutcome {
  readonly kind: string;
  results: number;
  errors: number;
  /** The longest one read took, in milliseconds. */
  slowest: number;
  /** How it failed, and which damage to repeat. */
  readonly failures: string[];
}

/** More than this for a file of a few hundred bytes is as good as a hang. */
const TOO_SLOW_MS = 2000;
/** A cloud with more values than this for each byte of its file: an allocation nothing bounds. */
const MOST_VALUES_A_BYTE = 64;
const MESSAGE = /^Cannot read [^\n]+$/;

/**
 * Cuts the sample at every byte and flips bytes in `flips` copies, one to four in each, drawn from
 * the seed. A failure is an error that is no DataError or whose message has several lines, a cloud
 * that contradicts itself, an allocation beyond all proportion or a read of seconds.
 */
export async function fuzz(
  sample: FormatSample,
  flips: number,
  seed: number,
): Promise<FuzzOutcome> {
  const outcome = { kind: sample.kind, results: 0, errors: 0, slowest: 0, failures: [] };
  for (let length = 0; length < sample.bytes.length; length++) {
    await tryOne(sample, sample.bytes.slice(0, length), `cut to ${length} bytes`, outcome);
  }
  for (let i = 0; i < flips; i++) {
    const random = new Random(seed, "fuzz", sample.kind, i);
    const bytes = sample.bytes.slice();
    const damage: string[] = [];
    for (let n = 1 + random.int(4); n > 0; n--) {
      const at = random.int(bytes.length);
      bytes[at] = random.int(256);
      damage.push(`${at}=${bytes[at]}`);
    }
    await tryOne(sample, bytes, `bytes ${damage.join(" ")}`, outcome);
  }
  return outcome;
}

async function tryOne(
  sample: FormatSample,
  bytes: Uint8Array,
  damage: string,
  outcome: FuzzOutcome,
): Promise<void> {
  const fail = (reason: string): number => outcome.failures.push(`${damage}: ${reason}`);
  const started = performance.now();
  try {
    const cloud = await readPointCloudBytes(bytes, sample.fileName);
    outcome.results++;
    let values = cloud.coords.length + (cloud.triangles?.length ?? 0);
    for (const [name, { width, data }] of cloud.attributes) {
      values += data.length;
      if (data.length !== cloud.count * width) fail(`${data.length} values of ${name}`);
    }
    if (cloud.coords.length !== 3 * cloud.count) fail(`${cloud.coords.length} coordinates`);
    if (cloud.triangles?.some((vertex) => vertex >= cloud.count)) fail("a corner that is no point");
    if (values > MOST_VALUES_A_BYTE * (bytes.length + 1)) fail(`${values} values`);
  } catch (error) {
    outcome.errors++;
    if (!(error instanceof DataError)) {
      fail(error instanceof Error ? error.stack ?? error.message : String(error));
    } else if (!MESSAGE.test(error.message)) fail(`message ${JSON.stringify(error.message)}`);
  }
  const took = performance.now() - started;
  if (took > outcome.slowest) outcome.slowest = took;
  if (took > TOO_SLOW_MS) fail(`took ${took.toFixed(0)} ms`);
}
