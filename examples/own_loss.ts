/**
 * Your own loss: invariance and variance, two of VICReg's three terms (Bardes et al. 2022), of what
 * both branches say of each region and of the drawn points, in place of the contrast. Run it: deno
 * run -A examples/own_loss.ts
 */

import {
  add,
  encoderFromCheckpoint,
  mean,
  mul,
  type Objective,
  relu,
  scale,
  sqrt,
  sub,
  sumRows,
  SyntheticDataset,
  type Tensor,
  Trainer,
  TrainingConfig,
} from "@dbbd/dbbd";

/** How far the deviation of each channel over the rows stays below 1. */
function collapse(x: Tensor): Tensor {
  const centred = sub(x, scale(sumRows(x), 1 / x.rows));
  const variance = scale(sumRows(mul(centred, centred)), 1 / Math.max(1, x.rows - 1));
  return mean(relu(sub(1, sqrt(add(variance, 1e-4)))));
}

const unlike: Objective<"invariance" | "variance"> = {
  name: "invariance and variance",
  scalars: ["invariance", "variance"],
  compute({ output: { g2l, l2g }, sample }) {
    const pairs = g2l.regions.map((own, level): [Tensor, Tensor] => [own, l2g.regions[level]]);
    pairs.push([g2l.sample(sample), l2g.sample(sample)]);
    const sum = (terms: Tensor[]) => scale(terms.reduce((a, b) => add(a, b)), 1 / terms.length);
    const invariance = sum(pairs.map(([a, b]) => mean(mul(sub(a, b), sub(a, b)))));
    const variance = sum(pairs.flat().map(collapse));
    return { total: add(invariance, variance), scalars: { invariance, variance } };
  },
};

const config = TrainingConfig.fromObject({ small_mode: true, num_epochs: 4 });
const train = new SyntheticDataset({ scenes: 4, points: 600, seed: 42 });
using trainer = await Trainer.create(config, { train, objective: unlike });
const { firstLoss, lastLoss, checkpoint } = await trainer.fit({
  hooks: [{
    name: "print",
    afterStep: ({ step, scalars }) => console.log(step, scalars.invariance, scalars.variance),
  }],
});
console.log(`loss ${firstLoss.toFixed(3)} → ${lastLoss.toFixed(3)}`);

// Embedding asks for no loss, and resuming needs the same one.
using encoder = await encoderFromCheckpoint(checkpoint!);
const { scene } = await encoder.embed(await train.get(0));
console.log(`a scene in ${scene.mean.g2l.length} numbers`);
