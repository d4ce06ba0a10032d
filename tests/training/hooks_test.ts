import { assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import type { Hook } from "../../src/training/hooks.ts";
import type { StepReport } from "../../src/training/reports.ts";
import { UsageError } from "../../src/base/errors.ts";
import { encoderFromCheckpoint } from "../../src/inference/encoder.ts";
import { Model } from "../../src/model/model.ts";
import type { Objective } from "../../src/model/objectives/objective.ts";
import { OBJECTIVES } from "../../src/model/objectives/table.ts";
import { BACKBONES } from "../../src/model/backbones/table.ts";
import { mlp } from "../../src/nn/network.ts";
import { readSafetensors } from "../../src/base/safetensors.ts";
import { mean, mul, scale, sub } from "../../src/tensor/mod.ts";
import { Trainer } from "../../src/training/trainer.ts";
import { noDevice, testDevice } from "../support/device.ts";
import { missingPermissions } from "../support/permissions.ts";
import { tempFolder } from "../support/temp_folder.ts";
import { TINY_SPUNET, tinyConfig, tinyRooms, tinyTrainer, weights } from "../support/training.ts";

const ignore = noDevice || missingPermissions("read", "write");

/** Writes down when it is called, and with what. */
function diary(name: string, lines: string[]): Hook {
  const write = (text: string) => void lines.push(`${name}: ${text}`);
  return {
    name,
    beforeRun: ({ epoch, step }) => write(`run ${epoch} ${step}`),
    beforeEpoch: ({ epoch, step }) => write(`epoch ${epoch} ${step}`),
    beforeStep: ({ step }) => write(`step ${step}`),
    afterStep: ({ step }) => write(`step ${step} done`),
    measure: (epoch) => (write(`measure ${epoch}`), null),
    afterEpoch: ({ epoch }) => write(`epoch ${epoch} done`),
    afterRun: ({ steps, interrupted }) => write(`run done, ${steps} steps, ${interrupted}`),
    onError: (error) => write(`${error}`),
  };
}

Deno.test("hooks are called before and after run, epoch and step, the trainer's first", {
  ignore,
}, async () => {
  const lines: string[] = [];
  using trainer = await tinyTrainer({ num_epochs: 2 }, { hooks: [diary("a", lines)] });
  await trainer.fit({ checkpoints: false, hooks: [diary("b", lines)] });
  const of = (name: string) =>
    lines.filter((line) => line.startsWith(name)).map((line) => line.slice(3));
  assertEquals(of("a"), of("b"));
  // Numbers of steps arrive late: what is sure is the order of each kind, and what epochs enclose.
  const kind = (pattern: RegExp) => of("a").filter((line) => pattern.test(line));
  assertEquals(kind(/^step \d+$/), [0, 1, 2, 3, 4, 5].map((step) => `step ${step}`));
  assertEquals(kind(/^step \d+ done$/), [0, 1, 2, 3, 4, 5].map((step) => `step ${step} done`));
  assertEquals(kind(/^(run|epoch|measure)/), [
    "run 0 0",
    "epoch 0 0",
    "measure 0",
    "epoch 0 done",
    "epoch 1 3",
    "measure 1",
    "epoch 1 done",
    "run done, 6 steps, false",
  ]);
  const [first, second] = lines.filter((line) => line.endsWith("epoch 0 done"));
  assertEquals([first[0], second[0]], ["a", "b"]);
});

Deno.test("a hook stops a run, which then goes on", { ignore }, async () => {
  await using folder = await tempFolder();
  const values = { num_epochs: 3, checkpoint_dir: folder.path };
  using straight = await tinyTrainer({ ...values, checkpoint_dir: `${folder.path}/straight` });
  await straight.fit();
  const stopAt: Hook = {
    name: "stop",
    beforeStep: ({ step }, training) => void (step === 4 && training.stop()),
  };
  using trainer = await tinyTrainer(values);
  const { interrupted, steps, checkpoint } = await trainer.fit({ hooks: [stopAt] });
  assertEquals([interrupted, steps], [true, 5]);
  using resumed = await tinyTrainer(values);
  await resumed.loadCheckpoint(checkpoint!);
  await resumed.fit();
  assertEquals(await weights(resumed), await weights(straight));
  // The wish ends with the run: the same trainer goes on, too.
  await trainer.fit();
  assertEquals(await weights(trainer), await weights(straight));
});

Deno.test("what a hook throws ends the run and is told to all hooks", { ignore }, async () => {
  const lines: string[] = [];
  const thrower: Hook = {
    name: "thrower",
    afterEpoch: () => {
      throw new UsageError("enough");
    },
  };
  using trainer = await tinyTrainer({}, { hooks: [thrower, diary("a", lines)] });
  await assertRejects(() => trainer.fit({ checkpoints: false }), UsageError, "enough");
  assertEquals(lines.at(-1), "a: UsageError: enough");
});

/** What both branches say of a region, after a head of the objective's own, made alike. */
const likeness: Objective<"difference"> = {
  name: "likeness",
  scalars: ["difference"],
  heads: ({ output_dim }) => ({
    mine: mlp("loss.mine", [{ name: "row", width: output_dim }], [7, 5], "gelu"),
  }),
  compute({ output: { g2l, l2g, project } }) {
    const [a, b] = project("mine", [g2l.regions[0], l2g.regions[0]]);
    const difference = mean(mul(sub(a, b), sub(a, b)));
    return { total: scale(difference, 2), scalars: { difference } };
  },
};

Deno.test("an objective of one's own has heads, checkpoints and names of its own", {
  ignore,
}, async () => {
  await using folder = await tempFolder();
  const values = { num_epochs: 2, checkpoint_dir: folder.path };
  const reports: StepReport[] = [];
  using trainer = await tinyTrainer(values, { objective: likeness });
  const { checkpoint } = await trainer.fit({ onStep: (report) => void reports.push(report) });
  for (const { loss, scalars } of reports) {
    assertEquals(Object.keys(scalars), ["difference"]);
    assertEquals(loss, Math.fround(2 * scalars.difference));
  }
  const { tensors } = await readSafetensors(checkpoint!);
  const own = [...tensors.keys()].filter((name) => name.startsWith("loss."));
  assertEquals(
    own.sort(),
    [0, 1, 3].flatMap((i) => [`loss.mine.${i}.bias`, `loss.mine.${i}.weight`]),
  );
  using resumed = await tinyTrainer(values, { objective: likeness });
  await resumed.loadCheckpoint(checkpoint!);
  assertEquals(await weights(resumed), await weights(trainer));
  using encoder = await encoderFromCheckpoint(checkpoint!, { device: await testDevice() });
  const { scene } = await encoder.embed(await tinyRooms().get(0));
  assertEquals(scene.mean.g2l.length, trainer.config.output_dim);
});

Deno.test("the plain path computes the same objective", { ignore }, async () => {
  const losses = await Promise.all(["on", "off"].map(async (fused) => {
    using trainer = await tinyTrainer({ fused: fused as "on" | "off" }, { objective: likeness });
    return (await trainer.trainStep(await trainer.nextBatch())).loss;
  }));
  assertEquals(Math.abs(losses[0] - losses[1]) < 1e-5 * losses[0], true, `${losses}`);
});

Deno.test("a head that is not there, and parameters under a wrong name, are refused", {
  ignore,
}, async () => {
  const asking: Objective = {
    ...likeness,
    compute: ({ output: { g2l, project } }) => ({
      total: mean(project("yours", [g2l.regions[0]])[0]),
      scalars: {},
    }),
  };
  using trainer = await tinyTrainer({}, { objective: asking });
  const batch = await trainer.nextBatch();
  await assertRejects(
    () => trainer.trainStep(batch),
    TypeError,
    "There is no head yours; the objective has mine.",
  );
  const heads = () => ({ mine: mlp("head", [{ name: "row", width: 16 }], [3], "relu") });
  await assertRejects(
    () => tinyTrainer({}, { objective: { ...likeness, heads } }),
    TypeError,
    "The objective likeness has a parameter head.0.weight: expected a name that begins with loss.",
  );
});

Deno.test("a model that is given is trained as it stands, and stays the caller's", {
  ignore,
}, async () => {
  const device = await testDevice();
  using model = new Model(device, tinyConfig());
  model.parameters.initialise(77);
  const before = await model.parameters.read();
  {
    using trainer = await Trainer.create(tinyConfig(), { model, train: tinyRooms() });
    assertEquals(await weights(trainer), before);
    await trainer.trainStep(await trainer.nextBatch());
  }
  const after = await model.parameters.read();
  const name = "encoder.raw_projection.mlp.0.weight";
  assertEquals(after.get(name)!.some((value, i) => value !== before.get(name)![i]), true);
});

Deno.test("every backbone and objective of the tables trains, and is known by its own name", {
  ignore,
}, async () => {
  for (const [name, backbone] of Object.entries(BACKBONES)) assertEquals(backbone.name, name);
  for (const [name, objective] of Object.entries(OBJECTIVES)) {
    assertEquals(objective.name, name);
    for (const backbone of Object.keys(BACKBONES)) {
      using trainer = await tinyTrainer({
        objective: name as keyof typeof OBJECTIVES,
        backbone: backbone as keyof typeof BACKBONES,
        ...TINY_SPUNET,
      });
      const { scalars, loss } = await trainer.trainStep(await trainer.nextBatch());
      for (const scalar of objective.scalars) assertEquals(Number.isFinite(scalars[scalar]), true);
      assertEquals(Number.isFinite(loss), true);
    }
  }
  const error = assertThrows(
    () => new Model({} as never, { ...tinyConfig(), backbone: "pointnext" }),
    UsageError,
  );
  assertStringIncludes(
    error.message,
    "backbone: expected one of pointnet, spunet; found pointnext",
  );
});
