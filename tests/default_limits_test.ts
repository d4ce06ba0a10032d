import { assert, assertEquals, assertLess } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { Random } from "../src/data/random.ts";
import { infoNCE } from "../src/dbbd/losses.ts";
import { featureMetrics } from "../src/dbbd/metrics.ts";
import { fusedInfoNCE } from "../src/dbbd/fused/info_nce.ts";
import { shapeKey, type SharedTile } from "../src/dbbd/fused/linear_tiles.ts";
import { Model, type ModelOptions } from "../src/dbbd/model.ts";
import { uploadBatch } from "../src/dbbd/region_batch.ts";
import { buildBatch } from "../src/data/batch_builder.ts";
import { fitLinear } from "../src/evaluation/heads/linear_head.ts";
import { Device } from "../src/gpu/device.ts";
import type { Kernel } from "../src/gpu/kernel.ts";
import * as ops from "../src/tensor/mod.ts";
import { Trainer } from "../src/training/trainer.ts";
import { deviceTest } from "./support/device.ts";
import { DEFAULT_LIMITS, kernelNeeds } from "./support/kernel_needs.ts";
import { withStrays } from "./support/strays.ts";
import { tinyConfig, tinyRooms } from "./support/training.ts";

const SHADERS = fromFileUrl(new URL("../shaders", import.meta.url));
/** Only the benchmark's; what is put before others; what needs lanes that hand values round. */
const NOT_RUN = [
  "fma_peak.wgsl",
  "prelude.wgsl",
  "row_weight_gradient_lanes.wgsl",
  "norm_sums.wgsl",
];

/** Names of the shader files of a folder and those below. */
function shaderFiles(folder: string): string[] {
  return [...Deno.readDirSync(folder)].flatMap(({ name, isDirectory }) =>
    isDirectory ? shaderFiles(join(folder, name)) : [join(folder, name)]
  );
}

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
  const runs = ops.runsOfLengths(device, [3, 0, 67]);
  const results = [
    ops.div(ops.transpose(x), 3),
    ops.runMax(x, runs),
    ops.runSoftmax(x, runs),
    ops.sqrt(ops.exp(ops.relu(ops.gelu(x)))),
    ops.columns(ops.concat([x, y]), 3, 5),
    ops.sumCols(ops.matmul(x, y, { transposeA: true })),
    infoNCE(ops.normalize(x), ops.normalize(y), 0.1),
    fusedInfoNCE(ops.normalize(draw(1100, 12)), ops.normalize(draw(1100, 12)), 0.1),
    fusedInfoNCE(ops.normalize(x), ops.normalize(y), 0.02),
  ];
  ops.weightedSum(results.map((each) => ops.sum(each)), results.map(() => 1)).backward();
  await device.sync();
}

deviceTest(
  "a device of which no more is asked than WebGPU guarantees runs every kernel",
  async () => {
    using device = await Device.create({ limits: "default", debug: 3 });
    const kernels: Kernel[] = [];
    device.onKernel = (kernel) => kernels.push(kernel);

    assertEquals(device.limits.maxStorageBuffersPerShaderStage, DEFAULT_LIMITS.storageBuffers);
    assertEquals(device.limits.maxComputeWorkgroupStorageSize, DEFAULT_LIMITS.workgroupBytes);
    const tile: SharedTile = { family: "tiles", rows: 4, columns: 1, lanes: 64, columnLanes: 4 };
    for (const pooling of ["max", "mean"] as const) {
      await modelStep(device, { encoder_pooling: pooling }, {});
      await modelStep(device, { encoder_pooling: pooling, propagator_coords: "parent" }, {
        rowFamily: "straight-line",
      });
    }
    await modelStep(device, { aggregator_mode: "attention" }, {
      tiles: new Map([[shapeKey(4, 3), tile]]),
    });
    await modelStep(device, {}, { fused: false });
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

    for (const kernel of kernels) {
      const needs = kernelNeeds(kernel);
      for (const [what, most] of Object.entries(DEFAULT_LIMITS)) {
        assertLess(needs[what as keyof typeof needs], most + 1, `${what} of ${kernel.name}`);
      }
    }
    const seen = kernels.map(({ code }) => code).join("\n");
    const unseen = shaderFiles(SHADERS).filter((path) =>
      !NOT_RUN.some((name) => path.endsWith(name)) &&
      !seen.includes(Deno.readTextFileSync(path).split("\n")[0])
    );
    assertEquals(unseen, []);
  },
);
