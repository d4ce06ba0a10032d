import { assert, assertEquals, assertLess, assertMatch, assertNotMatch } from "@std/assert";
import { buildBatch } from "../../src/scenes/batches/batch_builder.ts";
import { Random } from "../../src/base/random.ts";
import { type NestedRegion, treeFromNested } from "../../src/scenes/region_tree.ts";
import type { Scene } from "../../src/scenes/scene.ts";
import {
  planToTake,
  ROWS_TO_COMPILE,
  type RowVariant,
  variantPolicy,
} from "../../src/model/fused/plan/variants.ts";
import { PACKED_MARGIN } from "../../src/model/fused/weights/fused_step.ts";
import { networks } from "../../src/model/networks.ts";
import { rowPrograms } from "../../src/model/fused/plan/compile.ts";
import {
  planStraightLine,
  type RowShape,
  type StraightLineJob,
  straightLineName,
  type StraightLinePlan,
} from "../../src/model/fused/straight_line/straight_line.ts";
import { straightLineWgsl } from "../../src/model/fused/straight_line/straight_line_source.ts";
import { Model } from "../../src/model/model.ts";
import type { DeviceOptions } from "../../src/gpu/device.ts";
import { uploadBatch } from "../../src/model/region_batch.ts";
import { rowIndex } from "../../src/tensor/mod.ts";
import { noDevice, testDevice } from "../support/device.ts";
import { tinyConfig } from "../support/training.ts";

const LIMITS = { workgroupBytes: 32768, invocations: 1024, storageBuffers: 32 };
const TINY_SHAPE: RowShape = {
  points: { features: 3, placed: false },
  fromRegion: true,
  layers: [
    {
      outs: 6,
      mainBlocks: 0,
      extraFirst: 0,
      extraCount: 1,
      gradientBlocks: 0,
      activation: "gelu",
    },
    {
      outs: 3,
      mainBlocks: 2,
      extraFirst: 3,
      extraCount: 1,
      gradientBlocks: 2,
      activation: null,
    },
  ],
};

function plan(
  shape: RowShape,
  job: StraightLineJob = "forward",
  limits = LIMITS,
): StraightLinePlan {
  const made = planStraightLine(shape, limits, job);
  if (typeof made === "string") throw new Error(made);
  return made;
}

/** The statements of a kernel's entry point. */
function body(wgsl: string): string {
  return wgsl.slice(wgsl.indexOf("fn main(")).replace(/\/\/.*$/gm, "");
}

/** The tiny program up to the deviation of its first layer. */
const FIRST_NORM = [
  "stage[lane + 0u] = sheet[lane + 0u];",
  "workgroupBarrier();",
  "var z0_0 = start[first + 0u];",
  "z0_0 += stage[0] * x0;",
  "var z0_1 = start[first + 1u];",
  "z0_1 += stage[1] * x0;",
  "let s0 = z0_0 + z0_1;",
  "let m0 = (s0.x + s0.y + s0.z + s0.w) / 6.0;",
  "var v0 = vec4f();",
  "z0_0 = (z0_0 - m0);",
  "v0 += z0_0 * z0_0;",
  "z0_1 = (z0_1 - m0) * vec4f(1.0,1.0,0.0,0.0);",
  "v0 += z0_1 * z0_1;",
  "let r0 = inverseSqrt((v0.x + v0.y + v0.z + v0.w) / 6.0 + 0.00001);",
];

Deno.test("the source of a small program, line by line", () => {
  const made = plan(TINY_SHAPE);
  assertEquals(made.multiplyAdds, 16 * (2 * 1 + 1 * 3));
  assertEquals([made.layout.weightsAt, made.layout.normAt[0]], [[0, 8], 4]);
  const lines = body(straightLineWgsl(made, 1e-5)).split("\n").map((line) => line.trim());
  assertEquals(lines.slice(lines.indexOf("let here = coords_of(point);")), [
    "let here = coords_of(point);",
    "let x0 = vec4f(here, 0.0);",
    "let x2 = vec4f(feats[point * 3u + 0u], feats[point * 3u + 1u], feats[point * 3u + 2u], 1.0);",
    "let first = parent_of_point[point] * 2u;",
    "let to = (point - params.out_first) * 1u;",
    "let live = own_row < rows;",
    ...FIRST_NORM,
    "let h1_0 = gelu4(z0_0 * r0 * stage[4][0] + stage[4][1]);",
    "let h1_1 = gelu4(z0_1 * r0 * stage[5][0] + stage[5][1]);",
    "var z1_0 = stage[10][0];",
    "z1_0 += stage[8] * h1_0;",
    "z1_0 += stage[9] * h1_1;",
    "if (live) { out[to + 0u] = z1_0; }",
    "}",
    "",
  ]);
});

