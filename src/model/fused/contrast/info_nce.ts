/**
 * InfoNCE in chunks of queries (Inf-CL, arXiv 2410.17243): similarities exist for one chunk at a
 * time, nothing of size n × n is stored. The loss is a scalar, so its gradients are known up to a
 * factor as soon as a chunk's similarities are: forward computes both while it has them, which
 * saves making the similarities again (a quarter of the arithmetic), and backward only multiplies.
 * Without gradients no similarity is stored at all.
 */

import keyGradientWgsl from "../../../../shaders/model/fused/contrast/nce_key_gradient.wgsl" with {
  type: "text",
};
import meanWgsl from "../../../../shaders/model/fused/contrast/nce_mean.wgsl" with { type: "text" };
import probabilitiesWgsl from "../../../../shaders/model/fused/contrast/nce_probabilities.wgsl" with {
  type: "text",
};
import queryGradientWgsl from "../../../../shaders/model/fused/contrast/nce_query_gradient.wgsl" with {
  type: "text",
};
import rowsWgsl from "../../../../shaders/model/fused/contrast/nce_rows.wgsl" with { type: "text" };
import scaleWgsl from "../../../../shaders/model/fused/contrast/nce_scale.wgsl" with {
  type: "text",
};
import similarityWgsl from "../../../../shaders/model/fused/contrast/nce_similarity.wgsl" with {
  type: "text",
};
import type { DeviceKind } from "../../../gpu/adapter.ts";
import type { Device } from "../../../gpu/device.ts";
import type { Kernel, KernelConstants, KernelParams } from "../../../gpu/kernel.ts";
import { checkContrast } from "../../info_nce.ts";
import { concat, empty, record, Tensor, zeros } from "../../../tensor/mod.ts";

/**
 * Bytes of similarities that exist at once. Each chunk adds to the gradients once more: for 4,096
 * rows of 128, with chunks of 8 MiB, that takes some 7 % of the time, more than is won by keeping
 * them in a processor's caches.
 */
const CHUNK_BYTES: Readonly<Record<DeviceKind, number>> = { gpu: 64 << 20, software: 32 << 20 };
/**
 * Columns from which similarities are stored a second time, by blocks of 8 queries, so that the
 * keys' kernel computes the queries' gradient too. On the software device, where a lane of
 * `nce_similarity` has 8 rows of 8 keys anyway, that is faster for wide rows: a fifth of the time
 * is saved with 4096 rows of 128, a twentieth is lost with 64 columns.
 *
 * Straight-line kernels as in `straight_line.ts` (Mesa 22.3) gained nothing here: a multiply-add
 * costs 0.2 ns instead of 0.6, but every vec4 that lanes load or store at addresses of their own 25
 * to 40 ns, for Mesa loops over the lanes and checks bounds. A row of 128 and its sums are a
 * hundred of these, and between them fit 64 to 128 rows of the other side: 16,384 multiply-adds are
 * 350 KB of code and 4 s to compile, with twice as many code no longer fits the caches.
 */
const ACROSS_COLS: Readonly<Record<DeviceKind, number>> = { gpu: Infinity, software: 96 };
/** 1/τ up to which exp((s − 1) / τ) of unit rows is a normal number. */
const LARGEST_FIXED = 40;
/** Parts that a row's sum is made of, at most. */
const PARTS = 32;
/** Rows that one workgroup finishes, mean included. */
const ROWS_AT_ONCE = 1024;
const LANES = 64;

/** What one invocation computes; see the kernels. */
interface Tiles {
  /** BLOCKS of 8 keys. */
  readonly similarity: { readonly GROUP: number; readonly ROWS: number; readonly BLOCKS: number };
  readonly query: { readonly GROUP: number; readonly ROWS: number; readonly PAIRS: number };
  readonly key: { readonly GROUP: number; readonly SETS: number; readonly PAIRS: number };
}

const TILES: Readonly<Record<DeviceKind, Tiles>> = {
  gpu: {
    similarity: { GROUP: 64, ROWS: 4, BLOCKS: 1 },
    query: { GROUP: 64, ROWS: 4, PAIRS: 1 },
    key: { GROUP: 64, SETS: 1, PAIRS: 1 },
  },
  software: {
    similarity: { GROUP: 16, ROWS: 8, BLOCKS: 2 },
    query: { GROUP: 16, ROWS: 8, PAIRS: 8 },
    key: { GROUP: 16, SETS: 1, PAIRS: 4 },
  },
};

