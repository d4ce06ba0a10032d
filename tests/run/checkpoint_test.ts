import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { DEFAULT_SETTINGS } from "../../src/scenes/preprocess/settings.ts";
import {
  encodeSafetensors,
  readSafetensors,
  type SafeTensor,
  toFloat32,
  writeSafetensors,
} from "../../src/base/safetensors.ts";
import { DataError, UsageError } from "../../src/base/errors.ts";
import { modelParameters } from "../../src/model/model.ts";
import type { ParameterSpec } from "../../src/nn/parameters.ts";
import { Random } from "../../src/base/random.ts";
import {
  type Checkpoint,
  readCheckpoint,
  readCheckpointConfig,
  readCheckpointInfo,
  readWeights,
  writeCheckpoint,
} from "../../src/run/checkpoint.ts";
import { newestCheckpoint } from "../../src/run/newest_checkpoint.ts";
import { missingPermissions } from "../support/permissions.ts";
import { tempFolder } from "../support/temp_folder.ts";
import { tinyConfig } from "../support/training.ts";

const ignore = missingPermissions("read", "write");
const config = tinyConfig();
const specs: readonly ParameterSpec[] = modelParameters(config);
const NAME = "encoder.propagator.mlp.0.weight"; // (10, 19)

function values(purpose: string): Map<string, Float32Array> {
  return new Map(
    specs.map(({ name, shape, initial }) => [name, initial(shape, new Random(1, purpose, name))]),
  );
}

const CHECKPOINT: Checkpoint = {
  parameters: values("parameters"),
  optimizer: {
    firstMoment: values("first"),
    secondMoment: new Map(
      [...values("second")].map(([name, all]) => [name, all.map((v) => v * v)]),
    ),
    steps: new Map(specs.map(({ name }, i) => [name, i % 17])),
  },
  counters: { epoch: 3, stepInEpoch: 1, step: 16, epochLossSum: 0.1 + 0.2, bestLoss: null },
  config: config.toObject(),
  runDirectory: "runs/a b",
  preparation: {
    ...DEFAULT_SETTINGS,
    prepare: { ...DEFAULT_SETTINGS.prepare, voxelSize: 0.02, unitScale: true },
  },
};

async function written(folder: string): Promise<string> {
  const path = join(folder, "checkpoint.safetensors");
  await writeCheckpoint(path, specs, CHECKPOINT);
  return path;
}

/** A checkpoint whose tensors or metadata were changed. */
async function changed(
  folder: string,
  change: (tensors: Map<string, SafeTensor>, metadata: Record<string, string>) => void,
): Promise<string> {
  const { tensors, metadata } = await readSafetensors(await written(folder));
  const all = new Map(tensors);
  const meta = { ...metadata };
  change(all, meta);
  const path = join(folder, "changed.safetensors");
  await writeSafetensors(path, all, meta);
  return path;
}

Deno.test("a file of weights says what it is of: a checkpoint, weights alone, something else", {
  ignore,
}, async () => {
  await using folder = await tempFolder();
  const { config: saved, preparation, counters } = CHECKPOINT;
  assertEquals(await readCheckpointInfo(await written(folder.path)), {
    config: saved,
    preparation,
    counters,
  });
  const old = await changed(folder.path, (_, metadata) => delete metadata.preparation);
  assertEquals((await readCheckpointInfo(old)).preparation, null);
  const bare = join(folder.path, "bare.safetensors");
  await writeSafetensors(bare, (await readSafetensors(old)).tensors);
  assertEquals(await readCheckpointInfo(bare), { config: null, preparation: null, counters: null });
  const other = join(folder.path, "other.safetensors");
  const data = new Float32Array(3);
  await writeSafetensors(other, new Map([["coords", { dtype: "F32", shape: [1, 3], data }]]));
  await assertRejects(() => readCheckpointInfo(other), DataError, "found coords");
});

Deno.test("a checkpoint comes back as it was written, to the bit", { ignore }, async () => {
  await using folder = await tempFolder();
  const path = await written(folder.path);
  assertEquals(await readCheckpoint(path, specs), CHECKPOINT);
  assertEquals(await readCheckpointConfig(path), config.toObject());
  assertEquals([...Deno.readDirSync(folder.path)].length, 1); // no temporary file is left
  assertEquals(await readWeights(path, specs), CHECKPOINT.parameters);
});

