import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import type { Dataset } from "../../src/scenes/scene.ts";
import { DataError, UsageError } from "../../src/base/errors.ts";
import type { FitOptions } from "../../src/training/hooks.ts";
import type { Rescue } from "../../src/training/reports.ts";
import { noDevice } from "../support/device.ts";
import { missingPermissions } from "../support/permissions.ts";
import { tempFolder } from "../support/temp_folder.ts";
import { tinyRooms, tinyTrainer, weights } from "../support/training.ts";

const ignore = noDevice || missingPermissions("read", "write");

function filesIn(folder: string): string[] {
  return [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
}

/** Throws `error` from the second call on. */
function failing<T extends unknown[]>(error: Error): (...args: T) => void {
  let calls = 0;
  return () => {
    if (++calls >= 2) throw error;
  };
}

/** Three epochs of three steps, two validation batches each. */
const VALUES = { num_epochs: 3, eval_interval: 1, save_interval: 2 } as const;

/** What ends a run in its second epoch: what a trainer and its `fit` are given for it. */
const ENDS: Readonly<
  Record<string, () => { options?: FitOptions; validation?: Dataset; error: string }>
> = {
  "onStep throws": () => ({
    options: {
      onStep: ({ step }) => {
        if (step === 4) throw new DataError("Cannot write metrics.jsonl: No space left on device");
      },
    },
    error: "No space left",
  }),
  "onEpoch throws": () => ({
    options: { onEpoch: failing(new Error("a hook's own error")) },
    error: "a hook's own error",
  }),
  "a validation scene is gone": () => {
    const rooms = tinyRooms(3, 100);
    let reads = 0;
    return {
      validation: {
        length: 3,
        get: (index) =>
          ++reads > 3 ? Promise.reject(new DataError("Cannot read val 1")) : rooms.get(index),
      },
      error: "Cannot read val 1",
    };
  },
};

for (const [name, make] of Object.entries(ENDS)) {
  Deno.test(`${name}: nothing is lost, the run that goes on ends as if it had not`, {
    ignore,
  }, async () => {
    await using folder = await tempFolder();
    const values = { ...VALUES, checkpoint_dir: folder.path };
    const { options = {}, validation, error } = make();
    const rescues: Rescue[] = [];
    let steps = 0;
    {
      using trainer = await tinyTrainer(values, validation ? { validation } : {});
      await assertRejects(
        () => trainer.fit({ ...options, onSaved: (rescue) => rescues.push(rescue) }),
        Error,
        error,
      );
      steps = trainer.step;
      assert(steps >= 5, String(steps));
    }
    const last = join(folder.path, "last.safetensors");
    assertEquals(rescues, [{ path: last }]);
    using resumed = await tinyTrainer(values);
    await resumed.loadCheckpoint(last);
    assertEquals(resumed.step, steps);
    const { epochs } = await resumed.fit();
    using straight = await tinyTrainer({ ...values, checkpoint_dir: join(folder.path, "whole") });
    const whole = await straight.fit();
    assertEquals(await weights(resumed), await weights(straight));
    assertEquals(epochs, whole.epochs.slice(-epochs.length));
    assertEquals(
      filesIn(folder.path).filter((file) => file !== "whole"),
      filesIn(join(folder.path, "whole")),
    );
  });
}

Deno.test("checkpoint_dir is removed under a run: it is made again for the last save", {
  ignore,
}, async () => {
  await using folder = await tempFolder();
  const checkpoints = join(folder.path, "checkpoints");
  const values = { ...VALUES, checkpoint_dir: checkpoints };
  using trainer = await tinyTrainer(values);
  const rescues: Rescue[] = [];
  // It was there when the run began: exit code 1, for nobody asked for it wrongly.
  await assertRejects(
    () =>
      trainer.fit({
        onStep: ({ step }) => {
          if (step === 4) Deno.removeSync(checkpoints, { recursive: true });
        },
        onSaved: (rescue) => rescues.push(rescue),
      }),
    DataError,
    "does not exist",
  );
  assertEquals(rescues, [{ path: join(checkpoints, "last.safetensors") }]);
  using resumed = await tinyTrainer(values);
  await resumed.loadCheckpoint(join(checkpoints, "last.safetensors"));
  assertEquals([resumed.epoch, resumed.step], [2, 6]);
  await resumed.fit();
});

Deno.test("where checkpoint_dir takes nothing, the run's own folder does", { ignore }, async () => {
  await using folder = await tempFolder();
  const checkpoints = join(folder.path, "checkpoints"), logs = join(folder.path, "run");
  Deno.mkdirSync(logs);
  using trainer = await tinyTrainer({ ...VALUES, checkpoint_dir: checkpoints });
  trainer.runDirectory = logs;
  const rescues: Rescue[] = [];
  await assertRejects(() =>
    trainer.fit({
      onStep: ({ step }) => {
        if (step !== 4) return;
        Deno.removeSync(checkpoints, { recursive: true });
        Deno.writeTextFileSync(checkpoints, "a file in the way");
      },
      onSaved: (rescue) => rescues.push(rescue),
    })
  );
  assertEquals(rescues, [{ path: join(logs, "last.safetensors") }]);
  using resumed = await tinyTrainer(VALUES);
  await resumed.loadCheckpoint(join(logs, "last.safetensors"));
});

Deno.test("that checkpoint_dir cannot be written is found out before the first step", {
  ignore,
}, async () => {
  await using folder = await tempFolder();
  const file = join(folder.path, "file");
  Deno.writeTextFileSync(file, "");
  using trainer = await tinyTrainer({ checkpoint_dir: join(file, "under") });
  await assertRejects(
    () => trainer.fit(),
    UsageError,
    `Cannot write checkpoints into ${file}/under`,
  );
  assertEquals(trainer.step, 0);
});

Deno.test("two runs do not write into one checkpoint_dir", { ignore }, async () => {
  await using folder = await tempFolder();
  const values = { ...VALUES, checkpoint_dir: folder.path };
  using first = await tinyTrainer(values);
  using second = await tinyTrainer(values);
  let refused: Error | null = null;
  await first.fit({
    onStep: async ({ step }) => {
      if (step === 0) refused = await second.fit().then(() => null, (error) => error);
    },
  });
  assert((refused as unknown) instanceof UsageError, String(refused));
  assertStringIncludes(
    (refused as unknown as Error).message,
    `another run (process ${Deno.pid}) writes there`,
  );
  assertEquals(second.step, 0);
  assert(!filesIn(folder.path).some((name) => name.includes("lock")));
  await second.fit(); // one after the other they may
});

Deno.test("what killed runs have left is cleared away, and nothing else", { ignore }, async () => {
  await using folder = await tempFolder();
  const names = [".last.safetensors.0123abcd.tmp", ".notes.0123abcd.tmp", "mine.tmp", ".x.tmp"];
  for (const name of names) Deno.writeTextFileSync(join(folder.path, name), "");
  using trainer = await tinyTrainer({ ...VALUES, num_epochs: 1, checkpoint_dir: folder.path });
  await trainer.fit();
  assertEquals(filesIn(folder.path), [
    ".notes.0123abcd.tmp",
    ".x.tmp",
    "best.safetensors",
    "final.safetensors",
    "last.safetensors",
    "mine.tmp",
  ]);
});

Deno.test("a validation loss that is not a number writes nothing over what is good", {
  ignore,
}, async () => {
  await using folder = await tempFolder();
  const rooms = tinyRooms(3, 100);
  let reads = 0;
  const validation: Dataset = {
    length: 3,
    get: async (index) => {
      const scene = await rooms.get(index);
      if (++reads > 3) scene.feats.fill(NaN);
      return scene;
    },
  };
  using trainer = await tinyTrainer({ ...VALUES, checkpoint_dir: folder.path }, { validation });
  const error = await assertRejects(() => trainer.fit(), DataError);
  assertStringIncludes(error.message, "the validation loss after epoch 2 is NaN");
  using again = await tinyTrainer(VALUES);
  for (const name of filesIn(folder.path)) {
    await again.loadCheckpoint(join(folder.path, name));
    assertEquals(again.epoch, 1);
  }
});

Deno.test("killed between any two saves of the last epoch, a run can be completed", {
  ignore,
}, async () => {
  await using folder = await tempFolder();
  const whole = join(folder.path, "whole");
  using straight = await tinyTrainer({ ...VALUES, num_epochs: 2, checkpoint_dir: whole });
  await straight.fit();
  const written = filesIn(whole);
  assertEquals(written.length, 4);
  // The order of the saves: `last` first, so that everything after it can be told from it.
  for (let saves = 1; saves <= 4; saves++) {
    const dir = join(folder.path, `killed ${saves}`);
    const values = { ...VALUES, num_epochs: 2, checkpoint_dir: dir };
    {
      using killed = await tinyTrainer(values);
      const save = killed.saveCheckpoint.bind(killed);
      let done = 0;
      killed.saveCheckpoint = async (path) => {
        if (killed.epoch === 2 && ++done > saves) throw new Error("killed");
        await save(path);
      };
      await killed.fit().catch(() => {});
    }
    using resumed = await tinyTrainer(values);
    await resumed.loadCheckpoint(join(dir, "last.safetensors"));
    assertEquals(resumed.epoch, 2);
    await resumed.fit();
    assertEquals(filesIn(dir), written);
    using check = await tinyTrainer(values);
    for (const name of written) {
      await check.loadCheckpoint(join(dir, name));
      const all = await weights(check);
      await check.loadCheckpoint(join(whole, name));
      assertEquals(all, await weights(check), name);
    }
  }
});

Deno.test("a trainer that cannot be made gives back its workers", {
  ignore: ignore || missingPermissions("run"),
}, async () => {
  // In a process of its own: a worker that is left keeps it from ending.
  const script = `
    import { Trainer, TrainingConfig } from ${JSON.stringify(import.meta.resolve("../../mod.ts"))};
    const config = TrainingConfig.fromObject({
      small_mode: true, num_workers: 2, hidden_dim: 16384, output_dim: 16384,
    });
    await Trainer.create(config).then(() => console.log("made"), (error) => console.log(error.message));
  `;
  await using folder = await tempFolder();
  const file = join(folder.path, "fails.ts");
  Deno.writeTextFileSync(file, script);
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "-A",
      "--no-check",
      "--config",
      new URL("../../deno.json", import.meta.url).pathname,
      file,
    ],
    signal: AbortSignal.timeout(120_000),
  }).output();
  const text = new TextDecoder().decode(stdout);
  assertEquals(code, 0, text + new TextDecoder().decode(stderr));
  assertStringIncludes(text, "hidden_dim");
});
