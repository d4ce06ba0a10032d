import { assertLess } from "@std/assert";
import { buildBatch } from "../../src/scenes/batches/batch_builder.ts";
import { Random } from "../../src/base/random.ts";
import type { Scene } from "../../src/scenes/scene.ts";
import { buildTree } from "../../src/scenes/tree_builder.ts";
import { Model } from "../../src/model/model.ts";
import { uploadBatch } from "../../src/model/region_batch.ts";
import type { Device } from "../../src/gpu/device.ts";
import { rowIndex } from "../../src/tensor/mod.ts";
import { deviceTest, testDevice } from "../support/device.ts";
import { tinyConfig } from "../support/training.ts";

/** A shape drawn from a seed: widths, depths, poolings, numbers of scenes and points. */
function drawn(seed: number) {
  const random = new Random(seed, "shape");
  const between = (least: number, most: number) =>
    least + Math.floor(random.uniform() * (most - least + 1));
  const pick = <T>(...values: T[]): T => values[between(0, values.length - 1)];
  const mode = pick("max", "mean", "attention");
  const width = between(1, 30);
  const config = tinyConfig({
    input_feat_dim: between(1, 9),
    hidden_dim: between(1, 40),
    output_dim: mode === "attention" ? 4 * Math.ceil(width / 4) : width,
    encoder_hidden_dims: Array.from({ length: between(1, 3) }, () => between(1, 40)),
    encoder_pooling: pick("max", "max", "mean"),
    propagator_hidden_dim: between(1, 40),
    propagator_num_layers: between(2, 4),
    // Not drawn: what the other shapes are does not depend on it.
    propagator_coords: seed % 3 === 0 ? "parent" : "plain",
    aggregator_mode: mode,
    aggregator_use_spatial: pick(true, false),
    // One wide, a unit vector is a sign: nothing to differentiate.
    projection_dim: between(2, 20),
    alpha: pick(1, 0.3),
    beta: pick(0.5, 2),
  });
  const scenes = Array.from({ length: between(1, 3) }, (_, s): Scene => {
    // Beyond 1,024 points the fused path looks for those with gradient.
    const count = pick(between(1, 9), between(10, 400), between(1100, 2500));
    const values = (n: number) => Float32Array.from({ length: n }, () => 2 * random.uniform() - 1);
    const coords = values(3 * count);
    const width = config.input_feat_dim;
    return {
      id: `scene ${s}`,
      coords,
      feats: values(width * count),
      featureColumns: [{ name: "values", width, kind: "scalar" }],
      tree: buildTree(coords, {
        branching: between(2, 6),
        maxDepth: between(0, 3),
        minPoints: between(1, 20),
      }),
    };
  });
  const samples = random.sampleWithoutReplacement(
    scenes.reduce((sum, { coords }) => sum + coords.length / 3, 0),
    scenes.reduce((sum, { coords }) => sum + Math.ceil(coords.length / 7), 0),
  );
  return { config, scenes, samples };
}

async function step(
  device: Device,
  seed: number,
  fused: boolean,
): Promise<Map<string, Float32Array>> {
  const { config, scenes, samples } = drawn(seed);
  const batch = buildBatch(
    scenes.map((item) => ({ scene: item, view1: item, view2: item })),
    { maxHierarchyDepth: null },
  );
  using model = new Model(device, config, { fused });
  model.parameters.initialise(seed);
  using _ = device.scope();
  const output = model.encode(uploadBatch(device, batch));
  const losses = model.losses(output, rowIndex(device, samples, batch.pointCount));
  losses.total.backward();
  const found = new Map<string, Float32Array>();
  for (const [name, loss] of Object.entries(losses.scalars)) {
    found.set(`loss ${name}`, Float32Array.of(1 + await loss.item()));
  }
  for (const branch of ["g2l", "l2g"] as const) {
    found.set(`${branch} points`, await output[branch].points.data());
    for (const [l, level] of output[branch].regions.entries()) {
      found.set(`${branch} regions ${l}`, await level.data());
    }
  }
  for (const [name, gradient] of await model.parameters.read(model.parameters.gradients)) {
    found.set(`gradient of ${name}`, gradient);
  }
  return found;
}

const norm = (values: Float32Array) => Math.sqrt(values.reduce((sum, v) => sum + v * v, 0));

async function compare(device: Device, seeds: number): Promise<void> {
  for (let seed = 0; seed < seeds; seed++) {
    const [fused, plain] = [await step(device, seed, true), await step(device, seed, false)];
    const largest = Math.max(...[...plain].map(([, values]) => norm(values)));
    for (const [name, expected] of plain) {
      const difference = norm(fused.get(name)!.map((value, i) => value - expected[i]));
      // Against the tensor's own norm, or a thousandth of the largest where it is next to nothing.
      // (Losses have 1 added.) LayerNorm over three channels multiplies rounding: most differences
      // are near 1e-6.
      assertLess(difference / Math.max(norm(expected), 1e-3 * largest), 3e-4, `${seed}: ${name}`);
    }
  }
}

deviceTest(
  "the fused path computes what the plain operations compute, at 30 drawn shapes",
  async () => {
    await compare(await testDevice(), 30);
  },
);

deviceTest("so does a device of which no more is asked than WebGPU guarantees, at 12", async () => {
  await compare(await testDevice({ limits: "default" }), 12);
});