Deno.test("a checkpoint holds each parameter under its name, the moments beside it", {
  ignore,
}, async () => {
  await using folder = await tempFolder();
  const { tensors, metadata } = await readSafetensors(await written(folder.path));
  assertEquals(tensors.size, 3 * specs.length);
  assertEquals(tensors.get(NAME)?.shape, [10, 19]);
  assertEquals(tensors.get(`optimizer.first_moment.${NAME}`)?.shape, [10, 19]);
  assertEquals(
    toFloat32(tensors.get(`optimizer.second_moment.${NAME}`)!, NAME),
    CHECKPOINT.optimizer.secondMoment.get(NAME),
  );
  assertEquals(JSON.parse(metadata.config).hidden_dim, 12);
  assertEquals(JSON.parse(metadata.counters).step, 16);
});

Deno.test("names missing, extra or of another shape are all listed", { ignore }, async () => {
  await using folder = await tempFolder();
  const path = await changed(folder.path, (tensors) => {
    tensors.delete("encoder.propagator.mlp.0.bias");
    tensors.set("encoder.unheard.of", { dtype: "F32", shape: [2], data: new Float32Array(2) });
    tensors.set(NAME, { dtype: "F32", shape: [19, 10], data: new Float32Array(190) });
    tensors.set("encoder.propagator.mlp.1.bias", {
      dtype: "F32",
      shape: [10],
      data: new Float32Array(10).fill(-Infinity, 4),
    });
  });
  for (const load of [readCheckpoint, readWeights]) {
    const { message } = await assertRejects(() => load(path, specs), DataError);
    const lines = message.split("\n").map((line: string) => line.trim());
    assertEquals(lines[0], `Cannot load ${path}: its weights do not fit this model.`);
    const expected = [
      "missing: encoder.propagator.mlp.0.bias [10]",
      "extra: encoder.unheard.of [2]",
      `another shape: ${NAME} is [19, 10], the model has [10, 19]`,
      "not finite: encoder.propagator.mlp.1.bias at position 4 (-Infinity)",
    ];
    assertEquals(lines.slice(1, -1).sort(), expected.sort());
  }
});

Deno.test("an optimiser state that is missing or does not fit is refused", { ignore }, async () => {
  await using folder = await tempFolder();
  const path = await changed(folder.path, (tensors) => {
    tensors.delete(`optimizer.first_moment.${NAME}`);
  });
  await assertRejects(
    () => readCheckpoint(path, specs),
    DataError,
    `missing: optimizer.first_moment.${NAME} [10, 19]`,
  );
  assertEquals(await readWeights(path, specs), CHECKPOINT.parameters); // weights alone are whole
});

Deno.test("damaged metadata is named", { ignore }, async () => {
  await using folder = await tempFolder();
  const cases: [key: string, text: string, message: string][] = [
    ["counters", `{"epoch":`, "its counters is missing or damaged"],
    [
      "counters",
      `{"epoch":-1,"stepInEpoch":0,"step":0,"epochLossSum":0,"bestLoss":null}`,
      "counters are damaged",
    ],
    ["counters", `null`, "counters are damaged"],
    ["optimizer_steps", `{}`, "counters are damaged"],
    ["optimizer_steps", `null`, "counters are damaged"],
    ["config", `[]`, "its config is damaged"],
    ["config", `{`, "its config is missing or damaged"],
    ["run_directory", `{`, "its run_directory is missing or damaged"],
    ["run_directory", `7`, "its run_directory is damaged"],
    ["format", `dbbd-checkpoint-9`, "it is no checkpoint of this program (format dbbd-checkpoint"],
  ];
  for (const [key, text, message] of cases) {
    const path = await changed(folder.path, (_, metadata) => {
      metadata[key] = text;
    });
    await assertRejects(() => readCheckpoint(path, specs), DataError, message);
  }
});

