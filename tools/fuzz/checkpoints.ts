/** Checkpoints and scenes in which bits have flipped, that are cut, or written over. */

import { join } from "@std/path";
import { Random } from "../../src/data/random.ts";
import { parseSceneFile, writeScene } from "../../src/data/scene_file.ts";
import { buildTree } from "../../src/data/tree_builder.ts";
import { modelParameters } from "../../src/dbbd/layers.ts";
import { DataError } from "../../src/errors.ts";
import { readCheckpoint, readWeights, writeCheckpoint } from "../../src/training/checkpoint.ts";
import { tinyConfig } from "../../tests/support/training.ts";
import { type Campaign, firstLine } from "./campaign.ts";

const config = tinyConfig();
const specs = modelParameters(config);

/** A checkpoint as a run writes it. */
async function writeSample(path: string): Promise<void> {
  const draw = (what: string) =>
    new Map(
      specs.map(({ name, shape, initial }) => [name, initial(shape, new Random(1, what, name))]),
    );
  const squares = new Map([...draw("second")].map(([name, all]) => [name, all.map((v) => v * v)]));
  await writeCheckpoint(path, specs, {
    parameters: draw("parameters"),
    optimizer: {
      firstMoment: draw("first"),
      secondMoment: squares,
      steps: new Map(specs.map(({ name }) => [name, 7])),
    },
    counters: { epoch: 2, stepInEpoch: 1, step: 7, epochLossSum: 4.5, bestLoss: 4.25 },
    config: config.toObject(),
    runDirectory: "runs/sample",
    preparation: null,
  });
}

async function writeSampleScene(path: string): Promise<void> {
  const random = new Random(2, "scene");
  const coords = Float32Array.from({ length: 600 }, () => random.uniform());
  const normals = Float32Array.from({ length: 600 }, (_, i) => Number(i % 3 === 2));
  await writeScene(path, {
    id: "sample",
    cloud: {
      count: 200,
      coords,
      origin: [0, 0, 0],
      attributes: new Map([["normals", { width: 3, data: normals }]]),
    },
    tree: buildTree(coords),
  });
}

/** A copy with damage drawn from `random`, and what was done. */
function damaged(bytes: Uint8Array, random: Random): { copy: Uint8Array; what: string } {
  const kind = random.int(10);
  if (kind === 0) {
    const length = random.int(bytes.length);
    return { copy: bytes.slice(0, length), what: `cut to ${length} bytes` };
  }
  const copy = bytes.slice();
  // Half of it in the first bytes, where header and settings are.
  const at = random.int(2) === 0
    ? random.int(Math.min(8000, copy.length))
    : random.int(copy.length);
  if (kind === 1) {
    const end = Math.min(copy.length, at + 1 + random.int(64));
    for (let i = at; i < end; i++) copy[i] ^= 1 + random.int(255);
    return { copy, what: `bytes ${at} to ${end} written over` };
  }
  const bit = random.int(8);
  copy[at] ^= 1 << bit;
  return { copy, what: `bit ${bit} of byte ${at} flipped` };
}

/** Each is refused in one error. */
export const checkpoints: Campaign = {
  about: "checkpoints and scenes with bits flipped, cut, written over",
  usual: 600,
  async run({ count, seed }, tally) {
    const folder = await Deno.makeTempDir();
    try {
      const path = join(folder, "a.safetensors"), scene = join(folder, "scene.safetensors");
      await writeSample(path);
      await writeSampleScene(scene);
      const whole = Deno.readFileSync(path), wholeScene = Deno.readFileSync(scene);
      const readers: [string, () => unknown][] = [
        ["readCheckpoint", () => readCheckpoint(path, specs)],
        ["readWeights", () => readWeights(path, specs)],
      ];
      for (let i = 0; i < count; i++) {
        const random = new Random(seed, "flip", i);
        const ofScene = i % 3 === 2;
        const { copy, what } = damaged(ofScene ? wholeScene : whole, random);
        if (!ofScene) Deno.writeFileSync(path, copy);
        const own = ofScene
          ? [["parseSceneFile", () => parseSceneFile(copy, scene)] as const]
          : readers;
        const wrong: string[] = [];
        for (const [name, read] of own) {
          try {
            await read();
            wrong.push(`${name} takes it`);
          } catch (error) {
            if (!(error instanceof DataError)) wrong.push(`${name}: ${firstLine(error)}`);
          }
        }
        if (wrong.length > 0) tally.fail(`${ofScene ? "scene" : "checkpoint"}, ${what}: ${wrong}`);
        else tally.count(`${ofScene ? "scene" : "checkpoint"} refused`);
      }
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
};
