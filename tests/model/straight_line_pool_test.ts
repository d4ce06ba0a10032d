import { assertEquals } from "@std/assert";
import { Random } from "../../src/base/random.ts";
import { pooledRows, uploadFusedBatch } from "../../src/model/fused/fused_batch.ts";
import {
  planStraightLine,
  POOLED_ROWS,
  type RowShape,
  type StraightLineJob,
  straightLineName,
} from "../../src/model/fused/straight_line/straight_line.ts";
import { straightLineWgsl } from "../../src/model/fused/straight_line/straight_line_source.ts";
import { PACKED_MARGIN } from "../../src/model/fused/weights/fused_step.ts";
import { buildBatch } from "../../src/scenes/batches/batch_builder.ts";
import { treeFromNested } from "../../src/scenes/region_tree.ts";
import { empty, type Tensor, tensor } from "../../src/tensor/mod.ts";
import { deviceTest, noDevice, testDevice } from "../support/device.ts";
import count from "../../shaders/model/fused/rows/count.wgsl" with { type: "text" };
import math from "../../shaders/math.wgsl" with { type: "text" };

function shapeOf(outs: number): RowShape {
  const layer = { mainBlocks: 0, extraFirst: 0, extraCount: 1, gradientBlocks: 0 };
  return {
    points: { features: 3, placed: false },
    fromRegion: false,
    layers: [
      { ...layer, outs: 6, activation: "relu" },
      { ...layer, outs, mainBlocks: 2, extraFirst: 3, gradientBlocks: 2, activation: null },
    ],
  };
}

/**
 * Rows of one block (rows, 4 · blocks), and from a pooling kernel (eights, 4 · blocks) with where
 * they come from.
 */
async function results(outs: number, coords: Float32Array, leaf: Uint32Array, from = 0) {
  const device = await testDevice();
  const rows = coords.length / 3, blocks = Math.ceil(outs / 4), eights = Math.ceil(rows / 8);
  const random = new Random(outs);
  using _ = device.scope();
  const plan = (job: StraightLineJob) => {
    const { limits } = device;
    const made = planStraightLine(shapeOf(outs), {
      workgroupBytes: limits.maxComputeWorkgroupStorageSize,
      invocations: limits.maxComputeInvocationsPerWorkgroup,
      storageBuffers: limits.maxStorageBuffersPerShaderStage,
    }, job);
    if (typeof made === "string") throw new Error(made);
    return made;
  };
  const values = (n: number) => Float32Array.from({ length: n }, () => 2 * random.uniform() - 1);
  const sheet = tensor(device, values(16 * (plan("forward").layout.blocks + PACKED_MARGIN)));
  const run = (job: StraightLineJob, more: Record<string, Tensor>) => {
    const made = plan(job);
    const out = tensor(device, new Float32Array(rows * 4 * blocks));
    const list = tensor(device, Uint32Array.from({ length: rows }, (_, row) => row));
    const bound = {
      total: tensor(device, Uint32Array.of(rows)),
      sheet,
      list,
      coords: tensor(device, coords),
      feats: tensor(device, new Float32Array(3 * rows)),
      region_of_point: tensor(device, new Uint32Array(rows)),
      center: tensor(device, new Uint32Array(1)),
      out,
      ...more,
    };
    device.run(
      device.kernel(straightLineName(made), math + count + straightLineWgsl(made, 1e-5)),
      Object.fromEntries(Object.entries(bound).map(([name, { slice }]) => [name, slice])),
      { chunk_first: 0, chunk_rows: rows, out_first: job === "pool" ? from : 0, pool_first: 0 },
      Math.ceil(rows / made.workgroup),
    );
    return out;
  };
  const pool_value = empty(device, [eights, 4 * blocks]);
  const pool_arg = empty(device, [eights, 4 * blocks], "u32");
  const all = run("forward", {});
  const leaves = run("pool", { leaf_here: tensor(device, leaf), pool_value, pool_arg });
  const value = await pool_value.data(), arg = await pool_arg.integers();
  return { all: await all.data(), leaves: await leaves.data(), value, arg, blocks, rows };
}

/**
 * The largest values of each 8 rows and the first row that has them; a NaN is larger than any
 * number.
 */
function largest(all: ArrayLike<number>, rows: number, cols: number) {
  const eights = Math.ceil(rows / POOLED_ROWS);
  const value = new Float32Array(eights * cols), arg = new Uint32Array(eights * cols);
  for (let e = 0; e < eights; e++) {
    for (let c = 0; c < cols; c++) {
      let best = 8 * e;
      for (let row = 8 * e; row < Math.min(rows, 8 * e + 8); row++) {
        const own = all[row * cols + c];
        if (own > all[best * cols + c] || Number.isNaN(own)) best = row;
      }
      value[e * cols + c] = all[best * cols + c];
      arg[e * cols + c] = best;
    }
  }
  return { value, arg };
}

