/** Random command lines: the parsers get all of them, real processes every tenth. */

import { join } from "@std/path";
import { Random } from "../../src/base/random.ts";
import { modelParameters } from "../../src/model/model.ts";
import { DEFAULT_SETTINGS } from "../../src/scenes/preprocess/settings.ts";
import { writeCheckpoint } from "../../src/run/checkpoint.ts";
import { allFormatSamples } from "../../tests/support/all_format_samples.ts";
import { writeShapes } from "../../tests/support/labelled_shapes.ts";
import { tinyConfig } from "../../tests/support/tiny_config.ts";
import type { Ask, Campaign, Result, Tally } from "./campaign.ts";
import { commandOf } from "./command_lines.ts";
import { end, outputProblem, signal, start } from "./programs.ts";
import { watched } from "./watched.ts";

/** One process to so many command lines. */
const PARSED_FOR_EACH = 10;
/**
 * Milliseconds after which a program that still works is asked to stop, and then to have stopped.
 */
const WORKS_MS = 20_000, STOPS_MS = 30_000;

async function writeGoodCheckpoint(path: string): Promise<void> {
  const config = tinyConfig();
  const specs = modelParameters(config);
  const parameters = new Map(
    specs.map(({ name, shape, initial }) => [name, initial(shape, new Random(1, name))]),
  );
  const zeros = () =>
    new Map([...parameters].map(([name, { length }]) => [name, new Float32Array(length)]));
  await writeCheckpoint(path, specs, {
    parameters,
    optimizer: {
      firstMoment: zeros(),
      secondMoment: zeros(),
      steps: new Map(specs.map(({ name }) => [name, 0])),
    },
    counters: { epoch: 0, stepInEpoch: 0, step: 0, epochLossSum: 0, bestLoss: null },
    config: config.toObject(),
    runDirectory: null,
    preparation: DEFAULT_SETTINGS,
  });
}

/** Fills a folder with what command lines name. */
async function makeSandbox(folder: string): Promise<void> {
  const at = (name: string) => join(folder, name);
  for (const name of ["scans", "empty_folder", "out", "runs/run"]) {
    await Deno.mkdir(at(name), { recursive: true });
  }
  const config = tinyConfig({
    num_epochs: 1,
    max_train_scenes: 4,
    max_val_scenes: 2,
    synthetic_points: 150,
    device: "software",
  });
  await Deno.writeTextFile(at("tiny.yaml"), config.toYaml());
  await Deno.writeTextFile(at("runs/run/config.yaml"), config.toYaml());
  await Deno.writeTextFile(at("runs/run/metrics.jsonl"), '{"step":0,"total":5}\n{"step":1,"to');
  await Deno.writeTextFile(at("bad.yaml"), "seed: [1\nx: \u0007\n\tbatch_size: -3\n");
  await Deno.writeTextFile(at("empty"), "");
  await Deno.symlink("circle", at("circle"));
  for (const device of ["null", "full", "zero"]) await Deno.symlink(`/dev/${device}`, at(device));
  await writeGoodCheckpoint(at("good.safetensors"));
  const bytes = await Deno.readFile(at("good.safetensors"));
  await Deno.writeFile(at("cut.safetensors"), bytes.subarray(0, bytes.length >> 1));
  const golden = new URL("../../tests/fixtures/golden/sampled_points.safetensors", import.meta.url);
  await Deno.copyFile(golden, at("golden.safetensors"));
  const samples = await allFormatSamples();
  for (const { fileName, bytes } of samples) await Deno.writeFile(at(`scans/${fileName}`), bytes);
  const ply = samples.find(({ fileName }) => fileName.endsWith(".ply"))!;
  await Deno.writeFile(at("scans/room.ply"), ply.bytes);
  await Deno.writeFile(at("scans/broken.las"), ply.bytes.subarray(0, 50));
  await Deno.writeTextFile(at("scans/table.csv"), "x,y,z\n1,2,3\n2,3,4\n");
  await writeShapes(at("data"), { counts: { train: 4, test: 2 } });
}

/** What came of one command line as a process. */
async function runOne(seed: number, i: number, folder: string): Promise<Result> {
  const { program, args } = commandOf(seed, i);
  const child = start(program.script, args, folder);
  let stopped = false;
  const timers = [
    setTimeout(() => {
      stopped = true;
      signal(child, "SIGINT");
    }, WORKS_MS),
    setTimeout(() => signal(child, "SIGKILL"), WORKS_MS + STOPS_MS),
  ];
  const ended = await end(child);
  timers.forEach(clearTimeout);
  const expected = stopped ? [0, 1, 2, 130] : [0, 1, 2];
  // A program that had not listened to signals yet is ended by the system.
  const right = expected.includes(ended.code) || stopped && ended.signal === "SIGINT";
  const wrong = right
    ? outputProblem(ended)
    : `exit code ${ended.code}${ended.signal ? ` (${ended.signal})` : ""}: ${ended.err}`;
  return {
    came: stopped ? "process: stopped at work" : `process: exit code ${ended.code}`,
    wrong: wrong === null ? undefined : `${program.name} ${JSON.stringify(args)}: ${wrong}`,
  };
}

async function run(ask: Ask, tally: Tally): Promise<void> {
  await watched("arguments", ask, tally);
  for (let i = ask.first; i < ask.first + ask.count; i++) {
    if ((i - ask.first) % PARSED_FOR_EACH !== 0) continue;
    const folder = await Deno.makeTempDir({ prefix: "dbbd-fuzz-" });
    try {
      // So deep that ".." and "../.." are still in the folder.
      const box = join(folder, "in", "a", "box");
      await makeSandbox(box);
      const { came, wrong } = await runOne(ask.seed, i, box);
      tally.count(came); // the trial was counted when it was parsed
      if (wrong !== undefined) tally.fail(`trial ${i}: ${wrong}`);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  }
}

/** The campaign. */
export const commands: Campaign = {
  what: "command lines: exit code 0, 1 or 2, no stack trace, no control characters",
  count: 200,
  run,
};