Deno.test("the source of its backward pass, line by line", () => {
  const made = plan(TINY_SHAPE, "backward");
  assertEquals([made.layout.transposedAt[1], made.layout.normBeforeAt[1]], [12, 16]);
  const lines = body(straightLineWgsl(made, 1e-5)).split("\n").map((line) => line.trim());
  assertEquals(lines.slice(lines.indexOf("inputs[own_row * 1u + 0u] = x0;")), [
    "inputs[own_row * 1u + 0u] = x0;",
    "let first = parent_of_point[point] * 2u;",
    ...FIRST_NORM,
    ...[0, 1].flatMap((j) => [
      `let n0_${j} = z0_${j} * r0;`,
      `normal_0[own_row * 2u + ${j}u] = n0_${j};`,
      `let h1_${j} = gelu4(n0_${j} * stage[${4 + j}][0] + stage[${4 + j}][1]);`,
      `activation_0[own_row * 3u + ${j}u] = h1_${j};`,
    ]),
    "activation_0[own_row * 3u + 2u] = vec4f(1.0, 0.0, 0.0, 0.0);",
    "workgroupBarrier();",
    "stage[lane + 0u] = sheet[lane + 12u];",
    "workgroupBarrier();",
    "let g1_0 = gradient[row * 1u + 0u];",
    "var d0_0 = vec4f();",
    "d0_0 += stage[0] * g1_0;",
    "var d0_1 = vec4f();",
    "d0_1 += stage[1] * g1_0;",
    "var hs0 = vec4f();",
    "var hx0 = vec4f();",
    ...[0, 1].flatMap((j) => [
      `let y0_${j} = n0_${j} * stage[${4 + j}][0] + stage[${4 + j}][1];`,
      `d0_${j} *= gelu_slope4(y0_${j});`,
      `dy_0[own_row * 2u + ${j}u] = d0_${j};`,
      `d0_${j} *= stage[${4 + j}][0];`,
      `hs0 += d0_${j};`,
      `hx0 += d0_${j} * n0_${j};`,
    ]),
    "let a0 = (hs0.x + hs0.y + hs0.z + hs0.w) / 6.0;",
    "let b0 = (hx0.x + hx0.y + hx0.z + hx0.w) / 6.0;",
    "let g0_0 = r0 * (d0_0 - a0 - n0_0 * b0);",
    "dz_0[own_row * 2u + 0u] = g0_0;",
    "let g0_1 = r0 * (d0_1 - a0 - n0_1 * b0) * vec4f(1.0,1.0,0.0,0.0);",
    "dz_0[own_row * 2u + 1u] = g0_1;",
    "}",
    "",
  ]);
});

/** A store that is conditional is one statement, and the only control flow there is. */
const STORE_IF = /^ *if \([^{}]*\) \{ (out|norm_sums)\[[^{}]*\] = \w+; \}$/gm;

