/** Reads what PyTorch computed: inputs, trees, weights, and what came out. */

import { DataError } from "../base/errors.ts";
import { readSafetensors, type SafeTensors, toFloat32, toIntegers } from "../base/safetensors.ts";
import type { ModelConfig } from "../model/model_config.ts";
import type { ScheduleConfig } from "../nn/schedule.ts";
import type { Batch } from "../scenes/batches/batch.ts";
import { buildBatch } from "../scenes/batches/batch_builder.ts";
import { inversePermutation, treeFromNested } from "../scenes/region_tree.ts";

/** Settings that PyTorch computed with. */
interface GoldenConfig extends ModelConfig, Omit<ScheduleConfig, "scheduler_type"> {
  readonly weight_decay: number;
  readonly steps: number;
}

/** A golden file: what was put in, and what came out. */
export interface GoldenProblem {
  readonly config: GoldenConfig;
  readonly batch: Batch;
  /** Rows of the permuted batch drawn for the point loss; null for all. */
  readonly sample: Uint32Array | null;
  readonly file: SafeTensors;
}

/** A tensor's numbers. */
export function find(file: SafeTensors, name: string, where: string): Float32Array {
  const found = file.tensors.get(name);
  if (!found) throw new DataError(`Cannot verify ${where}: it holds no tensor ${name}.`);
  // What a BatchNorm counts is a whole number.
  return found.dtype === "I64" && found.shape.length === 0
    ? Float32Array.from(found.data as BigInt64Array, Number)
    : toFloat32(found, `${name} of ${where}`);
}

function parseJson(file: SafeTensors, key: string, where: string): unknown {
  const text = file.metadata[key];
  if (text === undefined) {
    throw new DataError(
      `Cannot verify ${where}: it is no golden file, its metadata holds no ${key}.`,
    );
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new DataError(
      `Cannot verify ${where}: its ${key} is not JSON: ${(error as Error).message}`,
    );
  }
}

/** Read a golden file. */
export async function readGolden(path: string): Promise<GoldenProblem> {
  const file = await readSafetensors(path);
  const config = parseJson(file, "config", path) as GoldenConfig;
  const hierarchies = parseJson(file, "hierarchies", path);
  if (!Array.isArray(hierarchies)) {
    throw new DataError(`Cannot verify ${path}: hierarchies is not a list of trees.`);
  }
  const view = (name: string) => ({
    coords: find(file, `input/${name}.coord`, path),
    feats: find(file, `input/${name}.feat`, path),
  });
  const integers = (name: string) => {
    const found = file.tensors.get(name);
    return found && toIntegers(found, `${name} of ${path}`);
  };
  const views = [view("view1"), view("view2")];
  const offsets = integers("input/offset");
  const width = config.input_feat_dim;
  if (!offsets || offsets.length !== hierarchies.length + 1) {
    throw new DataError(
      `Cannot verify ${path}: input/offset does not fit ${hierarchies.length} trees.`,
    );
  }
  const batch = buildBatch(
    hierarchies.map((tree, scene) => {
      const first = Number(offsets[scene]);
      const last = Number(offsets[scene + 1]);
      const [view1, view2] = views.map(({ coords, feats }) => ({
        coords: coords.subarray(first * 3, last * 3),
        feats: feats.subarray(first * width, last * width),
      }));
      const where = `${path}, scene ${scene}`;
      return {
        scene: {
          id: `${scene}`,
          coords: view1.coords,
          feats: view1.feats,
          featureColumns: [{ name: "features", width, kind: "scalar" as const }],
          tree: treeFromNested(tree, last - first, where),
        },
        view1,
        view2,
      };
    }),
    { maxHierarchyDepth: null },
  );
  const drawn = integers("input/point_sample");
  const rowOfPoint = inversePermutation(batch.order);
  const sample = drawn ? Uint32Array.from(drawn, (point) => rowOfPoint[Number(point)]) : null;
  return { config, batch, sample, file };
}
