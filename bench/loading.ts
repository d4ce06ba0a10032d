/**
 * What share of a training step is spent waiting for data, on prepared scenes:
 * `deno run -A bench/loading.ts`. Trains on the device there is; with --step-ms the device's work
 * is a pause, which shows what the loader alone can do. Files are read anew each time (cache_mb:
 * 0), which is the hardest case.
 */

import { say } from "../src/base/terminal.ts";
import { join } from "@std/path";
import type { Batch } from "../src/scenes/batches/batch.ts";
import { writeScene } from "../src/scenes/scene_file.ts";
import { ScenesDataset } from "../src/scenes/scenes_dataset.ts";
import { SyntheticDataset } from "../src/scenes/synthetic/synthetic.ts";
import { BatchLoader } from "../src/scenes/batches/worker_loader.ts";
import { UsageError } from "../src/base/errors.ts";
import { runMain } from "../src/cli/exit.ts";
import { flagsHelp, type FlagTable, readFlags } from "../src/cli/flags.ts";
import { ensureDriver } from "../src/gpu/driver.ts";
import { TrainingConfig } from "../src/run/config.ts";
import { Trainer } from "../src/training/trainer.ts";

const WORKERS = [0, 1, 2, 4];

const FLAGS: FlagTable = {
  points: { value: "N", help: "points a scene (100000)" },
  scenes: { value: "N", help: "scenes to read (8)" },
  "batch-size": { value: "N", help: "scenes a step (2)" },
  steps: { value: "N", help: "steps measured after 3 for warming up (20)" },
  "step-ms": { value: "N", help: "pause so many milliseconds instead of training" },
  help: { help: "show this help (also -h)" },
};

const HELP = `Say what share of a training step is spent waiting for data, with 0 to 4 workers.

  deno run -A bench/loading.ts [flags]

Flags (defaults in brackets):
${flagsHelp(FLAGS)}
`;

async function writeScenes(folder: string, scenes: number, points: number): Promise<string[]> {
  const rooms = new SyntheticDataset({ scenes, points, maxDepth: 4 });
  const files: string[] = [];
  for (let i = 0; i < scenes; i++) {
    const { id, coords, feats, tree } = await rooms.get(i);
    const attributes = new Map([["normals", { width: 3, data: feats }]]);
    const path = join(folder, `${id}.safetensors`);
    await writeScene(path, {
      id,
      cloud: { count: points, coords, origin: [0, 0, 0], attributes },
      tree,
    });
    files.push(path);
  }
  return files;
}

async function measure(
  loader: BatchLoader,
  steps: number,
  train: (batch: Batch) => Promise<unknown>,
): Promise<{ waiting: number; total: number }> {
  const warmUp = 3;
  let waiting = 0, began = 0, done = 0;
  for (let epoch = 0; done < steps + warmUp; epoch++) {
    for (let step = 0; step < loader.steps(epoch) && done < steps + warmUp; step++, done++) {
      if (done === warmUp) {
        began = performance.now();
        waiting = 0;
      }
      const asked = performance.now();
      const batch = await loader.batch(epoch, step);
      waiting += performance.now() - asked;
      await train(batch);
    }
  }
  return { waiting, total: performance.now() - began };
}

if (import.meta.main) {
  await runMain(async () => {
    const given = readFlags(Deno.args, FLAGS);
    if (given.has("help")) {
      say(HELP);
      return 0;
    }
    if (given.rest.length > 0) {
      throw new UsageError(`Unexpected argument ${given.rest[0]}; --help lists all flags`);
    }
    const pause = given.text("step-ms") === undefined ? null : given.whole("step-ms", 0, 0);
    const points = given.whole("points", 100_000, 1);
    const scenes = given.whole("scenes", 8, 1);
    const batchSize = given.whole("batch-size", 2, 1);
    const steps = given.whole("steps", 20, 1);
    const folder = await Deno.makeTempDir();
    try {
      const dataset = new ScenesDataset(await writeScenes(folder, scenes, points), {
        cacheBytes: 0,
      });
      const config = TrainingConfig.fromObject({ batch_size: batchSize });
      if (pause === null) await ensureDriver(say);
      using trainer = pause === null ? await Trainer.create(config, { train: dataset }) : null;
      const train = trainer === null
        ? () => new Promise((resolve) => setTimeout(resolve, pause!))
        : (batch: Batch) => trainer.trainStep(batch);
      say(
        `${scenes} scenes of ${points} points, ${batchSize} a step, ${steps} steps; ` +
          (trainer === null
            ? `a step is a pause of ${pause} ms`
            : `device: ${trainer.device.description}`),
      );
      say("workers   ms a step   of it waiting for data");
      for (const numWorkers of WORKERS) {
        using loader = await BatchLoader.create(dataset, {
          batchSize,
          numWorkers,
          seed: config.seed,
          augmentation: config.augmentation,
          maxHierarchyDepth: null,
          featureWidth: 3,
        });
        const { waiting, total } = await measure(loader, steps, train);
        const share = `${(waiting / steps).toFixed(1)} ms (${
          (100 * waiting / total).toFixed(1)
        } %)`;
        say(
          `${String(numWorkers).padStart(7)} ${(total / steps).toFixed(1).padStart(11)} ${
            share.padStart(24)
          }`,
        );
      }
      return 0;
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
}