/**
 * What each load of a lane that shuffles 16 values serves: twice as many keys. Loads cost twice
 * as much there.
 */
const WIDE_SIMILARITY = { GROUP: 16, ROWS: 8, BLOCKS: 4 } as const;

/** A tile as the kernels count it: HALVES of 8 lanes share each of an invocation's LOADS. */
function shared(count: number, lanes: number): { LOADS: number; HALVES: number } {
  const HALVES = lanes > 8 && count % 2 === 0 ? 2 : 1;
  return { LOADS: count / HALVES, HALVES };
}

function kernel(device: Device, name: string, source: string, own: KernelConstants = {}): Kernel {
  const constants = { ...own, FOUR: 4, EIGHT: 8 };
  return device.kernel(name, source, constants);
}

/** Columns filled up with zeros to whole vec4. */
function wholeBlocks(x: Tensor): Tensor {
  const missing = -x.cols & 3;
  return missing === 0 ? x : concat([x, zeros(x.device, [x.rows, missing])]);
}

/**
 * InfoNCE (van den Oord et al. 2018) of unit rows, query and key (n, d): the mean over i of
 * −log(exp(q_i·k_i/τ) / Σ_j exp(q_i·k_j/τ)).
 * @param broadcast whether lanes shuffle keys by subgroup operations; default: where the device
 * can and it pays
 */
export function fusedInfoNCE(
  query: Tensor,
  key: Tensor,
  temperature: number,
  broadcast: boolean = query.device.shuffles,
): Tensor {
  checkContrast(query, key, temperature);
  return contrast(wholeBlocks(query), wholeBlocks(key), temperature, broadcast);
}

function contrast(query: Tensor, key: Tensor, temperature: number, broadcast: boolean): Tensor {
  const { device, rows: n, cols } = query;
  const loss = empty(device, []);
  const gradients = query.tracked || key.tracked ? roomForGradients(device, n, cols) : null;
  contrastInto(loss, query, key, 1 / temperature, gradients, broadcast);
  return record("infoNCE", loss, [query, key], (gradient) => scaled(gradients!, gradient));
}

/** Both gradients in one buffer. */
interface Gradients {
  readonly all: Tensor;
  readonly query: Tensor;
  readonly key: Tensor;
}

function roomForGradients(device: Device, rows: number, cols: number): Gradients {
  // The second begins where a binding may.
  const room = Math.ceil(rows / LANES) * LANES;
  const all = empty(device, [2 * room, cols]);
  const { buffer, offset } = all.slice;
  const size = rows * cols * 4;
  const part = (first: number) =>
    new Tensor(device, [rows, cols], "f32", { buffer, offset: offset + first * cols * 4, size });
  return { all, query: part(0), key: part(room) };
}

/** The gradients times that of the loss. New ones, for a graph may be differentiated again. */
function scaled({ all, query }: Gradients, gradient: Tensor): Tensor[] {
  const { device } = all;
  const out = roomForGradients(device, query.rows, query.cols);
  device.runRows(kernel(device, "nce_scale", scaleWgsl), {
    rows: all.size / 4,
    rowsPerGroup: LANES,
    byRow: { x: [all.slice, 16], out: [out.all.slice, 16] },
    whole: { gradient: gradient.slice },
  });
  return [out.query, out.key];
}

/** What decides the kernels of a contrast, and how its rows are cut into chunks. */
interface ContrastPlan {
  readonly device: Device;
  /** Rows, of queries as of keys. */
  readonly keys: number;
  /** Blocks of four columns. */
  readonly depth: number;
  readonly inverseTemperature: number;
  /**
   * Constants that kernels share: whether lanes shuffle keys, whether exp needs no shift of its
   * own.
   */
  readonly shared: { readonly BROADCAST: boolean; readonly FIXED: boolean };
  readonly similarityTile: Tiles["similarity"];
  readonly lanes: number;
  /** Whether similarities are stored a second time, by blocks of 8 queries. */
  readonly across: boolean;
  readonly acrossStride: number;
  /** Queries of a chunk. */
  readonly chunk: number;
  /**
   * Rows from one block of stored similarities to the next: odd, so that blocks of keys lie in
   * different sets of a cache.
   */
  readonly stride: number;
  /** Tiles of keys of one part of a row's sum, and parts of a row. */
  readonly span: number;
  readonly parts: number;
  /** Whether one workgroup finishes all rows, mean included. */
  readonly atOnce: boolean;
}

