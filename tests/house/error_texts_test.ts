/**
 * What people are told when something is wrong: the texts met most often, whole. Where one is meant
 * to change: `deno test -A tests/house/error_texts_test.ts --update-snapshots`.
 */

import { assertRejects } from "@std/assert";
import { join } from "@std/path";
import { parseEmbedArguments } from "../../src/cli/embed/arguments.ts";
import { parseTrainArguments } from "../../src/cli/train/arguments.ts";
import { readPointCloudBytes } from "../../src/cloud/formats/registry.ts";
import { modelParameters } from "../../src/model/model.ts";
import { readCheckpoint, readCheckpointInfo, writeCheckpoint } from "../../src/run/checkpoint.ts";
import { TrainingConfig } from "../../src/run/config.ts";
import { readConfigFile } from "../../src/run/config_file.ts";
import { openDatasets } from "../../src/run/datasets.ts";
import { buildTree } from "../../src/scenes/tree_builder.ts";
import { treeFromNested } from "../../src/scenes/region_tree.ts";
import { textBytes } from "../support/format_samples.ts";
import { missingPermissions } from "../support/permissions.ts";
import { tempFolder } from "../support/temp_folder.ts";
import { tinyConfig } from "../support/tiny_config.ts";

/** The text of what is thrown, under the name of the test's step. */
async function told(
  t: Deno.TestContext,
  name: string,
  call: () => unknown,
  folder = "nowhere",
): Promise<void> {
  const error = await assertRejects(async () => await call(), Error, undefined, name);
  const text = `${error.name}: ${error.message.replaceAll(folder, "FOLDER")}`;
  await t.assertSnapshot(text, { name, serializer: (each) => each });
}

Deno.test(
  "of a configuration, a mistake in each line",
  { ignore: missingPermissions("env") },
  async (t) => {
    const text = `batch_sise: 4
learning_rate: -1
device: tpu
encoder_hidden_dims: [64, wide]
augmentation:
  - { type: rotate, degrees: 400 }
  - { type: wobble }
points_per_view: 256
seed: 1
seed: 2
`;
    await told(
      t,
      "mistakes in a configuration",
      () => TrainingConfig.fromYaml(text, { file: "my.yaml" }),
    );
    await told(t, "no mapping", () => TrainingConfig.fromYaml("- a\n- b\n", { file: "my.yaml" }));
    await told(
      t,
      "broken syntax",
      () => TrainingConfig.fromYaml("a: [1, 2\nb: 3\n", { file: "my.yaml" }),
    );
    await told(t, "values that a flag sets", () =>
      TrainingConfig.fromYaml("", {
        overrides: [
          { key: "num_epochs", text: "0", where: "--epochs" },
          { key: "epochs", text: "3", where: "--set epochs" },
        ],
      }));
  },
);

Deno.test("what is told of command lines", async (t) => {
  await told(t, "an unknown flag", () => parseTrainArguments(["--epoch", "3"]));
  await told(t, "a key in place of a flag", () => parseTrainArguments(["--batch_size", "4"]));
  await told(t, "a file without its flag", () => parseTrainArguments(["my.yaml", "--seed"]));
  await told(t, "an unknown flag of embed", () => parseEmbedArguments(["--checkpont", "a"]));
  await told(t, "a flag that embed needs", () => parseEmbedArguments(["--checkpoint", "a"]));
});

Deno.test(
  "of files that are not there",
  { ignore: missingPermissions("read", "write", "env") },
  async (t) => {
    await using folder = await tempFolder();
    const { path } = folder;
    const missing = join(path, "none");
    const scenes = TrainingConfig.fromObject({ data_root: missing });
    await told(t, "no data_root", () => openDatasets(scenes), path);
    const empty = TrainingConfig.fromObject({ data_root: path });
    await told(t, "a data_root without scenes", () => openDatasets(empty), path);
    await told(t, "no configuration", () => readConfigFile(missing), path);
    await told(t, "no checkpoint", () => readCheckpointInfo(missing), path);
  },
);

Deno.test(
  "what is told of checkpoints",
  { ignore: missingPermissions("read", "write") },
  async (t) => {
    await using folder = await tempFolder();
    const path = join(folder.path, "last.safetensors");
    const config = tinyConfig();
    const specs = modelParameters(config);
    const zeros = () =>
      new Map(
        specs.map(({ name, shape }) => [name, new Float32Array(shape.reduce((a, b) => a * b))]),
      );
    await writeCheckpoint(path, specs, {
      parameters: zeros(),
      optimizer: {
        firstMoment: zeros(),
        secondMoment: zeros(),
        steps: new Map(specs.map(({ name }) => [name, 0])),
      },
      counters: { epoch: 0, stepInEpoch: 0, step: 0, epochLossSum: 0, bestLoss: null },
      config: config.toObject(),
      runDirectory: null,
      preparation: null,
    });
    const others = modelParameters(tinyConfig({ hidden_dim: 16, aggregator_mode: "attention" }));
    await told(t, "of another model", () => readCheckpoint(path, others), folder.path);
    const bytes = Deno.readFileSync(path);
    Deno.writeFileSync(path, bytes.with(bytes.length - 4000, 1));
    await told(t, "damaged", () => readCheckpoint(path, specs), folder.path);
    Deno.writeFileSync(path, bytes.subarray(0, bytes.length - 4000));
    await told(t, "cut off", () => readCheckpoint(path, specs), folder.path);
    Deno.writeFileSync(path, textBytes("weights"));
    await told(t, "something else", () => readCheckpoint(path, specs), folder.path);
  },
);

Deno.test("what is told of scans", async (t) => {
  const scan = (name: string, content: string, file = "office.ply") =>
    told(t, name, () => readPointCloudBytes(textBytes(content), file));
  const ply = (...lines: string[]) =>
    ["ply", "format ascii 1.0", ...lines, "end_header", ""].join("\n");
  const axes = ["x", "y", "z"].map((axis) => `property float ${axis}`);
  await scan("an empty file", "");
  await scan("unknown content", "Dear reader,\n", "letter.dat");
  await scan("a PLY header of another type", ply("element vertex 1", "property real x"));
  await scan(
    "a PLY header without points",
    ply("element face 1", "property list uchar int vertex_indices"),
  );
  await scan("a PLY header that does not end", "ply\nformat ascii 1.0\n");
  await scan("a PLY body that is too short", ply("element vertex 2", ...axes) + "0 0 0\n");
  await scan("a word in place of a number", "1 2 3\n4 five 6\n", "office.xyz");
  await told(t, "a tree with a stranger", () => {
    const nested = { indices: [0, 1, 2, 7], center_idx: 0, level: 0, children: [] };
    return treeFromNested(nested, 3, "office.pkl");
  });
  await told(t, "points that are not finite", () => buildTree(Float32Array.of(0, NaN, 0)));
});
