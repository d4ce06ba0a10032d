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

/** Loss of all rows and, if there is room for them, gradients of a loss of weight 1. */
function contrastInto(
  loss: Tensor,
  query: Tensor,
  key: Tensor,
  inverseTemperature: number,
  gradients: Gradients | null,
  BROADCAST: boolean,
): void {
  const { device, rows: keys, cols } = query;
  const depth = cols / 4;
  const FIXED = inverseTemperature <= LARGEST_FIXED;
  const tiles = TILES[device.kind];
  const lanes = BROADCAST ? device.lanes : 0;
  const similarityTile = lanes > 8 ? WIDE_SIMILARITY : tiles.similarity;
  // Stored twice where it pays; then both take the room of one.
  const ACROSS = gradients !== null && FIXED && cols >= ACROSS_COLS[device.kind];
  const chunkBytes = Math.min(CHUNK_BYTES[device.kind] / (ACROSS ? 2 : 1), device.maxBindingBytes);
  const blocks = Math.ceil(keys / 8);
  const tile = 8 * similarityTile.BLOCKS;
  const acrossStride = (Math.ceil(keys / tile) * tile) | 1;
  const fit = Math.floor(chunkBytes / (32 * blocks));
  const fitAcross = ACROSS ? 8 * Math.floor(chunkBytes / (32 * acrossStride)) : Infinity;
  const most = gradients ? Math.min(fit, fitAcross) : keys;
  const chunk = Math.min(keys, Math.max(8, most));
  // Odd, so that blocks of keys lie in different sets of a cache.
  const stride = chunk | 1;
  const p = gradients && empty(device, [blocks * stride, 8]);
  const across = ACROSS ? empty(device, [Math.ceil(chunk / 8) * acrossStride, 8]) : null;
  const span = Math.ceil(Math.ceil(keys / tile) / PARTS);
  const parts = Math.ceil(keys / (tile * span));
  const part = empty(device, [parts, chunk, 2]);
  const weight = empty(device, [chunk]);
  const atOnce = keys <= Math.min(chunk, ROWS_AT_ONCE);
  const rowLosses = atOnce ? loss : empty(device, [keys]);
  const compile = (name: string, source: string, constants: KernelConstants) =>
    kernel(device, name, source, { ...constants, BROADCAST, FIXED });
  const keyTile = { ...tiles.key, ...shared(tiles.key.PAIRS, lanes) };
  const similarity = compile("nce_similarity", similarityWgsl, {
    ...similarityTile,
    ...shared(similarityTile.BLOCKS, lanes),
    STORE: p !== null,
    ACROSS,
  });
  const rowKernel = compile("nce_rows", rowsWgsl, {
    MEAN: atOnce,
    STORE: p !== null,
    ACROSS,
  });
  const stored = { ...(p ? { p: p.slice } : {}), ...(across ? { across: across.slice } : {}) };
  for (let first = 0; first < keys; first += chunk) {
    const rows = Math.min(chunk, keys - first);
    const chunkRows = { rows, first_row: first, stride };
    const wide = { ...chunkRows, depth, keys };
    const acrossPlace: KernelParams = ACROSS ? { across_stride: acrossStride } : {};
    const groups = (rowsOfLane: number, { GROUP }: { GROUP: number }) =>
      Math.ceil(rows / (GROUP * rowsOfLane));
    device.run(
      similarity,
      { query: query.slice, key: key.slice, part: part.slice, ...stored },
      { ...wide, ...acrossPlace, span, inverse_temperature: inverseTemperature },
      [groups(similarityTile.ROWS, similarityTile), parts, 1],
    );
    device.run(
      rowKernel,
      {
        part: part.slice,
        ...(p ? {} : { query: query.slice, key: key.slice }),
        weight: weight.slice,
        loss: rowLosses.slice,
        ...stored,
      },
      { ...chunkRows, ...acrossPlace, depth, parts, inverse_temperature: inverseTemperature },
      atOnce ? 1 : Math.ceil(rows / LANES),
    );
    if (!p || !gradients) continue;
    if (!FIXED) {
      device.run(
        kernel(device, "nce_probabilities", probabilitiesWgsl),
        { p: p.slice, weight: weight.slice },
        { ...chunkRows, keys, blocks },
        Math.ceil(rows * blocks / LANES),
      );
    }
    const factor = inverseTemperature / keys;
    const columnGroups = ({ PAIRS }: { PAIRS: number }) => Math.ceil(depth / (2 * PAIRS));
    const keyGroups = (own: number): [number, number, number] => [
      Math.ceil(Math.ceil(own / 8) / (tiles.key.GROUP * tiles.key.SETS)),
      columnGroups(tiles.key),
      1,
    ];
    if (across) {
      device.run(
        compile("nce_key_gradient", keyGradientWgsl, { ...keyTile, OWN: true, WEIGHTED: false }),
        {
          p: across.slice,
          query: key.slice,
          weight: weight.slice,
          out: gradients.query.slice,
        },
        {
          rows: keys,
          first_row: 0,
          depth,
          keys: rows,
          first_key: first,
          stride: acrossStride,
          factor,
        },
        keyGroups(rows),
      );
    } else {
      device.run(
        compile("nce_query_gradient", queryGradientWgsl, tiles.query),
        { p: p.slice, key: key.slice, weight: weight.slice, out: gradients.query.slice },
        { ...wide, factor },
        [groups(tiles.query.ROWS, tiles.query), columnGroups(tiles.query), 1],
      );
    }
    device.run(
      compile("nce_key_gradient", keyGradientWgsl, { ...keyTile, OWN: false, WEIGHTED: FIXED }),
      { p: p.slice, query: query.slice, weight: weight.slice, out: gradients.key.slice },
      { ...wide, first_key: 0, factor },
      keyGroups(keys),
    );
  }
  for (const scratch of [p, across, part, weight]) scratch?.dispose();
  if (atOnce) return;
  device.run(
    kernel(device, "nce_mean", meanWgsl),
    { x: rowLosses.slice, mean: loss.slice },
    { count: keys },
    1,
  );
  rowLosses.dispose();
}
