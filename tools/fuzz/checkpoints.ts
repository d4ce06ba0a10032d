/**
 * Damaged checkpoints and scene files: whatever happened to one, it is refused with one clear
 * message.
 */

import { join } from "@std/path";
import { modelParameters } from "../../src/model/model.ts";
import { DEFAULT_SETTINGS } from "../../src/scenes/preprocess/settings.ts";
import { Random } from "../../src/base/random.ts";
import { parseSceneFile, writeScene } from "../../src/scenes/scene_file.ts";
import { buildTree } from "../../src/scenes/tree_builder.ts";
import { DataError } from "../../src/base/errors.ts";
import { readCheckpoint, readWeights, writeCheckpoint } from "../../src/run/checkpoint.ts";
import { tinyConfig } from "../../tests/support/tiny_config.ts";
import { type Campaign, traced } from "./campaign.ts";
import { damage } from "./damage.ts";
import { type TrialMaker, watched } from "./watched.ts";

/** Reads a file in one of the ways that the program has. */
type Reader = readonly [name: string, read: (path: string) => unknown];

/** A sound file, and all that reads it. */
interface Sound {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly readers: readonly Reader[];
}

async function soundCheckpoint(path: string): Promise<Sound> {
  const config = tinyConfig();
  const specs = modelParameters(config);
  const values = (purpose: string, change = (value: number) => value) =>
    new Map(
      specs.map(({ name, shape, initial }) => [
        name,
        initial(shape, new Random(1, purpose, name)).map(change),
      ]),
    );
  await writeCheckpoint(path, specs, {
    parameters: values("parameters"),
    optimizer: {
      firstMoment: values("first"),
      secondMoment: values("second", (value) => value * value),
      steps: new Map(specs.map(({ name }, i) => [name, i % 17])),
    },
    counters: { epoch: 3, stepInEpoch: 1, step: 16, epochLossSum: 4.25, bestLoss: 3.5 },
    config: config.toObject(),
    runDirectory: "runs/a run",
    preparation: DEFAULT_SETTINGS,
  });
  return {
    name: "checkpoint",
    bytes: await Deno.readFile(path),
    readers: [
      ["readCheckpoint", (each) => readCheckpoint(each, specs)],
      ["readWeights", (each) => readWeights(each, specs)],
    ],
  };
}

async function soundScene(path: string): Promise<Sound> {
  const count = 150;
  const random = new Random(1, "scene");
  const coords = random.fillUniform(new Float32Array(3 * count), 0, 4);
  const normals = Float32Array.from({ length: 3 * count }, (_, i) => Number(i % 3 === 2));
  const labels = Int32Array.from({ length: count }, () => random.int(5));
  await writeScene(path, {
    id: "room",
    cloud: {
      count,
      coords,
      origin: [652_000.5, -1e6, 0.125],
      attributes: new Map([
        ["normals", { width: 3, data: normals }],
        ["labels", { width: 1, data: labels }],
      ]),
    },
    tree: buildTree(coords, { branching: 3, maxDepth: 3, minPoints: 8 }),
    sceneLabel: 2,
    source: "scans/room.ply",
    settings: { voxel: 0.02 },
  });
  return {
    name: "scene",
    bytes: await Deno.readFile(path),
    readers: [["parseSceneFile", (each) => parseSceneFile(Deno.readFileSync(each), each)]],
  };
}

/** What is wrong with how a reader took a damaged file; null: it refused it as it should. */
async function refuses([name, read]: Reader, path: string): Promise<string | null> {
  try {
    await read(path);
    return `${name} loads it`;
  } catch (error) {
    if (!(error instanceof DataError)) return `${name}: ${traced(error)}`;
    const { message } = error;
    return message.includes(path) ? null : `${name}: the message names no file: ${message}`;
  }
}

/** Every fourth trial damages the scene, the others the checkpoint. */
export const checkpointTrials: TrialMaker = async (seed, folder) => {
  const checkpoint = await soundCheckpoint(join(folder, "whole.safetensors"));
  const scene = await soundScene(join(folder, "room.safetensors"));
  const path = join(folder, "damaged.safetensors");
  return async (i) => {
    const { name, bytes, readers } = i % 4 === 3 ? scene : checkpoint;
    const damaged = damage(bytes, new Random(seed, "checkpoints", i));
    await Deno.writeFile(path, damaged.bytes);
    const wrong = (await Promise.all(readers.map((reader) => refuses(reader, path))))
      .filter((what) => what !== null);
    return {
      came: wrong.length === 0 ? `${name}, ${damaged.kind}: refused` : `${name}: not refused`,
      wrong: wrong.length === 0 ? undefined : `${name}, ${damaged.what}: ${wrong.join("; ")}`,
    };
  };
};

/** The campaign. */
export const checkpoints: Campaign = {
  what: "bits flipped, cuts, losses in checkpoints and scene files: all are refused",
  count: 200,
  run: (ask, tally) => watched("checkpoints", ask, tally),
};
