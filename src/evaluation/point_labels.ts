/** The point labels of scenes: which there are, and which count. */

import type { Dataset, Scene } from "../scenes/scene.ts";
import { DataError } from "../base/errors.ts";
import { countRegions } from "./block_units.ts";

/** The scenes of one side. */
export interface PointScenes {
  /** Where they are. */
  readonly dataset: Dataset;
  /** Which of them. */
  readonly indices: Uint32Array;
}

/** Labels of all points of some scenes. */
export interface Survey {
  /** How many scenes. */
  readonly scenes: number;
  /** Points by label, of those that count. */
  readonly counts: ReadonlyMap<number, number>;
  /** Points whose label doesn't count. */
  readonly ignored: number;
  /** Regions of the scenes' trees by level. */
  readonly regionsByLevel: readonly number[];
}

/** A scene's point labels. @throws {DataError} It has none. */
export function labelsOf(scene: Scene): Int32Array {
  if (scene.pointLabels) return scene.pointLabels;
  throw new DataError(
    `Cannot probe points: scene ${scene.id} has no point labels (an attribute called label or labels)`,
  );
}

/** Counts the labels of scenes. */
export async function survey(
  { dataset, indices }: PointScenes,
  ignore: readonly number[],
): Promise<Survey> {
  const counts = new Map<number, number>(), regionsByLevel: number[] = [];
  let ignored = 0;
  for (const index of indices) {
    const scene = await dataset.get(index);
    for (const label of labelsOf(scene)) {
      if (label < 0 || ignore.includes(label)) ignored++;
      else counts.set(label, (counts.get(label) ?? 0) + 1);
    }
    countRegions(scene.tree, regionsByLevel);
  }
  return { scenes: indices.length, counts, ignored, regionsByLevel };
}

/**
 * The labels that count, ascending.
 * @throws {DataError} There are too few, or one is in the test scenes alone.
 */
export function classesOf(train: Survey, test: Survey): number[] {
  if (train.counts.size === 0 || test.counts.size === 0) {
    const side = train.counts.size === 0 ? "training" : "test";
    throw new DataError(`Cannot probe points: all labels of the ${side} scenes are ignored`);
  }
  const missing = [...test.counts.keys()].filter((label) => !train.counts.has(label)).sort();
  if (missing.length > 0) {
    throw new DataError(
      `Cannot probe points: label ${
        missing.join(", ")
      } occurs in the test scenes, but in no training scene; ` +
        `use other splits, or leave it out: --ignore`,
    );
  }
  const classes = [...train.counts.keys()].sort((a, b) => a - b);
  if (classes.length > 1) return classes;
  throw new DataError(
    `Cannot probe points: all labelled points are of one class, ${
      classes[0]
    }; expected at least two`,
  );
}
