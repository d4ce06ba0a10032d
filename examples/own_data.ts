/**
 * Your own data: anything with a length that gives scenes by number. Here spheres, made as they are
 * asked for. Run it: deno run -A examples/own_data.ts
 */

import { buildTree, type Dataset, Random, type Scene, Trainer, TrainingConfig } from "@dbbd/dbbd";

function sphere(index: number): Scene {
  const random = new Random(7, "sphere", index);
  const radius = random.uniform(0.5, 2);
  const count = 800;
  const normals = random.fillNormal(new Float32Array(3 * count));
  for (let at = 0; at < normals.length; at += 3) {
    const length = Math.hypot(normals[at], normals[at + 1], normals[at + 2]);
    for (let axis = 0; axis < 3; axis++) normals[at + axis] /= length;
  }
  const coords = normals.map((value) => radius * value);
  return {
    id: `sphere ${index}`,
    coords,
    feats: normals,
    featureColumns: [{ name: "normals", width: 3, kind: "vector" }],
    tree: buildTree(coords, { branching: 4, maxDepth: 2, minPoints: 32 }),
  };
}

const spheres: Dataset = { length: 6, get: (index) => Promise.resolve(sphere(index)) };

const config = TrainingConfig.fromObject({ small_mode: true, num_epochs: 2 });
using trainer = await Trainer.create(config, { train: spheres });
const { firstLoss, lastLoss } = await trainer.fit({ checkpoints: false });
console.log(`loss ${firstLoss.toFixed(3)} → ${lastLoss.toFixed(3)}`);