function planContrast(
  query: Tensor,
  inverseTemperature: number,
  gradients: boolean,
  BROADCAST: boolean,
): ContrastPlan {
  const { device, rows: keys, cols } = query;
  const FIXED = inverseTemperature <= LARGEST_FIXED;
  const lanes = BROADCAST ? device.lanes : 0;
  const similarityTile = lanes > 8 ? WIDE_SIMILARITY : TILES[device.kind].similarity;
  // Stored twice where it pays; then both take the room of one.
  const across = gradients && FIXED && cols >= ACROSS_COLS[device.kind];
  const chunkBytes = Math.min(CHUNK_BYTES[device.kind] / (across ? 2 : 1), device.maxBindingBytes);
  const tile = 8 * similarityTile.BLOCKS;
  const acrossStride = (Math.ceil(keys / tile) * tile) | 1;
  const fit = Math.floor(chunkBytes / (32 * Math.ceil(keys / 8)));
  const fitAcross = across ? 8 * Math.floor(chunkBytes / (32 * acrossStride)) : Infinity;
  const chunk = Math.min(keys, Math.max(8, gradients ? Math.min(fit, fitAcross) : keys));
  const span = Math.ceil(Math.ceil(keys / tile) / PARTS);
  return {
    device,
    keys,
    depth: cols / 4,
    inverseTemperature,
    shared: { BROADCAST, FIXED },
    similarityTile,
    lanes,
    across,
    acrossStride,
    chunk,
    stride: chunk | 1,
    span,
    parts: Math.ceil(keys / (tile * span)),
    atOnce: keys <= Math.min(chunk, ROWS_AT_ONCE),
  };
}

/** Memory that chunks share, one after the other. */
interface Scratch {
  /** Similarities by blocks of 8 keys; null: they are not stored. */
  readonly p: Tensor | null;
  /** The same by blocks of 8 queries. */
  readonly across: Tensor | null;
  readonly part: Tensor;
  readonly weight: Tensor;
}

function scratchFor(plan: ContrastPlan, gradients: boolean): Scratch {
  const { device, keys, chunk, stride, parts, across, acrossStride } = plan;
  return {
    p: gradients ? empty(device, [Math.ceil(keys / 8) * stride, 8]) : null,
    across: across ? empty(device, [Math.ceil(chunk / 8) * acrossStride, 8]) : null,
    part: empty(device, [parts, chunk, 2]),
    weight: empty(device, [chunk]),
  };
}

/** Some queries. */
interface QueryChunk {
  readonly first: number;
  readonly rows: number;
}

/** Loss of all rows and, if there is room for them, gradients of a loss of weight 1. */
function contrastInto(
  loss: Tensor,
  query: Tensor,
  key: Tensor,
  inverseTemperature: number,
  gradients: Gradients | null,
  broadcast: boolean,
): void {
  const plan = planContrast(query, inverseTemperature, gradients !== null, broadcast);
  const { device, keys, chunk, atOnce } = plan;
  const scratch = scratchFor(plan, gradients !== null);
  const rowLosses = atOnce ? loss : empty(device, [keys]);
  for (let first = 0; first < keys; first += chunk) {
    const queries = { first, rows: Math.min(chunk, keys - first) };
    similarities(plan, scratch, queries, query, key, rowLosses);
    if (gradients) addGradients(plan, scratch, queries, query, key, gradients);
  }
  for (const each of Object.values<Tensor | null>({ ...scratch })) each?.dispose();
  if (atOnce) return;
  device.run(
    kernel(device, "nce_mean", meanWgsl),
    { x: rowLosses.slice, mean: loss.slice },
    { count: keys },
    1,
  );
  rowLosses.dispose();
}

