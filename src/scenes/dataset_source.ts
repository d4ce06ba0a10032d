/** Datasets that can be opened again in another thread. */

import type { Dataset } from "./scene.ts";
import { ScenesDataset, type ScenesSource } from "./scenes_dataset.ts";
import { SyntheticDataset, type SyntheticSource } from "./synthetic/synthetic.ts";

/** What a dataset is opened from: plain data, as a message to a worker must be. */
export type DatasetSource = ScenesSource | SyntheticSource;

/**
 * The source of a dataset of this library; undefined for a user's own, which only its own thread
 * can read.
 */
export function sourceOf(dataset: Dataset): DatasetSource | undefined {
  return dataset instanceof ScenesDataset || dataset instanceof SyntheticDataset
    ? dataset.source
    : undefined;
}

/** Opens the dataset of a source for one of `readers`, which share its cache's bytes evenly. */
export function openSource(source: DatasetSource, readers: number): Dataset {
  if (source.kind === "synthetic") return new SyntheticDataset(source.options);
  return new ScenesDataset(source.files, source.options, readers);
}
