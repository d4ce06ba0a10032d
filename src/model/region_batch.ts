/** A batch on the device: coordinates, features, and the tree of regions, level by level. */

import type { Batch, BatchLevel, BatchView } from "../scenes/batches/batch.ts";
import type { Device } from "../gpu/device.ts";
import {
  makeSegments,
  NO_ROW,
  type RowIndex,
  rowIndex,
  type Segments,
  segmentsOfLengths,
  type Tensor,
  tensor,
} from "../tensor/mod.ts";

/** One view of all points, rows permuted so that every region is a segment. */
export interface DeviceView {
  /** (N, 3) */
  readonly coords: Tensor;
  /** (N, C) */
  readonly feats: Tensor;
}

/** The regions of a level. */
export interface DeviceLevel {
  /** Regions of the level. */
  readonly regions: number;
  /** Each region's points among the rows of the batch. */
  readonly segments: Segments;
  /** (regions) centres as rows of the batch. */
  readonly centers: RowIndex;
  /** Regions with children. */
  readonly innerRegions: number;
  /** (regions) position of each region with children among those, none for leaves. */
  readonly innerOfRegion: RowIndex;
  /**
   * Rows of the level below that are the children of each region with children; null when there are
   * none.
   */
  readonly children: Segments | null;
  /**
   * For each region of the level below, its parent among this level's regions; null when there are
   * none.
   */
  readonly parentOfChild: RowIndex | null;
}

/** A batch on the device. It lives in the scope that was open when it was made. */
export interface RegionBatch {
  /** The batch it was made of. */
  readonly source: Batch;
  /** N, points of the batch. */
  readonly points: number;
  /** What G2L sees. */
  readonly view1: DeviceView;
  /** What L2G sees. */
  readonly view2: DeviceView;
  /** From the roots down. */
  readonly levels: readonly DeviceLevel[];
}

function uploadView(device: Device, view: BatchView, points: number, width: number): DeviceView {
  return {
    coords: tensor(device, view.coords, [points, 3]),
    feats: tensor(device, view.feats, [points, width]),
  };
}

/**
 * `make` when it is first asked for. What was made in a scope that has ended is made again.
 * @param memory one of the tensors that the value holds
 */
function lazy<T>(make: () => T, memory: (value: T) => Tensor): () => T {
  let made: { value: T } | null = null;
  return () => {
    if (!made || memory(made.value).slice.buffer.released) made = { value: make() };
    return made.value;
  };
}

/** A level on the device. What not every encoder asks for goes there when it is first asked for. */
class UploadedLevel implements DeviceLevel {
  readonly regions: number;
  readonly innerRegions: number;
  readonly innerOfRegion: RowIndex;
  readonly children: Segments | null;
  readonly #segments: () => Segments;
  readonly #centers: () => RowIndex;
  readonly #parentOfChild: () => RowIndex;

  constructor(device: Device, level: BatchLevel, below: BatchLevel | undefined, points: number) {
    const { start, end, center, childStart, childEnd } = level;
    this.#segments = lazy(
      () => makeSegments(device, start, end, points),
      ({ deviceStart }) => deviceStart,
    );
    this.#centers = lazy(() => rowIndex(device, center, points), ({ index }) => index);
    this.#parentOfChild = lazy(
      () => rowIndex(device, below!.parent, this.regions),
      ({ index }) => index,
    );
    this.regions = start.length;
    const innerOfRegion = new Uint32Array(this.regions).fill(NO_ROW);
    const counts: number[] = [];
    childStart.forEach((start, r) => {
      if (start === childEnd[r]) return;
      innerOfRegion[r] = counts.length;
      counts.push(childEnd[r] - start);
    });
    this.innerRegions = counts.length;
    this.innerOfRegion = rowIndex(device, innerOfRegion, counts.length);
    this.children = counts.length > 0 ? segmentsOfLengths(device, counts) : null;
  }

  get segments(): Segments {
    return this.#segments();
  }

  get centers(): RowIndex {
    return this.#centers();
  }

  get parentOfChild(): RowIndex | null {
    return this.children && this.#parentOfChild();
  }
}

/** Put a batch on the device. */
export function uploadBatch(device: Device, batch: Batch): RegionBatch {
  const { pointCount: points, featureWidth, levels } = batch;
  return {
    source: batch,
    points,
    view1: uploadView(device, batch.view1, points, featureWidth),
    view2: uploadView(device, batch.view2, points, featureWidth),
    levels: levels.map((level, l) => new UploadedLevel(device, level, levels[l + 1], points)),
  };
}
