/**
 * The tile sizes that a row's linear layers can be computed by. All of them sum in the same order and give the same bits, so
 * that the choice is one of speed alone; `tuner.ts` measures it.
 */

import type { DeviceKind } from "../../../gpu/adapter.ts";

/** Register tiles in plain loops over buffers (row_linear.wgsl), or tiles shared through workgroup memory. */
export type LinearTile = LoopTile | SharedTile;

/** What one invocation of row_linear computes. */
export interface LoopTile {
  /** Which kernel. */
  readonly family: "loops";
  /** Neighbouring rows. */
  readonly rows: 1 | 2 | 4 | 8;
  /** Blocks of columns. */
  readonly columns: number;
}

/** What one invocation of row_linear_tiles computes, and how many share a tile. */
export interface SharedTile {
  /** Which kernel. */
  readonly family: "tiles";
  /** Rows, as far apart as there are lanes along the rows. */
  readonly rows: number;
  /** Blocks of columns, `columnLanes` apart. */
  readonly columns: number;
  /** Invocations of a workgroup. */
  readonly lanes: number;
  /** Of these, neighbours along the columns. */
  readonly columnLanes: number;
}

/** Which tile a layer's shape gets, by `shapeKey`; the others get their device's default. */
export type LinearTiles = ReadonlyMap<string, LinearTile>;

/** The name of a layer's shape. */
export function shapeKey(inBlocks: number, outBlocks: number): string {
  return `${inBlocks}x${outBlocks}`;
}

/** Blocks of inputs in workgroup memory at a time: 10 KiB with the largest of the tiles below. */
export const SLAB = 4;

/** What is taken without measuring. */
export const DEFAULT_TILE: Readonly<Record<DeviceKind, LoopTile>> = {
  gpu: { family: "loops", rows: 4, columns: 4 },
  software: { family: "loops", rows: 8, columns: 4 },
};

const loops = (rows: LoopTile["rows"], columns: number): LoopTile => ({
  family: "loops",
  rows,
  columns,
});
const shared = (lanes: number, columnLanes: number): SharedTile => ({
  family: "tiles",
  rows: 4,
  columns: 2,
  lanes,
  columnLanes,
});

/**
 * What the tuner tries, the default first. On the software device workgroup memory only costs; 8 × 8 vec4 are more
 * registers than GPUs have.
 */
export const CANDIDATES: Readonly<Record<DeviceKind, readonly LinearTile[]>> = {
  gpu: [
    DEFAULT_TILE.gpu,
    ...[loops(2, 2), loops(2, 4), loops(2, 8), loops(4, 2), loops(4, 8), loops(8, 2), loops(8, 4)],
    ...[shared(64, 4), shared(128, 8), shared(128, 4)],
  ],
  software: [
    DEFAULT_TILE.software,
    ...[loops(4, 2), loops(4, 4), loops(4, 8), loops(8, 2), loops(8, 8)],
  ],
};

/** Rows of a tile that invocations share. */
export function sharedRows({ rows, lanes, columnLanes }: SharedTile): number {
  return rows * lanes / columnLanes;
}

/** A tile's name, in messages and in the cache: "loops 8x4" (rows x blocks of an invocation), "tiles 64x8" (of a workgroup). */
export function tileName(tile: LinearTile): string {
  return tile.family === "loops"
    ? `loops ${tile.rows}x${tile.columns}`
    : `tiles ${sharedRows(tile)}x${tile.columns * tile.columnLanes}`;
}