Deno.test("no control flow but around stores, every load inside the stage and the sheet, each column once", () => {
  const random = new Random(11);
  for (let round = 0; round < 40; round++) {
    const width = () => 1 + Math.floor(random.uniform() * 130);
    const widths = Array.from({ length: 2 + round % 5 }, width);
    const shape: RowShape = {
      points: { features: 3 + 4 * (round % 3), placed: round % 5 === 0 },
      fromRegion: round % 2 === 0,
      layers: widths.map((outs, i) => ({
        outs,
        mainBlocks: i === 0 ? 0 : Math.ceil(widths[i - 1] / 4),
        extraFirst: i === 0 && round % 2 === 0 ? 0 : 3 + round % 3,
        extraCount: 1,
        gradientBlocks: i === 0 ? 0 : Math.ceil(widths[i - 1] / 4),
        activation: i === widths.length - 1 ? null : i % 2 === 0 ? "gelu" as const : "relu",
      })),
    };
    const limits = round % 3 === 0
      ? LIMITS
      : { ...LIMITS, workgroupBytes: 16384, invocations: 64 << round % 3 };
    for (const job of ["backward", "reduce"] as const) {
      const made = plan(shape, job, limits);
      const text = body(straightLineWgsl(made, 1e-5));
      // A lane stores one of 8 sums: γ's and β's gradients of 4 blocks of channels.
      const summed = widths.slice(0, -1).reduce((sum, outs) => sum + Math.ceil(outs / 16), 0);
      assertEquals(text.match(/norm_sums\[/g)?.length ?? 0, job === "reduce" ? summed : 0);
      assertNotMatch(text.replace(STORE_IF, ""), /\b(if|for|while|loop|switch|return)\b/);
      for (const [, index] of text.matchAll(/stage\[(\d+)\]/g)) assertLess(+index, made.stage);
      // Every hidden layer's values are stored once.
      const hidden = widths.slice(0, -1).reduce((sum, outs) => sum + Math.ceil(outs / 4), 0);
      assertEquals(text.match(/^ *dz_\d+\[/gm)?.length, hidden);
      const normals = text.match(/^ *normal_\d+\[/gm)?.length ?? 0;
      assertEquals(normals, job === "backward" ? hidden : 0);
    }
    const made = plan(shape, "forward", limits);
    assert(made.workgroup <= limits.invocations && made.stage * 64 <= limits.workgroupBytes);
    const text = body(straightLineWgsl(made, 1e-5));
    assertNotMatch(text.replace(STORE_IF, ""), /\b(if|for|while|loop|switch|return)\b/);
    for (const [, index] of text.matchAll(/stage\[(\d+)\]/g)) assertLess(+index, made.stage);
    for (const [, index] of text.matchAll(/sheet\[lane \+ (\d+)u\]/g)) {
      assert(Number(index) + made.workgroup <= made.layout.blocks + PACKED_MARGIN);
    }
    const columns = widths.reduce((sum, outs) => sum + Math.ceil(outs / 4), 0);
    assertEquals(text.match(/var z\d+_\d+ =/g)?.length, columns);
    assertEquals(text.match(/out\[to \+/g)?.length, Math.ceil(widths.at(-1)! / 4));
  }
});

Deno.test("what is too large is not offered, and why is said", () => {
  const wide = (outs: number, mainBlocks: number): RowShape => ({
    ...TINY_SHAPE,
    layers: [TINY_SHAPE.layers[0], { ...TINY_SHAPE.layers[1], outs, mainBlocks }],
  });
  assertMatch(String(planStraightLine(wide(1024, 100), LIMITS)), /^\d+ multiply-adds a row/);
  assertMatch(String(planStraightLine(wide(4, 600), LIMITS)), /^\d+ values of a row/);
  const small = { ...LIMITS, workgroupBytes: 4096, invocations: 64 };
  assertMatch(String(planStraightLine(wide(8, 80), small)), /inputs of a layer do not fit/);
  // Plans that differ in anything but the sheet's values differ in name.
  assertMatch(
    String(planStraightLine(TINY_SHAPE, { ...LIMITS, storageBuffers: 6 }, "backward")),
    /^15 storage buffers are too many/,
  );
  const names = [TINY_SHAPE, wide(3, 3), wide(4, 2), { ...TINY_SHAPE, fromRegion: false }]
    .flatMap((shape) =>
      (["forward", "backward", "reduce"] as const).map((job) => straightLineName(plan(shape, job)))
    );
  assertEquals(new Set(names).size, names.length);
});

Deno.test("straight-line code is chosen when the work ahead pays for compiling", {
  ignore: noDevice,
}, async () => {
  const device = await testDevice();
  using model = new Model(device, tinyConfig());
  const program = rowPrograms(networks(model.config), {}, model.parameters).encoder.raw;
  const chosen = (rows: number, options: { steps?: number; rowVariant?: RowVariant }) =>
    variantPolicy(device, options).plans(program, rows).forward !== null;
  assert(!chosen(1e9, {}), "an unknown life is short");
  assertEquals(chosen(1000, { steps: Math.ceil(ROWS_TO_COMPILE / 1000) }), device.kind !== "gpu");
  assert(!chosen(1000, { steps: Math.floor(ROWS_TO_COMPILE / 1000) - 1 }));
  assert(chosen(1, { rowVariant: "straight-line" }));
  assert(!chosen(1e9, { steps: 1e9, rowVariant: "loops" }));
  // Fewer rows go through the backward pass: it takes a longer life to pay for it.
  const steps = Math.ceil(ROWS_TO_COMPILE / 1000);
  const backward = (steps: number) =>
    variantPolicy(device, { steps }).plans(program, 1000).backward;
  assertEquals([backward(steps), backward(5 * steps) !== null], [null, device.kind !== "gpu"]);
});

Deno.test("another workgroup is compiled only for a size that stays", () => {
  const of = (workgroup: number) => ({ ...plan(TINY_SHAPE, "reduce"), workgroup });
  const sizes = [64, 128, 256, 512].map(of);
  const [small, , half, large] = sizes;
  const take = (wanted: StraightLinePlan, taken: StraightLinePlan[], rows: number, steps: number) =>
    planToTake(wanted, taken, rows, steps).workgroup;
  assertEquals(take(half, [], 2000, 1), 256);
  assertEquals(take(of(256), sizes, 2000, Infinity), 256);
  // 256 lanes too many, each step.
  const long = Math.ceil(ROWS_TO_COMPILE / 256);
  assertEquals([take(half, [large], 2000, long - 1), take(half, [large], 2000, long)], [512, 256]);
  // A quarter of 2,000 rows more.
  const steps = Math.ceil(ROWS_TO_COMPILE / 500);
  assertEquals([take(half, [small], 2000, steps - 1), take(half, [small], 2000, steps)], [64, 256]);
  assertEquals(take(half, [small, large], 2000, 10), 512);
  assertEquals(take(half, [small, large], 4, 10), 64);
});

function range(first: number, end: number): number[] {
  return Array.from({ length: end - first }, (_, i) => first + i);
}

function region(level: number, indices: number[], children: NestedRegion[] = []): NestedRegion {
  return { indices, center_idx: indices[indices.length >> 1], level, children };
}

/** A scene of random points; C features. */
function scene(id: string, root: NestedRegion, width: number): Scene {
  const random = new Random(id.length, id);
  const count = root.indices.length;
  const values = (n: number) => Float32Array.from({ length: n }, () => 2 * random.uniform() - 1);
  return {
    id,
    coords: values(3 * count),
    feats: values(width * count),
    featureColumns: [{ name: "values", width, kind: "scalar" }],
    tree: treeFromNested(root, count, id),
  };
}

/**
 * Outputs and gradients of a step on ragged trees: leaves at every level, regions of one point,
 * points in no leaf.
 */
async function step(
  rowVariant: RowVariant,
  values: Parameters<typeof tinyConfig>[0],
  options: DeviceOptions = {},
  points = 37,
) {
  const device = await testDevice(options);
  const config = tinyConfig(values);
  const ragged = region(0, range(0, 1203), [
    region(1, range(0, 700), [region(2, [5]), region(2, range(6, 611))]),
    region(1, range(700, 1101)),
    region(1, [1102]),
  ]);
  const scenes = [scene("ragged", ragged, config.input_feat_dim)];
  scenes.push(scene("one leaf", region(0, range(0, points)), config.input_feat_dim));
  const items = scenes.map((item) => ({ scene: item, view1: item, view2: item }));
  const batch = buildBatch(items, { maxHierarchyDepth: null });
  using model = new Model(device, config, { rowVariant });
  model.parameters.initialise(5);
  using _ = device.scope();
  const output = model.encode(uploadBatch(device, batch));
  const sample = rowIndex(device, Uint32Array.from(range(0, 61), (i) => 20 * i), batch.pointCount);
  model.losses(output, sample).total.backward();
  const found = new Map<string, Float32Array>();
  for (const branch of ["g2l", "l2g"] as const) {
    const { points, regions } = output[branch];
    found.set(`${branch}.points`, Float32Array.from(await points.data()));
    for (const [l, level] of regions.entries()) {
      found.set(`${branch}.regions ${l}`, Float32Array.from(await level.data()));
    }
  }
  for (const [name, gradient] of await model.parameters.read(model.parameters.gradients)) {
    found.set(`gradient of ${name}`, gradient);
  }
  return found;
}

const WIDTHS = {
  "widths that fill no block": {
    hidden_dim: 11,
    output_dim: 13,
    encoder_hidden_dims: [9, 6, 17],
    propagator_hidden_dim: 10,
    propagator_num_layers: 3,
  },
  "mean pooling, five features, one hidden layer in the encoder": {
    input_feat_dim: 5,
    hidden_dim: 8,
    output_dim: 7,
    encoder_hidden_dims: [3],
    propagator_hidden_dim: 5,
    encoder_pooling: "mean" as const,
  },
  "places told from the region above": { propagator_coords: "parent" as const },
};

function assertClose(found: Map<string, Float32Array>, expected: Map<string, Float32Array>): void {
  assertEquals([...found.keys()], [...expected.keys()]);
  for (const [what, want] of expected) {
    const scale = want.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-3);
    const got = found.get(what)!;
    assertEquals(got.length, want.length, what);
    want.forEach((value, i) => {
      assert(Math.abs(got[i] - value) <= 2e-5 * scale, `${what}[${i}]: ${got[i]}, not ${value}`);
    });
  }
}

for (const [name, values] of Object.entries(WIDTHS)) {
  Deno.test(`straight-line code computes what loops compute: ${name}`, {
    ignore: noDevice,
  }, async () => {
    assertClose(await step("straight-line", values), await step("loops", values));
  });
}

Deno.test("straight-line code stores rows in windows of a small binding", {
  ignore: noDevice,
}, async () => {
  const values = WIDTHS["widths that fill no block"];
  // The features of all points, 64 bytes each, fill more than two of these bindings.
  const small = { maxBindingBytes: 131072 };
  assertClose(
    await step("straight-line", values, small, 3037),
    await step("loops", values, {}, 3037),
  );
});
