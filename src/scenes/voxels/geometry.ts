/** The voxels of a batch's view on every level of a sparse U-Net, and how they lie to each other. */

import { fillNeighbours, NO_VOXEL } from "./neighbours.ts";
import { type Cells, groupByCell, voxelize, type Voxelized } from "./voxelize.ts";

/** What voxels are made by. */
export interface VoxelOptions {
  /** Edge of a voxel of the finest level, metres. */
  readonly voxelSize: number;
  /** How often voxels are joined two by two along each axis. */
  readonly stages: number;
  /** Edge of the first convolution's kernel in voxels, odd; those of the others have 3. */
  readonly stemKernel: number;
}

/** The voxels of one level, scene after scene, ascending by x, y and z within a scene. */
export interface VoxelLevel {
  /** V */
  readonly count: number;
  /** (B + 1) where each scene's voxels begin. */
  readonly offsets: Uint32Array;
  /** (27, V) the voxel at each offset of a kernel of 3, 0xffffffff where there is none. */
  readonly neighbours: Uint32Array;
  /** (V) the voxel of the next level that each is part of; null at the last. */
  readonly parent: Uint32Array | null;
  /** (V) which part: 4 (x mod 2) + 2 (y mod 2) + z mod 2; null at the last level. */
  readonly corner: Uint32Array | null;
}

/** All levels of a view. */
export interface VoxelGeometry {
  /** (N) rows of the batch voxel by voxel. */
  readonly order: Uint32Array;
  /** (V + 1) where each voxel's points begin in `order`. */
  readonly start: Uint32Array;
  /** (N) the finest voxel of each row of the batch. */
  readonly voxelOfPoint: Uint32Array;
  /** (stemKernel³, V) neighbours of the finest level for the first convolution. */
  readonly stem: Uint32Array;
  /** From the finest on, `stages` + 1 of them. */
  readonly levels: readonly VoxelLevel[];
}

/** What joins the voxels of one scene's level to those of the next. */
interface Joined {
  readonly parent: Uint32Array;
  readonly corner: Uint32Array;
  readonly cells: Cells;
}

function join({ x, y, z, count }: Cells): Joined {
  const halved = (keys: Int32Array) => keys.map((key) => key >> 1);
  const { cells, order, start } = groupByCell([halved(x), halved(y), halved(z)]);
  const parent = new Uint32Array(count);
  for (let p = 0; p < cells.count; p++) {
    for (let i = start[p]; i < start[p + 1]; i++) parent[order[i]] = p;
  }
  const corner = new Uint32Array(count);
  for (let v = 0; v < count; v++) {
    corner[v] = 4 * (x[v] & 1) + 2 * (y[v] & 1) + (z[v] & 1);
  }
  return { parent, corner, cells };
}

/** The scenes' cells of a level, and what leads from them to the next. */
interface SceneLevel {
  readonly cells: readonly Cells[];
  readonly joined: readonly Joined[] | null;
}

function offsetsOf(cells: readonly Cells[]): Uint32Array {
  const offsets = new Uint32Array(cells.length + 1);
  cells.forEach(({ count }, scene) => offsets[scene + 1] = offsets[scene] + count);
  return offsets;
}

/** Neighbours of all scenes in one table; scenes never touch. */
function neighbourTable(
  cells: readonly Cells[],
  offsets: Uint32Array,
  kernel: number,
): Uint32Array {
  const total = offsets[cells.length];
  const table = new Uint32Array(kernel ** 3 * total).fill(NO_VOXEL);
  cells.forEach((own, scene) => fillNeighbours(own, kernel, offsets[scene], total, table));
  return table;
}

/** Values of all scenes, each shifted by where its part of the next level begins. */
function concatenated(
  parts: readonly Uint32Array[],
  shift: (scene: number) => number,
): Uint32Array {
  const out = new Uint32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  parts.forEach((part, scene) => {
    const own = shift(scene);
    for (const value of part) out[at++] = value + own;
  });
  return out;
}

/** Points of all scenes by their finest voxels. */
function pointLists(
  scenes: readonly Voxelized[],
  pointOffsets: Uint32Array,
): Pick<VoxelGeometry, "order" | "start" | "voxelOfPoint"> {
  const count = pointOffsets[scenes.length];
  const voxels = scenes.reduce((sum, { cells }) => sum + cells.count, 0);
  const order = concatenated(scenes.map(({ order }) => order), (scene) => pointOffsets[scene]);
  const start = new Uint32Array(voxels + 1);
  const voxelOfPoint = new Uint32Array(count);
  let voxel = 0;
  scenes.forEach(({ cells, start: own }, scene) => {
    for (let v = 0; v < cells.count; v++, voxel++) {
      start[voxel] = pointOffsets[scene] + own[v];
      for (let i = own[v]; i < own[v + 1]; i++) {
        voxelOfPoint[order[pointOffsets[scene] + i]] = voxel;
      }
    }
  });
  start[voxels] = count;
  return { order, start, voxelOfPoint };
}

/**
 * Makes the voxels of a view.
 *
 * @param coords (N, 3) of a view of a batch, scene after scene
 * @param pointOffsets (B + 1) where each scene's points begin
 * @param sceneIds (B) names of the scenes, for messages
 * @throws {DataError} A scene is too long for its voxels; see `voxelize`.
 */
export function voxelGeometry(
  coords: Float32Array,
  pointOffsets: Uint32Array,
  sceneIds: readonly string[],
  { voxelSize, stages, stemKernel }: VoxelOptions,
): VoxelGeometry {
  const scenes = sceneIds.map((id, scene) => {
    const [first, end] = [3 * pointOffsets[scene], 3 * pointOffsets[scene + 1]];
    return voxelize(coords.subarray(first, end), voxelSize, id);
  });
  const perLevel: SceneLevel[] = [];
  let cells: readonly Cells[] = scenes.map((scene) => scene.cells);
  for (let level = 0; level <= stages; level++) {
    const joined = level < stages ? cells.map(join) : null;
    perLevel.push({ cells, joined });
    if (joined) cells = joined.map((own) => own.cells);
  }
  const offsets = perLevel.map(({ cells }) => offsetsOf(cells));
  return {
    ...pointLists(scenes, pointOffsets),
    stem: neighbourTable(perLevel[0].cells, offsets[0], stemKernel),
    levels: perLevel.map(({ cells, joined }, level) => ({
      count: offsets[level][cells.length],
      offsets: offsets[level],
      neighbours: neighbourTable(cells, offsets[level], 3),
      parent: joined &&
        concatenated(joined.map(({ parent }) => parent), (scene) => offsets[level + 1][scene]),
      corner: joined && concatenated(joined.map(({ corner }) => corner), () => 0),
    })),
  };
}
