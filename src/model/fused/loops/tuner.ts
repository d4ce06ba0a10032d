/**
 * Measures which tiles compute a model's linear layers fastest on a device: only layers that run in loops, and only where
 * so much work is ahead that measuring pays. All tiles give the same bits (`linear_tiles.ts`), so that a run and its
 * continuation agree whatever was measured when.
 */

import { warn } from "../../../base/terminal.ts";
import type { Scene } from "../../../scenes/scene.ts";
import type { Device } from "../../../gpu/device.ts";
import { zeros } from "../../../tensor/mod.ts";
import type { ModelConfig } from "../../model_config.ts";
import { COST, type FamilyOptions, familyPolicy, ROWS_WITH_GRADIENT } from "../plan/families.ts";
import {
  CANDIDATES,
  type LinearTile,
  type LinearTiles,
  shapeKey,
  tileName,
} from "./linear_tiles.ts";
import { RowChunk, rowLinear } from "./row_kernels.ts";
import { blocks, type RowProgram, rowPrograms } from "../plan/row_program.ts";
import { openTileCache, saveTileCache, type TileCache } from "./tile_cache.ts";
import { relativeTimes } from "./time_dispatches.ts";

/** Rows that each program is run on, in a mean step. */
export interface StepRows {
  readonly raw: number;
  readonly propagated: number;
  readonly regionStart: number;
  readonly children: number;
  readonly regionHead: number;
  readonly pointHead: number;
}

/** A layer's shape and what is ahead of it. */
export interface ShapeWork {
  readonly inBlocks: number;
  readonly outBlocks: number;
  /** Until the end of the training. */
  readonly multiplyAdds: number;
}

/** Multiply-adds in loops take so many seconds: measured on the software device (`COST`), on GPUs a cautious guess. */
const SECONDS = { software: COST.loops, gpu: 2 / 2e12 } as const;
/**
 * What a better tile saves of a layer's time, roughly, and seconds to find it: the candidates are compiled and run. Measured
 * on lavapipe (two Zen 5 cores): 1.5 s a layer, and no tile there is more than 2 % faster than the default. A guess for GPUs.
 */
const GAIN = { software: 0.02, gpu: 0.2 } as const;
const SECONDS_TO_TUNE = { software: 2, gpu: 0.3 } as const;
/** Seconds after which the tuner begins no other layer: of measuring, and with compiling. */
const BUDGET = { measuring: 2, all: 5 } as const;
/** Rows of the scratch problem: a chunk's on a device of the kind. */
const ROWS = { software: 4096, gpu: 65536 } as const;
/** A tile is taken instead of the default if it takes less than this share of its time. */
const BETTER = 0.95;

/** What of a configuration decides the rows of a step. */
interface RowSettings {
  readonly max_hierarchy_depth: number | null;
  readonly point_num_samples: number;
  readonly points_per_view?: number | null;
}

/** A scene as it matters here. */
interface SceneSize {
  readonly points: number;
  readonly regions: number;
  /** Points of all regions but the root. */
  readonly below: number;
}

function rowsOf({ points, regions, below }: SceneSize, scenes: number, samples: number): StepRows {
  return {
    // The root's points in one view and the leaves' in the other.
    raw: 2 * points * scenes,
    propagated: below * scenes,
    regionStart: regions * scenes,
    children: (regions - 1) * scenes,
    regionHead: 2 * regions * scenes,
    pointHead: 2 * Math.min(points * scenes, samples),
  };
}

/** Rows a mean step has, judged by one scene of the training set. */
export function stepRows(
  { tree, coords }: Pick<Scene, "tree" | "coords">,
  scenes: number,
  { max_hierarchy_depth: deepest, point_num_samples, points_per_view }: RowSettings,
): StepRows {
  const all = coords.length / 3;
  const points = Math.min(all, points_per_view ?? Infinity);
  let below = 0;
  let regions = 0;
  tree.level.forEach((level, r) => {
    if (level > (deepest ?? Infinity)) return;
    regions++;
    if (level > 0) below += (tree.end[r] - tree.start[r]) * points / all;
  });
  return rowsOf({ points, regions, below }, scenes, point_num_samples);
}

