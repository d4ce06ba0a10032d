/**
 * What the encoder says of scenes: forward only, each scene as it is, rows back in the scene's own
 * order.
 */

import type { Batch } from "../scenes/batches/batch.ts";
import { buildBatch } from "../scenes/batches/batch_builder.ts";
import type { Scene } from "../scenes/scene.ts";
import { identityView } from "../scenes/views/views.ts";
import type { BranchOutput } from "../model/encoder.ts";
import type { Model } from "../model/model.ts";
import { uploadBatch } from "../model/region_batch.ts";
import type { BufferSlice, Device } from "../gpu/device.ts";
import {
  gatherRows,
  noGrad,
  rowIndex,
  segmentMax,
  segmentMean,
  segmentsOfLengths,
  type Tensor,
} from "../tensor/mod.ts";

/** The two directions: global to local, local to global. */
export type Branch = "g2l" | "l2g";

/**
 * What can be asked for: features of all points by one branch, of the regions, of the whole scene.
 */
export type FeaturePart = Branch | "regions" | "scene";

/** The same rows by both branches, row-major, each `width` values a row. */
export type Branches = Readonly<Record<Branch, Float32Array>>;

/** One vector for a whole scene, three ways; each (D). */
export interface SceneVectors {
  /** The root region's feature. */
  readonly root: Branches;
  /** The largest value of each channel over the points that lie in a leaf. */
  readonly max: Branches;
  /** The mean of each channel over the points that lie in a leaf. */
  readonly mean: Branches;
}

/** The features of one scene; `P` are the parts that were asked for. */
export interface SceneFeatures<P extends FeaturePart = FeaturePart> {
  /** The scene's. */
  readonly id: string;
  /** N, points of the scene. */
  readonly count: number;
  /** D, values of a feature. */
  readonly width: number;
  /** By branch (N, D), in the scene's own order of points; zeros for a point in no leaf. */
  readonly points: { readonly [B in P & Branch]: Float32Array };
  /** By level, from the root down, each (regions, D), regions in the order of the scene's tree. */
  readonly regions: "regions" extends P ? readonly Branches[] : undefined;
  /** Of the scene as a whole. */
  readonly scene: "scene" extends P ? SceneVectors : undefined;
}

const BRANCHES = ["g2l", "l2g"] as const;
type Pool = keyof SceneVectors;

/** Rows of a tensor among everything that is read back at once. */
interface Placed {
  readonly first: number;
  readonly slice: BufferSlice;
}

/**
 * Collects tensors that are read back together: a read-back costs the same for one value as for
 * thousands.
 */
class ReadBack {
  readonly #placed: Placed[] = [];
  #size = 0;

  /** Gives the position of the tensor's first value. */
  add({ slice }: Tensor): number {
    const first = this.#size;
    this.#placed.push({ first, slice });
    this.#size += slice.size / 4;
    return first;
  }

