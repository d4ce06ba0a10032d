/**
 * Your own loop: a model, an optimiser and batches, without Trainer.
 * Run it: deno run -A examples/own_loop.ts
 */

import {
  AdamW,
  BatchLoader,
  Device,
  Model,
  SyntheticDataset,
  TRAINING_AUGMENTATION,
  TrainingConfig,
  uploadBatch,
} from "@dbbd/dbbd";

const config = TrainingConfig.fromObject({ small_mode: true });
using device = await Device.create();
using model = new Model(device, config);
model.parameters.initialise(config.seed);
using optimizer = new AdamW(model.parameters, { weightDecay: 0.01 });
using loader = await BatchLoader.create(
  new SyntheticDataset({ scenes: 4, points: 600, seed: 42 }),
  {
    batchSize: 2,
    seed: config.seed,
    featureWidth: config.input_feat_dim,
    maxHierarchyDepth: null,
    augmentation: TRAINING_AUGMENTATION,
    numWorkers: 0,
  },
);

for (let step = 0; step < 4; step++) {
  const batch = await loader.batch(Math.floor(step / 2), step % 2);
  // What is made in here is freed when it ends; reading a value waits for the device, so it comes
  // last.
  using _ = device.scope();
  model.parameters.zeroGradients();
  const { total } = model.losses(model.encode(uploadBatch(device, batch)), null);
  optimizer.step(1e-3, total.backward());
  console.log(step, await total.item());
}
