/** Your own backbone, an MLP over single points: deno run -A examples/own_backbone.ts */

import {
  applySteps,
  type Backbone,
  branchOutput,
  declareSteps,
  type DeviceView,
  encoderFromCheckpoint,
  mlp,
  type ModelConfig,
  ParameterRegistry,
  plainHeads,
  poolLevels,
  SyntheticDataset,
  Trainer,
  TrainingConfig,
} from "@dbbd/dbbd";

/** What is computed for each point, of its place and its features. */
function network({ input_feat_dim, output_dim }: ModelConfig) {
  const reads = [{ name: "coords", width: 3 }, { name: "feats", width: input_feat_dim }];
  return mlp("encoder.points", reads, [64, 64, output_dim], "relu");
}

const pointwise: Backbone = {
  name: "pointwise",
  parameters(config) {
    const registry = new ParameterRegistry();
    declareSteps(registry, network(config));
    return registry.specs;
  },
  create: ({ config, parameters, heads }) => ({
    forward(batch) {
      const branch = ({ coords, feats }: DeviceView) => {
        const points = applySteps(network(config), { coords, feats }, parameters);
        return branchOutput(poolLevels(points, batch, "max"), points);
      };
      const [g2l, l2g] = [batch.view1, batch.view2].map(branch);
      return { batch, g2l, l2g, ...plainHeads(heads, parameters) };
    },
    [Symbol.dispose]() {},
  }),
};

const config = TrainingConfig.fromObject({ small_mode: true, num_epochs: 3 });
const train = new SyntheticDataset({ scenes: 4, points: 600, seed: 42 });
{
  using trainer = await Trainer.create(config, { train, backbone: pointwise });
  await trainer.fit({ onEpoch: ({ epoch }) => void (epoch === 1 && trainer.stop()) });
}
using trainer = await Trainer.create(config, { train, backbone: pointwise });
await trainer.loadCheckpoint(`${config.checkpoint_dir}/last.safetensors`);
const { lastLoss, checkpoint } = await trainer.fit();
using encoder = await encoderFromCheckpoint(checkpoint!, { backbone: pointwise });
const { points } = await encoder.embed(await train.get(0));
console.log(`resumed, loss ${lastLoss.toFixed(3)}, ${points.g2l.length} numbers of a scene`);