function randomCoords(rows: number): Float32Array {
  const random = new Random(rows, 1);
  return Float32Array.from({ length: 3 * rows }, () => 2 * random.uniform() - 1);
}

/**
 * A test that needs a device whose lanes shuffle values; elsewhere it is told that it was
 * ignored.
 */
const ignore = noDevice || !(await testDevice()).shuffles;
const poolTest = (name: string, fn: () => Promise<void>) => Deno.test({ name, ignore, fn });

for (const [outs, rows] of [[1, 1], [3, 7], [29, 8], [35, 523], [64, 1030], [100, 16]]) {
  poolTest(`maxima of 8 rows: ${outs} channels, ${rows} rows`, async () => {
    const leaf = Uint32Array.from({ length: rows }, (_, row) => row % 3 === 0 ? 1 : 0);
    const { all, leaves, value, arg, blocks } = await results(outs, randomCoords(rows), leaf);
    const cols = 4 * blocks;
    const expected = largest(all, rows, cols);
    assertEquals(value, expected.value);
    assertEquals(arg, expected.arg);
    assertEquals(leaves, all.map((v, i) => Math.floor(i / cols) % 3 === 0 ? v : 0));
  });
}

poolTest("of equal rows the first is where maxima come from", async () => {
  const coords = randomCoords(21);
  // Rows 9 to 15 are row 8 again, rows 4 to 7 row 3, row 20 row 17.
  const copyOf = [0, 1, 2, 3, 3, 3, 3, 3, 8, 8, 8, 8, 8, 8, 8, 8, 16, 17, 18, 19, 17];
  const rows = Float32Array.from(coords, (_, i) => coords[3 * copyOf[Math.floor(i / 3)] + i % 3]);
  const { all, value, arg, blocks } = await results(10, rows, new Uint32Array(21));
  const expected = largest(all, 21, 4 * blocks);
  assertEquals(value, expected.value);
  assertEquals(arg, expected.arg);
  assertEquals(new Set(arg.slice(4 * blocks, 8 * blocks)), new Set([8]));
});

poolTest("a NaN is the largest value of its rows", async () => {
  for (let row = 0; row < 8; row++) {
    const coords = randomCoords(16);
    coords[3 * row] = NaN;
    const { all, value, arg, blocks } = await results(5, coords, new Uint32Array(16));
    const expected = largest(all, 16, 4 * blocks);
    assertEquals(value, expected.value);
    assertEquals([value[0], arg[0]], [NaN, row]);
    assertEquals(value.slice(4 * blocks).some(Number.isNaN), false);
    assertEquals(arg.slice(4 * blocks), expected.arg.slice(4 * blocks));
  }
});

poolTest("points before the window are pooled and not stored", async () => {
  const leaf = new Uint32Array(20).fill(1);
  const { all, leaves, value, blocks } = await results(3, randomCoords(20), leaf, 8);
  assertEquals(value, largest(all, 20, 4 * blocks).value);
  assertEquals(leaves.slice(0, 12 * 4 * blocks), all.slice(8 * 4 * blocks));
  assertEquals(leaves.slice(12 * 4 * blocks), new Float32Array(8 * 4 * blocks));
});

deviceTest("each region's rows begin at a multiple of 8", async () => {
  const device = await testDevice();
  const range = (first: number, end: number) =>
    Array.from({ length: end - first }, (_, i) => first + i);
  const leaf = (first: number, end: number) => ({
    indices: range(first, end),
    center_idx: first,
    level: 1,
    children: [],
  });
  const root = { ...leaf(0, 30), level: 0, children: [leaf(1, 2), leaf(3, 11), leaf(11, 20)] };
  const scene = {
    id: "regions",
    coords: new Float32Array(90),
    feats: new Float32Array(90),
    featureColumns: [{ name: "values", width: 3, kind: "scalar" as const }],
    tree: treeFromNested(root, 30, "regions"),
  };
  const batch = buildBatch([{ scene, view1: scene, view2: scene }], { maxHierarchyDepth: null });
  using _ = device.scope();
  const [, level] = uploadFusedBatch(device, batch, {
    pooling: "max",
    recomputed: "with gradient",
    points: null,
  }).levels;
  const { points, segments, list } = pooledRows(device, level);
  const at = level.segments.start;
  assertEquals(level.segments.end.map((end, region) => end - at[region]), Uint32Array.of(1, 8, 9));
  assertEquals(Array.from(points), [
    ...new Array(8).fill(at[0]),
    ...range(at[1], at[1] + 8),
    ...range(at[2], at[2] + 9),
    ...new Array(7).fill(at[2] + 8),
  ]);
  assertEquals(Array.from(await list.integers()), Array.from(points));
  assertEquals([Array.from(segments.start), Array.from(segments.end), segments.rows], [
    [0, 1, 2],
    [1, 2, 4],
    4,
  ]);
});
