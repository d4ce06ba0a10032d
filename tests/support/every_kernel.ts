/**
 * Work by which every kernel of the program is run, but for those that not every device can have.
 */

import { assert } from "@std/assert";
import { Random } from "../../src/base/random.ts";
import { plainInfoNCE } from "../../src/model/info_nce.ts";
import { featureMetrics } from "../../src/model/metrics.ts";
import { fusedInfoNCE } from "../../src/model/fused/contrast/info_nce.ts";
import { Model, type ModelOptions } from "../../src/model/model.ts";
import { uploadBatch } from "../../src/model/region_batch.ts";
import { buildBatch } from "../../src/scenes/batches/batch_builder.ts";
import { fitLinear } from "../../src/evaluation/heads/linear_head.ts";
import { Device } from "../../src/gpu/device.ts";
import type { Kernel } from "../../src/gpu/kernel.ts";
import * as ops from "../../src/tensor/mod.ts";
import { Trainer } from "../../src/training/trainer.ts";
import { withStrays } from "./strays.ts";
import { TINY_SPUNET, tinyConfig, tinyRooms } from "./training.ts";

/** A step of a model, forward and backward. */
async function modelStep(
  device: Device,
  values: Parameters<typeof tinyConfig>[0],
  options: ModelOptions,
): Promise<void> {
  const rooms = tinyRooms(2, 0, 1400);
  const scenes = [...await Promise.all([rooms.get(0), rooms.get(1)]), withStrays()];
  const batch = buildBatch(
    scenes.map((scene) => ({ scene, view1: scene, view2: scene })),
    { maxHierarchyDepth: null },
  );
  using model = new Model(device, tinyConfig(values), options);
  model.parameters.initialise(1);
  using _ = device.scope();
  const output = model.encode(uploadBatch(device, batch));
  const sample = new Random(1).sampleWithoutReplacement(batch.pointCount, 80);
  const losses = model.losses(output, ops.rowIndex(device, sample, batch.pointCount));
  losses.total.backward();
  featureMetrics(output.g2l.points, output.l2g.points);
  assert(Number.isFinite(await losses.total.item()));
}

/** Operations that no model here uses. */
async function otherOperations(device: Device): Promise<void> {
  using _ = device.scope();
  const random = new Random(3);
  const draw = (rows: number, cols: number) =>
    ops.tensor(device, random.fillNormal(new Float32Array(rows * cols)), [rows, cols], {
      requiresGrad: true,
    });
  const x = draw(70, 12), y = draw(70, 12);
  const runs = ops.segmentsOfLengths(device, [3, 0, 67]);
  const results = [
    ops.div(ops.transpose(x), 3),
    ops.segmentMax(x, runs),
    ops.segmentSoftmax(x, runs),
    ops.sqrt(ops.exp(ops.relu(ops.gelu(x)))),
    ops.columns(ops.concat([x, y]), 3, 5),
    ops.sumCols(ops.matmul(x, y, { transposeA: true })),
    plainInfoNCE(ops.normalize(x), ops.normalize(y), 0.1),
    fusedInfoNCE(ops.normalize(draw(1100, 12)), ops.normalize(draw(1100, 12)), 0.1),
    fusedInfoNCE(ops.normalize(x), ops.normalize(y), 0.02),
  ];
  ops.weightedSum(results.map((each) => ops.sum(each)), results.map(() => 1)).backward();
  await device.sync();
}

/**
 * Segments every kernel on a device of WebGPU's default limits; gives all that were compiled for
 * it.
 */
export async function everyKernel(): Promise<{ device: Device; kernels: Kernel[] }> {
  const device = await Device.create({ limits: "default", debug: 3 });
  const kernels: Kernel[] = [];
  device.onKernel = (kernel) => kernels.push(kernel);
  for (const pooling of ["max", "mean"] as const) {
    await modelStep(device, { encoder_pooling: pooling }, {});
    await modelStep(device, { encoder_pooling: pooling, propagator_coords: "parent" }, {
      rowVariant: "straight-line",
    });
  }
  await modelStep(device, { aggregator_mode: "attention" }, {});
  await modelStep(device, {}, { fused: false });
  await modelStep(device, { ...TINY_SPUNET, backbone: "spunet" }, {});
  await otherOperations(device);
  const values = Float32Array.from({ length: 60 }, (_, i) => Math.sin(i * i));
  const labels = Uint32Array.from({ length: 20 }, (_, i) => i % 2);
  for (const kind of ["logistic", "svm"] as const) {
    await fitLinear(device, kind, { values, width: 3, labels }, 2, [0.1]);
  }
  using trainer = await Trainer.create(tinyConfig({ num_epochs: 1 }), {
    device,
    train: tinyRooms(),
    validation: tinyRooms(2, 90),
  });
  const { lastLoss } = await trainer.fit({ checkpoints: false });
  assert(Number.isFinite(lastLoss));

  return { device, kernels };
}
