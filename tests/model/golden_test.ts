import { assert, assertEquals, assertRejects } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { readSafetensors, toFloat32, writeSafetensors } from "../../src/base/safetensors.ts";
import { DataError } from "../../src/base/errors.ts";
import { GOLDEN_BARS, verifyGolden } from "../../src/evaluation/golden.ts";
import { noDevice, testDevice } from "../support/device.ts";
import { missingPermissions } from "../support/permissions.ts";
import { tempFolder } from "../support/temp_folder.ts";

const ignore = noDevice || missingPermissions("read");
const ignoreWrite = ignore || missingPermissions("write");
const NAMES = [
  "full_max_ragged",
  "sampled_points",
  "small_max",
  "small_mean_attention",
  "spunet_deep",
  "spunet_projected",
  "spunet_small",
];

function shipped(name: string): string {
  return fromFileUrl(new URL(`../fixtures/golden/${name}.safetensors`, import.meta.url));
}

for (const name of NAMES) {
  Deno.test(`${name}: inside the bar of what PyTorch computed`, { ignore }, async () => {
    const report = await verifyGolden(await testDevice(), shipped(name));
    assertEquals(report.problems, []);
    assert(report.ok);
    for (const kind of ["outputs", "losses", "gradients", "history", "params_after"] as const) {
      assert(report[kind] <= GOLDEN_BARS[kind], `${kind} ${report[kind]}`);
    }
  });
}

Deno.test("the plain operations are inside the bar too", { ignore }, async () => {
  const { problems } = await verifyGolden(await testDevice(), shipped("sampled_points"), {
    fused: false,
  });
  assertEquals(problems, []);
});

/** A copy of a shipped file in which the values of one tensor are changed. */
async function falsified(
  folder: string,
  tensor: string,
  change: (value: number) => number,
): Promise<string> {
  const { tensors, metadata } = await readSafetensors(shipped("sampled_points"));
  const found = tensors.get(tensor)!;
  const path = join(folder, "falsified.safetensors");
  const data = toFloat32(found, tensor).map(change);
  const changed = new Map(tensors).set(tensor, { dtype: "F32", shape: found.shape, data });
  await writeSafetensors(path, changed, metadata);
  return path;
}

Deno.test("a file with one false tensor is reported, and the tensor named", {
  ignore: ignoreWrite,
}, async () => {
  await using folder = await tempFolder();
  const device = await testDevice();
  const cases: [tensor: string, factor: number, kind: keyof typeof GOLDEN_BARS][] = [
    ["grad/encoder.propagator.mlp.0.weight", 1.01, "gradients"],
    ["output/l2g.level_1", 1.001, "outputs"],
    ["loss/region_level_1", 1.001, "losses"],
    ["metric/feat_std", 0.999, "losses"],
    ["train/loss_history", 1.01, "history"],
    ["param_after/encoder.aggregator.pre_mlp.3.bias", 1.05, "params_after"],
  ];
  for (const [tensor, factor, kind] of cases) {
    const path = await falsified(folder.path, tensor, (value) => value * factor);
    const report = await verifyGolden(device, path, { maxRepeats: 2 });
    assert(!report.ok, tensor);
    assert(report.problems.some((problem) => problem.startsWith(`${tensor}: `)), tensor);
    assert(report[kind as "outputs"] > GOLDEN_BARS[kind], `${kind} ${report[kind as "outputs"]}`);
  }
});

Deno.test("NaN is never inside the bar", { ignore: ignoreWrite }, async () => {
  await using folder = await tempFolder();
  const path = await falsified(folder.path, "output/g2l.level_0", () => NaN);
  const report = await verifyGolden(await testDevice(), path);
  assert(!report.ok);
  assertEquals(report.outputs, Infinity);
});

Deno.test("what is no golden file is refused with what it lacks", {
  ignore: ignoreWrite,
}, async () => {
  await using folder = await tempFolder();
  const device = await testDevice();
  const path = join(folder.path, "other.safetensors");
  await writeSafetensors(path, new Map(), { format: "pt" });
  await assertRejects(() => verifyGolden(device, path), DataError, "no golden file");
  const { tensors, metadata } = await readSafetensors(shipped("sampled_points"));
  await writeSafetensors(path, tensors, { ...metadata, config: "{" });
  await assertRejects(() => verifyGolden(device, path), DataError, "its config is not JSON");
  const fewer = new Map(tensors);
  fewer.delete("param/encoder.propagator.mlp.0.weight");
  await writeSafetensors(path, fewer, metadata);
  await assertRejects(
    () => verifyGolden(device, path),
    DataError,
    "it holds no tensor param/encoder.propagator.mlp.0.weight",
  );
});