Deno.test("a file that is cut off, corrupt, empty, or no safetensors at all is refused", {
  ignore,
}, async () => {
  await using folder = await tempFolder();
  const whole = Deno.readFileSync(await written(folder.path));
  const path = join(folder.path, "bad.safetensors");
  const refused = async (bytes: Uint8Array) => {
    Deno.writeFileSync(path, bytes);
    const { message } = await assertRejects(() => readCheckpoint(path, specs), DataError);
    assertStringIncludes(message, path);
  };
  for (const length of [0, 3, 8, 9, 100, 5000, whole.length - 1]) {
    await refused(whole.subarray(0, length));
  }
  await refused(new TextEncoder().encode("num_epochs: 3\nbatch_size: 2\n"));
  const header = whole.slice();
  header.fill(0x20, 8, 40);
  await refused(header);
  const length = whole.slice();
  length.fill(0xff, 0, 8);
  await refused(length);
  const missing = join(folder.path, "none.safetensors");
  await assertRejects(() => readCheckpoint(missing, specs), Error, missing);
});

Deno.test("a file that is no checkpoint of this program is pointed to --init-from", {
  ignore,
}, async () => {
  await using folder = await tempFolder();
  const path = join(folder.path, "plain.safetensors");
  await writeSafetensors(
    path,
    new Map(
      specs.map(({ name, shape }) => [name, {
        dtype: "F32" as const,
        shape,
        data: CHECKPOINT.parameters.get(name)!,
      }]),
    ),
  );
  await assertRejects(() => readCheckpoint(path, specs), DataError, "--init-from");
  assertEquals(await readWeights(path, specs), CHECKPOINT.parameters);
});

Deno.test("weights written by PyTorch's safetensors are read", { ignore }, async () => {
  // make_pytorch_weights.py wrote it: parameter number i of the model, in order of name, holds i +
  // position / 1000.
  const path = fromFileUrl(new URL("../fixtures/pytorch_weights.safetensors", import.meta.url));
  const weights = await readWeights(path, specs);
  const names = [...weights.keys()].sort();
  assertEquals(names, specs.map(({ name }) => name).sort());
  for (const [i, name] of names.entries()) {
    const data = weights.get(name)!;
    assertEquals(data, Float32Array.from(data, (_, position) => i + Math.fround(position / 1000)));
  }
});

Deno.test("what stood there stays when a checkpoint cannot be written", { ignore }, async () => {
  await using folder = await tempFolder();
  const path = join(folder.path, "none", "checkpoint.safetensors");
  await assertRejects(() => writeCheckpoint(path, specs, CHECKPOINT), UsageError, "does not exist");
  const good = await written(folder.path);
  const before = Deno.readFileSync(good);
  const bad = new Map(CHECKPOINT.parameters).set(NAME, new Float32Array(190).fill(NaN));
  await assertRejects(
    () => writeCheckpoint(good, specs, { ...CHECKPOINT, parameters: bad }),
    DataError,
    `${NAME} at position 0 (NaN)`,
  );
  assertEquals(Deno.readFileSync(good), before);
});

Deno.test("the newest whole checkpoint of a folder is found by its time", { ignore }, async () => {
  await using folder = await tempFolder();
  const at = async (name: string, seconds: number, write: (path: string) => unknown) => {
    const path = join(folder.path, name);
    await write(path);
    Deno.utimeSync(path, seconds, seconds);
    return path;
  };
  const whole = (path: string) => writeCheckpoint(path, specs, CHECKPOINT);
  await assertRejects(() => newestCheckpoint(folder.path), DataError, "there is no checkpoint");
  await at("last.safetensors", 1000, whole);
  const newest = await at("epoch_0002.safetensors", 3000, whole);
  await at("best.safetensors", 2000, whole);
  await at("notes.txt", 9000, (path) => Deno.writeTextFileSync(path, ""));
  await at(".last.safetensors.1234.tmp", 9000, whole);
  Deno.mkdirSync(join(folder.path, "folder.safetensors"));
  // What is no checkpoint of this program is passed over without a word, what was one with one.
  await at("features.safetensors", 8000, (path) =>
    writeSafetensors(
      path,
      new Map([["points/g2l", {
        dtype: "F32",
        shape: [1],
        data: new Float32Array(1),
      }]]),
    ));
  const cut = await at("later.safetensors", 7000, async (path) => {
    await whole(path);
    Deno.truncateSync(path, 20_000);
  });
  const told: string[] = [];
  assertEquals(await newestCheckpoint(folder.path, (line) => told.push(line)), newest);
  assertEquals(told.length, 1);
  assertStringIncludes(told[0], `Passed over: Cannot read ${cut}`);
  const none = join(folder.path, "none");
  const { message } = await assertRejects(() => newestCheckpoint(none), DataError);
  assert(message.includes(none), message);
});