/** Rows of a step that hardly any training exceeds: scenes of a million points in regions of 8. */
export function manyRows(
  scenes: number,
  { max_hierarchy_depth: deepest, point_num_samples }: RowSettings,
): StepRows {
  const points = 1e6;
  const large = { points, regions: points / 8, below: points * Math.min(deepest ?? 8, 8) };
  return rowsOf(large, scenes, point_num_samples);
}

/** The shapes of the linear layers that a training runs in loops, those with most work first. */
export function linearWork(
  device: Device,
  config: ModelConfig,
  rows: StepRows,
  options: FamilyOptions,
): ShapeWork[] {
  const { steps = 0 } = options;
  const work = new Map<string, ShapeWork>();
  const count = (inBlocks: number, outBlocks: number, perStep: number) => {
    const key = shapeKey(inBlocks, outBlocks);
    const more = 16 * inBlocks * outBlocks * perStep * steps;
    const multiplyAdds = (work.get(key)?.multiplyAdds ?? 0) + more;
    if (multiplyAdds > 0) work.set(key, { inBlocks, outBlocks, multiplyAdds });
  };
  const forward = ({ layers }: RowProgram, perStep: number) => {
    for (const { inBlocks, outs } of layers) count(inBlocks, blocks(outs), perStep);
  };
  const backward = ({ layers }: RowProgram, perStep: number) => {
    for (const { gradientBlocks, outs } of layers) {
      if (gradientBlocks > 0) count(blocks(outs), gradientBlocks, perStep);
    }
  };
  const policy = familyPolicy(device, options, 0);
  // Shapes alone are asked for: it does not matter where the parameters stand.
  const programs = rowPrograms(config, { flatSize: 0, offsetOf: () => 0 });
  for (const name of ["raw", "propagated"] as const) {
    const program = programs[name];
    const plans = policy.plans(program, rows[name]);
    if (!plans.forward) forward(program, rows[name]);
    if (plans.backward) continue;
    // Hidden layers are computed again.
    forward({ ...program, layers: program.layers.slice(0, -1) }, rows[name] * ROWS_WITH_GRADIENT);
    backward(program, rows[name] * ROWS_WITH_GRADIENT);
  }
  for (const name of ["regionStart", "children", "regionHead", "pointHead"] as const) {
    if (name === "children" && config.aggregator_mode === "attention") continue;
    forward(programs[name], rows[name]);
    backward(programs[name], rows[name]);
  }
  return [...work.values()].sort((a, b) => b.multiplyAdds - a.multiplyAdds);
}

/** The shapes that are worth measuring: a better tile is expected to save more time than finding it takes. */
export function worthTuning(
  work: readonly ShapeWork[],
  kind: Device["kind"],
): readonly ShapeWork[] {
  const least = SECONDS_TO_TUNE[kind] / (SECONDS[kind] * GAIN[kind]);
  return work.filter(({ multiplyAdds }) => multiplyAdds >= least);
}

/** The candidates for a shape, the default first; none that is another one in effect. */
export function candidatesFor(
  kind: Device["kind"],
  { outBlocks }: Pick<ShapeWork, "outBlocks">,
): readonly LinearTile[] {
  return CANDIDATES[kind].filter((tile, i) => {
    const columns = tile.family === "loops" ? tile.columns : tile.columns * tile.columnLanes;
    return i === 0 || columns < 2 * outBlocks;
  });
}

/** The fastest by the times given; the first, which is the default, unless another is clearly faster. */
export function fastest(tiles: readonly LinearTile[], times: readonly number[]): LinearTile {
  let best = 0;
  times.forEach((time, i) => {
    if (time < times[best]) best = i;
  });
  return tiles[times[best] < BETTER * times[0] ? best : 0];
}

/**
 * Measure each shape that is worth it and not yet in the cache, put it there, and give the choices. Without a cache that can
 * be written nothing is measured: the next run would measure again.
 *
 * Gives the empty map, quickly, where measuring would not pay. With DBBD_DEBUG=1 says what it chose, and why.
 *
 * @param rows as `stepRows` gives them
 * @param options those of the model
 * @param cache default the user's; a text says why there is none
 */
