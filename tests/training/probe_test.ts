import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { join } from "@std/path";
import { DataError, UsageError } from "../../src/base/errors.ts";
import { openProbe } from "../../src/evaluation/probe.ts";
import { checkpointPath } from "../../src/run/checkpoint.ts";
import { TrainingConfig } from "../../src/run/config.ts";
import { configOfCheckpoint } from "../../src/cli/train/resume.ts";
import type { EpochSummary } from "../../src/training/reports.ts";
import { Trainer } from "../../src/training/trainer.ts";
import { deviceTest, testDevice } from "../support/device.ts";
import { writeShapes } from "../support/labelled_shapes.ts";
import { missingPermissions, yamlTest } from "../support/permissions.ts";
import { tempFolder } from "../support/temp_folder.ts";
import { tinyConfig, tinyRooms, tinyTrainer, weights } from "../support/training.ts";

const writes = !missingPermissions("read", "write");

yamlTest("a probe is a mapping, checked part by part, with data and every filled in", () => {
  assertEquals(TrainingConfig.defaults().probe, null);
  assertEquals(TrainingConfig.defaults().best_by, "loss");
  const config = TrainingConfig.fromYaml("probe:\n  protocol: knn\nbest_by: probe\n");
  assertEquals(config.probe, { data: null, protocol: "knn", every: 5 });
  assertEquals(TrainingConfig.fromYaml(config.toYaml()).toObject(), config.toObject());
  assertEquals(TrainingConfig.fromYaml("probe: null").probe, null);
  const flag = { key: "probe", text: "{protocol: points, every: 2}", where: "--set probe" };
  assertEquals(TrainingConfig.fromYaml("", { overrides: [flag] }).probe, {
    data: null,
    protocol: "points",
    every: 2,
  });
  const problem = (text: string) =>
    assertThrows(() => TrainingConfig.fromYaml(text, { file: "my.yaml" }), UsageError).message;
  assertStringIncludes(
    problem("probe: {protocol: lineer, every: 0}"),
    'my.yaml:1:19: probe.protocol: expected one of linear, svm, knn, points, got "lineer"',
  );
  assertStringIncludes(problem("probe: {protocol: knn, every: 0}"), "my.yaml:1:31: probe.every");
  assertStringIncludes(problem("probe: {protocol: knn, evry: 1}"), "unknown key of a probe");
  assertStringIncludes(problem("probe: {every: 1}"), "probe: expected a protocol");
  assertStringIncludes(problem("probe: linear"), "my.yaml:1:8: probe: expected a mapping");
  assertStringIncludes(problem("best_by: probe"), "my.yaml:1:10: best_by: probe needs a probe");
});

if (writes) {
  deviceTest(
    "a probe measures at its epochs and the last, and training stays the same to the bit",
    async () => {
      await using folder = await tempFolder();
      await writeShapes(folder.path, { counts: { train: 6, test: 2 } });
      const settings = { num_epochs: 3, checkpoint_dir: join(folder.path, "checkpoints") };
      const run = async (probe: TrainingConfig["probe"], best_by: "loss" | "probe") => {
        const epochs: EpochSummary[] = [];
        const config = tinyConfig({ ...settings, probe, best_by });
        const hooks = probe ? [await openProbe(config, probe)] : [];
        using trainer = await tinyTrainer({ ...settings, probe, best_by }, { hooks });
        await trainer.fit({ onEpoch: (summary) => void epochs.push(summary) });
        return { epochs, weights: await weights(trainer) };
      };
      const without = await run(null, "loss");
      const probe = { data: folder.path, protocol: "linear", every: 2 } as const;
      const probed = await run(probe, "probe");
      assertEquals(probed.weights, without.weights);
      assertEquals(
        probed.epochs.map(({ trainLoss }) => trainLoss),
        without.epochs.map(({ trainLoss }) => trainLoss),
      );
      assertEquals(probed.epochs.map((epoch) => epoch.probe !== null), [false, true, true]);
      const [, second, third] = probed.epochs;
      assertEquals(Object.keys(second.probe!.values), [
        "linear_accuracy",
        "linear_mean_class_accuracy",
      ]);
      assertEquals(second.probe!.score, second.probe!.values.linear_accuracy);
      // The best is the first epoch with a probe, then whichever is higher.
      assertEquals(probed.epochs.map(({ best }) => best), [
        false,
        true,
        third.probe!.score > second.probe!.score,
      ]);
      assertEquals((await run(probe, "loss")).epochs.map(({ probe }) => probe?.score), [
        undefined,
        second.probe!.score,
        third.probe!.score,
      ]);
    },
  );

  deviceTest("a resumed run keeps the best score of the probe", async () => {
    await using folder = await tempFolder();
    await writeShapes(folder.path, { counts: { train: 6, val: 3 }, sceneLabels: false });
    const probe = { data: folder.path, protocol: "points", every: 1 } as const;
    const config = tinyConfig({
      num_epochs: 4,
      probe,
      best_by: "probe",
      checkpoint_dir: folder.path,
    });
    const opened = await openProbe(config, probe);
    assertStringIncludes(opened.description, `tested on 9: val split of ${folder.path}`);
    const data = {
      device: await testDevice(),
      train: tinyRooms(),
      validation: tinyRooms(2, 100),
      hooks: [opened],
    };
    await assertRejects(
      () => Trainer.create(config, { ...data, hooks: [] }),
      UsageError,
      "the config has a probe, and no hook measures",
    );
    const whole: EpochSummary[] = [], parts: EpochSummary[] = [];
    {
      using trainer = await Trainer.create(config, data);
      await trainer.fit({ onEpoch: (summary) => void whole.push(summary) });
    }
    {
      using trainer = await Trainer.create(config, data);
      const stop = new AbortController();
      const onEpoch = (summary: EpochSummary) => {
        parts.push(summary);
        if (summary.epoch === 1) stop.abort();
      };
      await trainer.fit({ onEpoch, signal: stop.signal });
    }
    const last = checkpointPath(folder.path, "last");
    assertEquals((await configOfCheckpoint(last, [])).probe, probe);
    using trainer = await Trainer.create(config, data);
    await trainer.loadCheckpoint(last);
    await trainer.fit({ onEpoch: (summary) => void parts.push(summary) });
    assertEquals(parts, whole);
    assert(whole.every(({ probe }) => probe!.score > 0 && probe!.score <= 1));
  });

  deviceTest("a probe without labels or scenes is refused before training", async () => {
    await using folder = await tempFolder();
    await writeShapes(folder.path, { counts: { train: 3 }, sceneLabels: false });
    const open = (protocol: "linear" | "points", data = folder.path) =>
      openProbe(tinyConfig(), { data, protocol, every: 1 });
    await assertRejects(() => open("linear"), DataError, "has no label");
    await assertRejects(() => open("linear", join(folder.path, "nowhere")), UsageError);
    const { description } = await open("points");
    assertStringIncludes(description, "points every 1 epoch, learnt on 7 scenes, tested on 2");
  });
}