  /** Records the copies into one buffer of no scope, and gives what reads and frees it. */
  record(device: Device): () => Promise<Float32Array> {
    if (this.#size === 0) return () => Promise.resolve(new Float32Array());
    const buffer = device.allocate(4 * this.#size, "features", false);
    for (const { first, slice } of this.#placed) {
      device.copy(slice, { buffer, offset: 4 * first, size: slice.size });
    }
    return async () => {
      try {
        return new Float32Array(await device.read({ buffer, offset: 0, size: 4 * this.#size }));
      } finally {
        buffer.release();
      }
    };
  }
}

/** Rows of points that lie in a leaf, and how many each scene has of them. */
interface Leaves {
  readonly rows: Uint32Array;
  readonly lengths: Uint32Array;
}

function leafRows({ levels, pointCount, pointOffsets }: Batch): Leaves {
  const inLeaf = new Uint8Array(pointCount);
  for (const { start, end, childStart, childEnd } of levels) {
    for (let r = 0; r < start.length; r++) {
      if (childStart[r] === childEnd[r]) inLeaf.fill(1, start[r], end[r]);
    }
  }
  const rows = new Uint32Array(pointCount);
  const lengths = new Uint32Array(pointOffsets.length - 1);
  let count = 0;
  for (let scene = 0; scene < lengths.length; scene++) {
    const before = count;
    for (let row = pointOffsets[scene]; row < pointOffsets[scene + 1]; row++) {
      if (inLeaf[row]) rows[count++] = row;
    }
    lengths[scene] = count - before;
  }
  return { rows: rows.subarray(0, count), lengths };
}

/**
 * Where a branch's vectors stand among what is read back, and its point features, which are read
 * apart.
 */
interface Recorded {
  readonly regions: readonly number[];
  readonly pools: Readonly<Record<Pool, number>> | null;
  readonly points: Tensor | null;
}

/**
 * The features of scenes that go through the model as one batch. Everything is recorded before
 * anything waits, and nothing of the model changes, so this may be done between the steps of a
 * training.
 */
export async function featuresOfBatch<P extends FeaturePart>(
  model: Model,
  scenes: readonly Scene[],
  maxHierarchyDepth: number | null,
  parts: ReadonlySet<P>,
): Promise<SceneFeatures<P>[]> {
  const { device } = model;
  device.check();
  const batch = buildBatch(
    scenes.map((scene) => {
      const view = identityView(scene);
      return { scene, view1: view, view2: view };
    }),
    { maxHierarchyDepth },
  );
  const { read, recorded } = recordBatch(model, batch, parts);
  const points = new Map<Branch, readonly Float32Array[]>();
  try {
    for (const branch of BRANCHES) {
      const tensor = recorded[branch].points;
      if (tensor) points.set(branch, inOwnOrder(batch, await tensor.data(), tensor.cols));
      tensor?.dispose();
    }
  } finally {
    for (const branch of BRANCHES) recorded[branch].points?.dispose();
  }
  const values = await read();
  device.pool.tick();
  const { output_dim: width } = model.config;
  return scenes.map(({ id, coords }, index) => ({
    id,
    count: coords.length / 3,
    width,
    points: Object.fromEntries([...points].map(([branch, all]) => [branch, all[index]])),
    ...vectorsOf(batch, index, width, recorded, values),
  } as unknown as SceneFeatures<P>)); // the type follows `parts`, as the values do
}

function recordBatch(
  model: Model,
  batch: Batch,
  parts: ReadonlySet<FeaturePart>,
): { read: () => Promise<Float32Array>; recorded: Readonly<Record<Branch, Recorded>> } {
  const { device } = model;
  using _off = noGrad(device);
  using _scope = device.scope();
  const output = model.encode(uploadBatch(device, batch), "evaluation");
  const back = new ReadBack();
  const leaves = parts.has("scene") ? leafRows(batch) : null;
  const place = (branch: Branch, { regions, points }: BranchOutput): Recorded => {
    const pools = leaves && pooled(points, leaves);
    return {
      pools: pools && {
        root: back.add(regions[0]),
        max: back.add(pools.max),
        mean: back.add(pools.mean),
      },
      regions: parts.has("regions") ? regions.map((level) => back.add(level)) : [],
      points: parts.has(branch) ? points.own() : null,
    };
  };
  const recorded = { g2l: place("g2l", output.g2l), l2g: place("l2g", output.l2g) };
  return { read: back.record(device), recorded };
}

/** Each scene's points in leaves, pooled: (scenes, D). */
function pooled(points: Tensor, { rows, lengths }: Leaves): { max: Tensor; mean: Tensor } {
  const { device } = points;
  const all = rows.length === points.rows;
  const x = all ? points : gatherRows(points, rowIndex(device, rows, points.rows));
  const runs = segmentsOfLengths(device, lengths);
  return { max: segmentMax(x, runs), mean: segmentMean(x, runs) };
}

/** The rows of each scene, in its own order of points. */
function inOwnOrder(
  { pointOffsets, order }: Batch,
  values: Float32Array,
  width: number,
): Float32Array[] {
  return Array.from({ length: pointOffsets.length - 1 }, (_, scene) => {
    const begin = pointOffsets[scene], end = pointOffsets[scene + 1];
    const out = new Float32Array((end - begin) * width);
    for (let row = begin; row < end; row++) {
      const from = row * width, to = (order[row] - begin) * width;
      for (let k = 0; k < width; k++) out[to + k] = values[from + k];
    }
    return out;
  });
}

function vectorsOf(
  { levels }: Batch,
  index: number,
  width: number,
  { g2l, l2g }: Readonly<Record<Branch, Recorded>>,
  values: Float32Array,
): { regions?: Branches[]; scene?: SceneVectors } {
  const both = (first: (branch: Recorded) => number, from: number, to: number): Branches => {
    const rows = (at: number) => values.slice(at + from * width, at + to * width);
    return { g2l: rows(first(g2l)), l2g: rows(first(l2g)) };
  };
  const vector = (pool: Pool) => both(({ pools }) => pools![pool], index, index + 1);
  const regions: Branches[] = [];
  for (const [l, { offsets }] of levels.entries()) {
    // A scene of fewer levels than others of the batch has no regions there.
    if (offsets[index] === offsets[index + 1]) break;
    if (g2l.regions.length > 0) {
      regions.push(both((branch) => branch.regions[l], offsets[index], offsets[index + 1]));
    }
  }
  return {
    regions: g2l.regions.length > 0 ? regions : undefined,
    scene: g2l.pools
      ? { root: vector("root"), max: vector("max"), mean: vector("mean") }
      : undefined,
  };
}