Deno.test("no checkpoint loads in which a bit has flipped", { ignore }, async () => {
  await using folder = await tempFolder();
  const bytes = Deno.readFileSync(await written(folder.path));
  const path = join(folder.path, "flipped.safetensors");
  const random = new Random(1, "flips");
  for (let i = 0; i < 500; i++) {
    const flipped = bytes.slice();
    // A third of them in the header, where the settings are.
    const at = i % 3 === 0 ? random.int(6000) : random.int(bytes.length);
    flipped[at] ^= 1 << random.int(8);
    Deno.writeFileSync(path, flipped);
    await assertRejects(() => readCheckpoint(path, specs), DataError);
    await assertRejects(() => readWeights(path, specs), DataError);
  }
});

Deno.test("states that no run has are refused, and not written", { ignore }, async () => {
  await using folder = await tempFolder();
  const path = join(folder.path, "a.safetensors");
  await writeCheckpoint(path, specs, CHECKPOINT);
  const good = Deno.readFileSync(path);
  const { optimizer, counters } = CHECKPOINT;
  const withMoment = (which: "firstMoment" | "secondMoment", value: number): Checkpoint => {
    const moments = new Map(optimizer[which]);
    moments.set(NAME, new Float32Array(190).fill(value, 7, 8));
    return { ...CHECKPOINT, optimizer: { ...optimizer, [which]: moments } };
  };
  const withCounters = (own: Partial<Checkpoint["counters"]>): Checkpoint => ({
    ...CHECKPOINT,
    counters: { ...counters, ...own },
  });
  const withSteps = (steps: number): Checkpoint => ({
    ...CHECKPOINT,
    optimizer: { ...optimizer, steps: new Map(optimizer.steps).set(NAME, steps) },
  });
  const wrong: [Checkpoint, string][] = [
    [withMoment("firstMoment", Infinity), `first_moment.${NAME} at position 7 (Infinity)`],
    [withMoment("secondMoment", NaN), `second_moment.${NAME} at position 7 (NaN)`],
    [withMoment("secondMoment", -1), `second_moment.${NAME} at position 7 is -1`],
    [withCounters({ step: 1e15 }), "counter step is 1000000000000000"],
    [withCounters({ epoch: -1 }), "counter epoch is -1"],
    [withCounters({ epoch: 17 }), "17 epochs and 1 steps, but 16 steps in all"],
    [withCounters({ bestLoss: NaN }), "its bestLoss is no finite number"],
    [withSteps(-5), `steps of ${NAME} are -5`],
    [withSteps(17), `steps of ${NAME} are 17, expected 0 to the run's 16`],
  ];
  for (const [checkpoint, message] of wrong) {
    const error = await assertRejects(() => writeCheckpoint(path, specs, checkpoint), DataError);
    assertStringIncludes(error.message, message);
  }
  assertEquals(Deno.readFileSync(path), good);
  // The reader too, in a file of another's making.
  const steps = await changed(folder.path, (_, metadata) => {
    metadata.optimizer_steps = metadata.optimizer_steps.replace(/:\d+/, ":-5");
  });
  await assertRejects(() => readCheckpoint(steps, specs), DataError, "are -5, expected 0");
  const far = await changed(folder.path, (_, metadata) => {
    metadata.counters = metadata.counters.replace('"step":16', '"step":1000000000000000');
  });
  await assertRejects(() => readCheckpoint(far, specs), DataError, "its counters are damaged");
});

Deno.test(
  "checkpoints of earlier versions, without checksums, still load",
  { ignore },
  async () => {
    await using folder = await tempFolder();
    const { tensors, metadata } = await readSafetensors(await written(folder.path));
    const path = join(folder.path, "old.safetensors");
    Deno.writeFileSync(path, encodeSafetensors(tensors, metadata));
    assertEquals(await readCheckpoint(path, specs), CHECKPOINT);
  },
);
