/** The samples of every reader in the registry: what fuzzing runs over. */

import { findReader, formatReaders } from "../../src/cloud/formats/registry.ts";
import { binarySamples } from "./binary_format_samples.ts";
import { type FormatSample, textAndMeshSamples } from "./format_samples.ts";

/** A small file of every kind of every format. Throws when a registered reader has none. */
export function allFormatSamples(): Promise<FormatSample[]> {
  const samples = [...textAndMeshSamples(), ...binarySamples()];
  const covered = new Set(samples.map(({ bytes, fileName }) => findReader(bytes, fileName)));
  const missing = formatReaders.filter((reader) => !covered.has(reader)).map(({ name }) => name);
  if (missing.length > 0) throw new Error(`There is no sample of ${missing.join(", ")}.`);
  return Promise.resolve(samples);
}