/** Similarities of some queries to all keys, and from them the queries' losses. */
function similarities(
  plan: ContrastPlan,
  { p, across, part, weight }: Scratch,
  { first, rows }: QueryChunk,
  query: Tensor,
  key: Tensor,
  rowLosses: Tensor,
): void {
  const { device, keys, depth, inverseTemperature, shared: own, stride, parts, span } = plan;
  const { similarityTile: tile, atOnce } = plan;
  const ACROSS = across !== null, STORE = p !== null;
  const stored = { ...(p ? { p: p.slice } : {}), ...(across ? { across: across.slice } : {}) };
  const params: KernelParams = {
    rows,
    first_row: first,
    stride,
    depth,
    inverse_temperature: inverseTemperature,
    ...(ACROSS ? { across_stride: plan.acrossStride } : {}),
  };
  device.run(
    kernel(device, "nce_similarity", similarityWgsl, {
      ...tile,
      ...shared(tile.BLOCKS, plan.lanes),
      STORE,
      ACROSS,
      ...own,
    }),
    { query: query.slice, key: key.slice, part: part.slice, ...stored },
    { ...params, keys, span },
    [Math.ceil(rows / (tile.GROUP * tile.ROWS)), parts, 1],
  );
  device.run(
    kernel(device, "nce_rows", rowsWgsl, { MEAN: atOnce, STORE, ACROSS, ...own }),
    {
      part: part.slice,
      ...(p ? {} : { query: query.slice, key: key.slice }),
      weight: weight.slice,
      loss: rowLosses.slice,
      ...stored,
    },
    { ...params, parts },
    atOnce ? 1 : Math.ceil(rows / LANES),
  );
}

/** Adds to both gradients what some queries' stored similarities give. */
function addGradients(
  plan: ContrastPlan,
  { p, across, weight }: Scratch,
  { first, rows }: QueryChunk,
  query: Tensor,
  key: Tensor,
  gradients: Gradients,
): void {
  const { device, keys, depth, shared: own, stride, acrossStride } = plan;
  const tiles = TILES[device.kind];
  const keyTile = { ...tiles.key, ...shared(tiles.key.PAIRS, plan.lanes) };
  const factor = plan.inverseTemperature / keys;
  const columnGroups = ({ PAIRS }: { PAIRS: number }) => Math.ceil(depth / (2 * PAIRS));
  const keyGroups = (count: number): [number, number, number] => [
    Math.ceil(Math.ceil(count / 8) / (tiles.key.GROUP * tiles.key.SETS)),
    columnGroups(tiles.key),
    1,
  ];
  const wide = { rows, first_row: first, stride, depth, keys, factor };
  if (!own.FIXED) {
    const blocks = Math.ceil(keys / 8);
    device.run(
      kernel(device, "nce_probabilities", probabilitiesWgsl),
      { p: p!.slice, weight: weight.slice },
      { rows, first_row: first, stride, keys, blocks },
      Math.ceil(rows * blocks / LANES),
    );
  }
  if (across) {
    // The keys' kernel with the sides exchanged.
    const ofQueries = { rows: keys, first_row: 0, keys: rows, first_key: first };
    const constants = { ...keyTile, OWN: true, WEIGHTED: false, ...own };
    device.run(
      kernel(device, "nce_key_gradient", keyGradientWgsl, constants),
      { p: across.slice, query: key.slice, weight: weight.slice, out: gradients.query.slice },
      { ...ofQueries, depth, stride: acrossStride, factor },
      keyGroups(rows),
    );
  } else {
    device.run(
      kernel(device, "nce_query_gradient", queryGradientWgsl, { ...tiles.query, ...own }),
      { p: p!.slice, key: key.slice, weight: weight.slice, out: gradients.query.slice },
      wide,
      [Math.ceil(rows / (tiles.query.GROUP * tiles.query.ROWS)), columnGroups(tiles.query), 1],
    );
  }
  device.run(
    kernel(device, "nce_key_gradient", keyGradientWgsl, {
      ...keyTile,
      OWN: false,
      WEIGHTED: own.FIXED,
      ...own,
    }),
    { p: p!.slice, query: query.slice, weight: weight.slice, out: gradients.key.slice },
    { ...wide, first_key: 0 },
    keyGroups(keys),
  );
}
