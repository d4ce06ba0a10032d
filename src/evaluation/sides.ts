/** Which scenes heads learn from and are tested on, and the classes of both. */

import { join } from "@std/path";
import { listScenes, ScenesDataset } from "../scenes/scenes_dataset.ts";
import { DataError, UsageError } from "../base/errors.ts";
import type { TrainingConfig } from "../run/config.ts";
import { holdOut } from "./splits.ts";

/** Which scenes are tested on: a split of the data, or a fifth of its training scenes. */
export type TestSplit = "test" | "val" | "held-out";

/** Which scenes an evaluation learns from and is tested on. */
export interface EvaluationData {
  /** Folder of prepared scenes with `train`. */
  readonly data: string;
  /** Folder of prepared scenes to test on instead of a split of `data`. */
  readonly test?: string;
  /** The split to test on. */
  readonly split: TestSplit;
}

/** Scenes of both sides. */
export interface Sides {
  /** What heads learn from. */
  readonly train: { readonly dataset: ScenesDataset; readonly indices: Uint32Array };
  /** What they are tested on. */
  readonly test: { readonly dataset: ScenesDataset; readonly indices: Uint32Array };
  /** In words. */
  readonly testedOn: string;
}

const HELD_OUT = "held-out";

/**
 * Opens the scenes that heads learn from and are tested on, with the feature channels that the
 * encoder reads.
 *
 * @throws {UsageError} There are no such scenes.
 */
export async function openSides(
  { data, test, split }: EvaluationData,
  config: TrainingConfig,
  seed: number,
): Promise<Sides> {
  const found = await listScenes(data);
  const options = {
    features: config.features,
    maxHierarchyDepth: config.max_hierarchy_depth,
    cacheBytes: config.cache_mb * 1e6,
  };
  const train = new ScenesDataset(found.train, options);
  await train.checkFeatures(config.input_feat_dim);
  const all = (dataset: ScenesDataset) => ({
    dataset,
    indices: Uint32Array.from({ length: dataset.length }, (_, i) => i),
  });
  if (test !== undefined) {
    const files = await testFiles(test);
    return {
      train: all(train),
      test: all(new ScenesDataset(files, options)),
      testedOn: `scenes of ${test}`,
    };
  }
  if (split === HELD_OUT) {
    if (train.length < 2) {
      throw new UsageError(
        `Cannot hold out training scenes of ${data}: expected at least two, found ${train.length}`,
      );
    }
    const { labels, classes } = (await train.get(0)).sceneLabel === undefined
      ? { labels: new Uint32Array(train.length), classes: [0] }
      : await sceneLabels(train);
    const { train: kept, validation } = holdOut(labels, classes.length, seed);
    return {
      train: { dataset: train, indices: kept },
      test: { dataset: train, indices: validation },
      testedOn: `a fifth of the training scenes of ${data}, held out`,
    };
  }
  if (found[split].length === 0) {
    const there = (["train", "val", "test"] as const).filter((name) => found[name].length > 0)
      .map((name) => `${name} (${found[name].length})`).join(", ");
    throw new UsageError(
      `Cannot evaluate on the split ${split} of ${data}: it has no scenes there; it has ${there}. Use another ` +
        `--split (held-out takes a fifth of the training scenes) or give test scenes with --test DIR`,
    );
  }
  return {
    train: all(train),
    test: all(new ScenesDataset(found[split], options)),
    testedOn: `${split} split of ${data}`,
  };
}

/** Scenes below `test/test`, or, where there is no such folder, all scenes of `test`. */
async function testFiles(test: string): Promise<readonly string[]> {
  const inner = join(test, "test");
  const hasInner = await Deno.stat(inner).then(({ isDirectory }) => isDirectory, () => false);
  return (await listScenes(hasInner ? inner : test)).train;
}

/** The labels of scenes as they stand, and which there are, ascending. */
async function sceneLabels(
  dataset: ScenesDataset,
): Promise<{ labels: Uint32Array; classes: number[] }> {
  const labels = new Uint32Array(dataset.length);
  for (let i = 0; i < dataset.length; i++) {
    const { sceneLabel, id } = await dataset.get(i);
    if (sceneLabel === undefined || sceneLabel < 0) {
      throw new DataError(
        `Cannot evaluate objects: scene ${id} (${
          dataset.source.files[i]
        }) has no label. Prepare objects from ` +
          `folders named after their classes: deno task preprocess --input DIR --objects --output DIR`,
      );
    }
    labels[i] = sceneLabel;
  }
  const classes = [...new Set(labels)].sort((a, b) => a - b);
  const place = new Map(classes.map((label, c) => [label, c]));
  return { labels: labels.map((label) => place.get(label)!), classes };
}

/**
 * Labels of both sides as places among the classes.
 * @throws {DataError} They do not fit each other.
 */
export async function labelsOfSides(
  { train, test }: Sides,
  names: (label: number) => string = (label) => String(label),
): Promise<{ train: Uint32Array; test: Uint32Array; classes: number[] }> {
  const fit = await sceneLabels(train.dataset);
  const judge = test.dataset === train.dataset ? fit : await sceneLabels(test.dataset);
  const values = (side: Sides["train"], own: typeof fit) =>
    Array.from(side.indices, (i) => own.classes[own.labels[i]]);
  const trainValues = values(train, fit), testValues = values(test, judge);
  const classes = [...new Set(trainValues)].sort((a, b) => a - b);
  const there = new Set(testValues);
  const missing = (from: Iterable<number>, known: ReadonlySet<number>, side: string) => {
    const absent = [...from].filter((label) => !known.has(label)).map(names);
    if (absent.length === 0) return;
    throw new DataError(
      `Cannot evaluate objects: no ${side} scene is labelled ${
        absent.join(", ")
      }; every class has to occur in the ` + `training and in the test scenes`,
    );
  };
  missing(there, new Set(classes), "training");
  missing(classes, there, "test");
  if (classes.length < 2) {
    throw new DataError(
      `Cannot evaluate objects: all scenes are of one class, ${
        names(classes[0])
      }; expected at least two`,
    );
  }
  const place = new Map(classes.map((label, c) => [label, c]));
  const places = (labels: number[]) => Uint32Array.from(labels, (label) => place.get(label)!);
  return { train: places(trainValues), test: places(testValues), classes };
}

/** Names from the data's index.json; "class 3" where it has none. */
export async function classNames(data: string): Promise<(label: number) => string> {
  let names: unknown;
  try {
    names = JSON.parse(await Deno.readTextFile(join(data, "index.json"))).classes;
  } catch {
    names = undefined; // scenes that something else prepared
  }
  return (label) =>
    Array.isArray(names) && typeof names[label] === "string" ? names[label] : `class ${label}`;
}