export async function tuneRows(
  device: Device,
  config: ModelConfig,
  rows: StepRows,
  options: FamilyOptions,
  cache?: TileCache | string,
): Promise<LinearTiles> {
  const say = (line: string) => {
    if (device.debug >= 1) warn(`[dbbd] ${line}`);
  };
  const work = linearWork(device, config, rows, options);
  const shapes = worthTuning(work, device.kind);
  if (shapes.length === 0) {
    const most = (work[0]?.multiplyAdds ?? 0) * SECONDS[device.kind];
    const from = SECONDS_TO_TUNE[device.kind] / GAIN[device.kind];
    say(
      `Tiles are the default's: a linear layer has ${
        most.toPrecision(2)
      } s in loops ahead at most, ` +
        `measuring pays from about ${from} s on`,
    );
    return new Map();
  }
  cache ??= await openTileCache(device);
  // Found out before measuring: what cannot be kept is not measured.
  const failure = typeof cache === "string" ? cache : await saveTileCache(cache);
  if (typeof cache === "string" || failure !== null) {
    say(`Tiles are the default's: there is no cache for measured ones (${failure})`);
    return new Map();
  }
  const { path, tiles } = cache;
  const known = shapes.filter(({ inBlocks, outBlocks }) =>
    tiles.has(shapeKey(inBlocks, outBlocks))
  );
  if (known.length > 0) {
    const list = known.map(({ inBlocks, outBlocks }) => {
      const key = shapeKey(inBlocks, outBlocks);
      return `${key} ${tileName(tiles.get(key)!)}`;
    });
    say(`Tiles from ${path}: ${list.join(", ")}`);
  }
  const spent = { measuring: 0, all: 0 };
  const missing = shapes.filter((shape) => !known.includes(shape));
  let done = 0;
  for (const shape of missing) {
    if (spent.measuring > BUDGET.measuring || spent.all > BUDGET.all) {
      say(
        `Tiles of ${missing.length - done} more shapes are the default's: tuning took ` +
          `${spent.all.toFixed(1)} s already; the next run goes on`,
      );
      break;
    }
    const key = shapeKey(shape.inBlocks, shape.outBlocks);
    const candidates = candidatesFor(device.kind, shape);
    const started = performance.now();
    const { times, compiling } = await measure(device, shape, candidates);
    const all = (performance.now() - started) / 1000;
    spent.all += all;
    spent.measuring += all - compiling;
    const tile = fastest(candidates, times);
    tiles.set(key, tile);
    done++;
    const list = candidates.map((each, i) => `${tileName(each)} ${times[i].toFixed(2)}`);
    say(
      `Tiles of ${key} blocks: ${tileName(tile)}, in ${all.toFixed(2)} s; times by the ` +
        `default's: ${list.join(", ")}`,
    );
  }
  if (done > 0) {
    const unsaved = await saveTileCache(cache);
    if (unsaved !== null) say(`Tiles could not be kept: ${unsaved}`);
  }
  return tiles;
}

/** Times of the candidates by the first's, on a problem of zeros, and the seconds that compiling them took. */
async function measure(
  device: Device,
  { inBlocks, outBlocks }: ShapeWork,
  candidates: readonly LinearTile[],
): Promise<{ times: number[]; compiling: number }> {
  const widest = Math.max(inBlocks, outBlocks);
  const rows = Math.min(
    ROWS[device.kind],
    Math.floor(device.maxBindingBytes / 16 / widest / 64) * 64,
  );
  // No scope is held while this waits: others may use the device meanwhile.
  const x = zeros(device, [rows, 4 * inBlocks]).own();
  const w = zeros(device, [16 * inBlocks * outBlocks]).own();
  const out = zeros(device, [rows, 4 * outBlocks]).own();
  using _ = { [Symbol.dispose]: () => [x, w, out].forEach((each) => each.dispose()) };
  const chunk = new RowChunk(device, null, 0, rows);
  const works = candidates.map((tile) => () => {
    const weights = { values: w.slice, inBlocks, outBlocks, tile };
    rowLinear(chunk, { values: x, first: 0, stride: inBlocks }, weights, null, null, out.slice);
  });
  const started = performance.now();
  for (const work of works) work();
  await device.sync();
  const compiling = (performance.now() - started) / 1000;
  return { times: await relativeTimes(device, works), compiling };
}
