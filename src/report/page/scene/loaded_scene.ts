/** A scene as the page computes with it. */

import { unpackBytes } from "../../bytes.ts";
import type { BranchData, SceneData, Section } from "../../report_data.ts";
import { lengthsOf } from "./similarity.ts";

/** One branch's features at all points. */
export interface LoadedBranch {
  readonly data: BranchData;
  /** (N, 3). */
  readonly colors: Uint8Array;
  /** (N, width). */
  readonly features: Int8Array;
  /** (N). */
  readonly lengths: Float32Array;
}

/** Regions of a level as segments. */
export interface LoadedLevel {
  readonly regions: number;
  readonly start: Uint32Array;
  readonly region: Uint32Array;
}

/** A scene's arrays. */
export interface LoadedScene {
  readonly data: SceneData;
  /** (N, 3) metres. */
  readonly positions: Float32Array;
  readonly branches: readonly LoadedBranch[];
  readonly levels: readonly LoadedLevel[];
  /** (N, 3). */
  readonly colors: Uint8Array | null;
  /** (N). */
  readonly labels: Int32Array | null;
}

/** Unpacks what stands in the page. */
export async function loadScene(data: SceneData, packed: string): Promise<LoadedScene> {
  const bytes = await unpackBytes(packed);
  const uint8 = ({ offset, length }: Section) => new Uint8Array(bytes, offset, length);
  const uint32 = ({ offset, length }: Section) => new Uint32Array(bytes, offset, length);
  const quantised = new Int16Array(bytes, data.positions.offset, data.positions.length);
  return {
    data,
    positions: Float32Array.from(quantised, (value, i) => data.origin[i % 3] + data.scale * value),
    branches: data.branches.map((branch) => {
      const { offset, length } = branch.features;
      const features = new Int8Array(bytes, offset, length);
      const colors = uint8(branch.colors);
      return { data: branch, colors, features, lengths: lengthsOf(features, branch.width) };
    }),
    levels: data.levels.map(({ regions, start, region }) => ({
      regions,
      start: uint32(start),
      region: uint32(region),
    })),
    colors: data.colors && uint8(data.colors),
    labels: data.labels && new Int32Array(bytes, data.labels.offset, data.labels.length),
  };
}

/** The segment that a point is in. */
export function runAt({ start }: LoadedLevel, point: number): number {
  let low = 0, high = start.length;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (start[middle] <= point) low = middle;
    else high = middle;
  }
  return low;
}
