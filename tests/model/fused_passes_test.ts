import { assertEquals, assertLess } from "@std/assert";
import { buildBatch } from "../../src/scenes/batches/batch_builder.ts";
import { SyntheticDataset } from "../../src/scenes/synthetic/synthetic.ts";
import type { EncoderOutput } from "../../src/model/encoder.ts";
import { rowsOfChunk } from "../../src/model/fused/plan/row_program.ts";
import { Model } from "../../src/model/model.ts";
import { uploadBatch } from "../../src/model/region_batch.ts";
import type { Device } from "../../src/gpu/device.ts";
import { add, mul, NO_ROW, rowIndex, scale, sum, type Tensor } from "../../src/tensor/mod.ts";
import { deviceTest, testDevice } from "../support/device.ts";
import { tinyConfig } from "../support/training.ts";

/** What a test differentiates, given what a model says of a batch. */
type Differentiate = (model: Model, output: EncoderOutput, device: Device, points: number) => void;

const POOLINGS = ["max", "mean"] as const;

/** Gradients of all parameters by one path. */
async function gradients(
  fused: boolean,
  pooling: "max" | "mean",
  differentiate: Differentiate,
): Promise<Float32Array> {
  const device = await testDevice();
  const config = tinyConfig({ encoder_pooling: pooling, hidden_dim: 12, output_dim: 10 });
  const dataset = new SyntheticDataset({ scenes: 2, seed: 5, points: 1500, maxDepth: 3 });
  const scenes = await Promise.all([dataset.get(0), dataset.get(1)]);
  const batch = buildBatch(
    scenes.map((item) => ({ scene: item, view1: item, view2: item })),
    { maxHierarchyDepth: null },
  );
  using model = new Model(device, config, { fused });
  model.parameters.initialise(3);
  using _ = device.scope();
  const output = model.encode(uploadBatch(device, batch));
  differentiate(model, output, device, batch.pointCount);
  return await model.parameters.gradients.data();
}

const norm = (values: Float32Array) => Math.sqrt(values.reduce((sum, v) => sum + v * v, 0));

function sameGradients(name: string, differentiate: Differentiate): void {
  for (const pooling of POOLINGS) {
    deviceTest(`${name} (${pooling} pooling): the plain path's gradients`, async () => {
      const plain = await gradients(false, pooling, differentiate);
      const fused = await gradients(true, pooling, differentiate);
      assertLess(norm(fused.map((v, i) => v - plain[i])) / norm(plain), 1e-4);
    });
  }
}

/** Σ weight · x² of drawn features: every draw has a gradient of its own. */
function squares(x: Tensor, weight = 1): Tensor {
  return sum(scale(mul(x, x), weight));
}

/** Every third point from `first` on. */
function thirds(points: number, first: number): Uint32Array {
  return Uint32Array.from({ length: Math.floor((points - first) / 3) }, (_, i) => first + 3 * i);
}

sameGradients("two samples of one output", (_model, { g2l, l2g }, device, points) => {
  const index = (first: number) => rowIndex(device, thirds(points, first), points);
  const [a, b] = [index(0), index(1)];
  const losses = [g2l.sample(a), g2l.sample(b), l2g.sample(b), l2g.sample(a)];
  losses.map((x, i) => squares(x, i + 1)).reduce((x, y) => add(x, y)).backward();
});

sameGradients(
  "one sample taken twice, and all points besides",
  (_model, { g2l }, device, points) => {
    const a = rowIndex(device, thirds(points, 2), points);
    const losses = [squares(g2l.sample(a)), squares(g2l.sample(a), 0.5), squares(g2l.sample(null))];
    losses.reduce((x, y) => add(x, y)).backward();
  },
);

sameGradients(
  "a sample with repeated rows and rows that are none",
  (_model, output, device, points) => {
    const rows = Uint32Array.from([...thirds(points, 0), 5, 5, 5, NO_ROW, 0, ...thirds(points, 0)]);
    squares(output.g2l.sample(rowIndex(device, rows, points))).backward();
  },
);

sameGradients("region.backward() and point.backward()", (model, output, device, points) => {
  const losses = model.losses(output, rowIndex(device, thirds(points, 0), points));
  losses.scalars.region.backward();
  losses.scalars.point.backward();
});

sameGradients("point.backward() before each level's", (model, output, device, points) => {
  const losses = model.losses(output, rowIndex(device, thirds(points, 0), points));
  losses.scalars.point.backward();
  for (const [name, loss] of Object.entries(losses.scalars)) {
    if (name.startsWith("region_level_")) loss.backward();
  }
});

sameGradients("total.backward() twice", (model, output, device, points) => {
  const losses = model.losses(output, rowIndex(device, thirds(points, 0), points));
  losses.total.backward();
  losses.total.backward();
});

sameGradients("losses of two samples of one output", (model, output, device, points) => {
  const losses = [0, 1].map((first) =>
    model.losses(output, rowIndex(device, thirds(points, first), points)).total
  );
  add(losses[0], losses[1]).backward();
});

Deno.test("no chunk of rows asks for more workgroups than a device runs along an axis", () => {
  const program = (outs: number) => ({
    slots: 2,
    layers: [{ inBlocks: 2, outs }],
  } as unknown as Parameters<typeof rowsOfChunk>[0]);
  const device = (maxBindingBytes: number, maxComputeWorkgroupsPerDimension = 65535) => ({
    maxBindingBytes,
    limits: { maxComputeWorkgroupsPerDimension },
  });
  // 4 channels, 16 bytes a block, two blocks a row: 2 GiB hold 67 million rows.
  assertEquals(rowsOfChunk(program(4), device(2 ** 31)), 64 * 65535);
  assertEquals(rowsOfChunk(program(4), device(2 ** 31, 128)), 64 * 128);
  assertEquals(rowsOfChunk(program(256), device(64 * 1024 * 100)), 6400);
  assertEquals(rowsOfChunk(program(4), device(16)), 64);
});
