/**
 * Your own augmentation: a gust that bends everything the more, the higher it stands.
 * Run it: deno run -A examples/own_augmentation.ts
 */

import { type AugmentationRule, SyntheticDataset, Trainer, TrainingConfig } from "@dbbd/dbbd";

const gust: AugmentationRule<{ strength: number; p: number }> = {
  type: "gust",
  fields: {
    strength: {
      fallback: 0.1,
      expected: "a number of at least 0",
      accepts: (value) => typeof value === "number" && value >= 0,
    },
    p: {
      fallback: 0.5,
      expected: "a number from 0 to 1",
      accepts: (value) => typeof value === "number" && value >= 0 && value <= 1,
    },
  },
  apply({ coords }, { strength }, random) {
    const direction = random.uniform(0, 2 * Math.PI);
    for (let at = 0; at < coords.length; at += 3) {
      const bent = strength * coords[at + 2] ** 2;
      coords[at] += bent * Math.cos(direction);
      coords[at + 1] += bent * Math.sin(direction);
    }
  },
};

// Behind the configuration's own augmentations, in this thread: small_mode has no workers.
const config = TrainingConfig.fromObject({ small_mode: true, num_epochs: 2 });
using trainer = await Trainer.create(config, {
  train: new SyntheticDataset({ scenes: 4, points: 600, seed: 42 }),
  augmentations: [gust],
});
const { firstLoss, lastLoss } = await trainer.fit({ checkpoints: false });
console.log(`loss ${firstLoss.toFixed(3)} → ${lastLoss.toFixed(3)}`);
