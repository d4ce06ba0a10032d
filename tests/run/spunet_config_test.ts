import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { UsageError } from "../../src/base/errors.ts";
import { TrainingConfig } from "../../src/run/config.ts";
import { yamlTest } from "../support/permissions.ts";

/** The lines after the first of the error that `text` gives. */
function problemsOf(text: string): string[] {
  const { message } = assertThrows(
    () => TrainingConfig.fromYaml(text, { file: "my.yaml" }),
    UsageError,
  );
  return message.split("\n").slice(1).map((line: string) => line.trim());
}

yamlTest(
  "sizes of the sparse U-Net: what is left out has its default, each mistake its place",
  () => {
    const full = TrainingConfig.defaults().spunet;
    const set = TrainingConfig.fromYaml("backbone: spunet\nspunet: {voxel_size: 0.1}\n");
    assertEquals(set.spunet, { ...full, voxel_size: 0.1 });
    assertEquals(TrainingConfig.fromYaml(set.toYaml()).spunet, set.spunet);
    const small = TrainingConfig.fromYaml(
      "small_mode: true\nspunet: {layers: [2, 2, 2, 2, 2, 2, 2, 2]}",
    );
    assertEquals([small.spunet.base_channels, small.spunet.layers[3]], [16, 2]);
    const text = `
spunet:
  voxel_size: 0
  channels: [16, 32, 64]
  layer: [1]
  base_channels: 1.5
`;
    assertEquals(problemsOf(text), [
      "my.yaml:3:15: spunet.voxel_size: expected metres, a number above 0, got 0",
      "my.yaml:4:13: spunet.channels: expected a list of integers from 1 to 16384, as many down as up, got [16,32,64]",
      "my.yaml:5:10: spunet.layer: unknown key of spunet; allowed: voxel_size, base_channels, channels, layers",
      "my.yaml:6:18: spunet.base_channels: expected an integer from 1 to 16384, got 1.5",
    ]);
    assertStringIncludes(problemsOf("spunet: 3")[0], "my.yaml:1:9: spunet: expected a mapping");
    const together = problemsOf(
      "backbone: spunet\nhidden_dim: 64\npropagator_coords: parent\nspunet: {layers: [1, 1]}",
    );
    for (
      const message of [
        "hidden_dim: backbone spunet expects it to be output_dim, 96; found 64",
        "spunet: expected as many layers as channels, 8; found 2",
        "propagator_coords: backbone spunet knows plain alone; found parent",
      ]
    ) assert(together.some((line) => line.includes(message)), `${message}\n${together.join("\n")}`);
  },
);
