import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { join } from "@std/path";
import { DataError, UsageError } from "../../src/base/errors.ts";
import { TrainingConfig } from "../../src/run/config.ts";
import { RunLog } from "../../src/training/run_log.ts";

const ignore = !["read", "write"].every((name) =>
  Deno.permissions.querySync({ name } as Deno.PermissionDescriptor).state === "granted"
);

async function inFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await use(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const startTime = new Date(2025, 0, 31, 9, 5, 7);
const lines = (folder: string): unknown[] =>
  Deno.readTextFileSync(join(folder, "metrics.jsonl")).trimEnd().split("\n").map((line) =>
    JSON.parse(line)
  );
const names = (folder: string): string[] =>
  [...Deno.readDirSync(folder)].map((entry) => entry.name).sort();

Deno.test({
  name: "a run gets a folder named after its time, with its configuration and metrics",
  ignore,
  fn: () =>
    inFolder(async (folder) => {
      const logDir = join(folder, "deep", "runs");
      const config = TrainingConfig.fromObject({ log_dir: logDir, small_mode: true });
      const log = await RunLog.create({ config, startTime });
      const time = new Date("2025-01-31T12:00:00.250Z");
      log.log(1, { total: 5.25, "region level 0": -1e-9 }, time);
      log.log(3, { total: NaN, region: -Infinity, point: 0 }, time);
      log.close();
      assertEquals(log.directory, join(logDir, "2025-01-31_09-05-07"));
      assertEquals(lines(log.directory), [
        { step: 1, time: "2025-01-31T12:00:00.250Z", total: 5.25, "region level 0": -1e-9 },
        {
          step: 3,
          time: "2025-01-31T12:00:00.250Z",
          total: null,
          region: null,
          point: 0,
          non_finite: { total: "NaN", region: "-Infinity" },
        },
      ]);
      const yaml = await Deno.readTextFile(join(log.directory, "config.yaml"));
      assertEquals(TrainingConfig.fromYaml(yaml).toObject(), config.toObject());
      const [, events] = names(log.directory);
      assertEquals(names(log.directory), ["config.yaml", events, "metrics.jsonl"]);
      assert(events.startsWith("events.out.tfevents."));
      assert(Deno.statSync(join(log.directory, events)).size > 5 * 40);
    }),
});

Deno.test({
  name: "a name that is taken gets a number",
  ignore,
  fn: () =>
    inFolder(async (folder) => {
      const timed = TrainingConfig.fromObject({ log_dir: folder });
      const named = TrainingConfig.fromObject({ log_dir: folder, run_name: "mine" });
      for (const config of [timed, timed, timed, named, named]) {
        (await RunLog.create({ config, startTime })).close();
      }
      const time = "2025-01-31_09-05-07";
      assertEquals(names(folder), [time, `${time}-2`, `${time}-3`, "mine", "mine-2"]);
    }),
});

Deno.test({
  name: "a resumed run goes on in its folder as if it had never stopped",
  ignore,
  fn: () =>
    inFolder(async (folder) => {
      const config = TrainingConfig.fromObject({ log_dir: folder, run_name: "mine" });
      {
        using first = await RunLog.create({ config });
        for (const step of [1, 2, 3, 4]) first.log(step, { total: step });
      }
      const directory = join(folder, "mine");
      Deno.writeTextFileSync(join(directory, "metrics.jsonl"), '{"step":5,"to', { append: true });
      const longer = TrainingConfig.fromObject({ log_dir: folder, num_epochs: 300 });
      {
        using second = await RunLog.create({ config: longer, resume: { directory, firstStep: 3 } });
        assertEquals(second.directory, directory);
        second.log(3, { total: 30 });
      }
      assertEquals(
        lines(directory).map((line) => {
          const { step, total } = line as Record<string, number>;
          return [step, total];
        }),
        [[1, 1], [2, 2], [3, 30]],
      );
      assertEquals(names(directory).length, 4);
      const yaml = await Deno.readTextFile(join(directory, "config.yaml"));
      assertEquals(TrainingConfig.fromYaml(yaml).num_epochs, 300);
    }),
});

Deno.test({
  name: "a resumed run whose folder is gone gets a new one",
  ignore,
  fn: () =>
    inFolder(async (folder) => {
      const config = TrainingConfig.fromObject({ log_dir: folder, run_name: "mine" });
      const resume = { directory: join(folder, "gone"), firstStep: 9 };
      using log = await RunLog.create({ config, resume });
      assertEquals(log.directory, join(folder, "mine"));
    }),
});

Deno.test({
  name: "a log_dir that is a file, and names that the lines keep, are refused",
  ignore,
  fn: () =>
    inFolder(async (folder) => {
      const file = join(folder, "file");
      Deno.writeTextFileSync(file, "");
      for (const path of [file, join(file, "under")]) {
        const config = TrainingConfig.fromObject({ log_dir: path });
        await assertRejects(() => RunLog.create({ config }), UsageError, "Cannot log to");
      }
      const config = TrainingConfig.fromObject({ log_dir: folder });
      using log = await RunLog.create({ config });
      assertThrows(() => log.log(1, { step: 1 }), TypeError, "Cannot log a scalar called step");
    }),
});

Deno.test({
  name: "a disk that is full is told once, and closing the log says no more of it",
  ignore,
  fn: () =>
    inFolder(async (folder) => {
      const config = TrainingConfig.fromObject({ log_dir: folder, run_name: "run" });
      const { writeSync } = Deno.FsFile.prototype;
      try {
        const log = await RunLog.create({ config, startTime });
        Deno.FsFile.prototype.writeSync = () => {
          throw new Error("No space left on device");
        };
        assertThrows(
          () => {
            using open = log;
            open.log(0, { total: 5 });
          },
          DataError,
          "metrics.jsonl: No space left on device",
        );
      } finally {
        Deno.FsFile.prototype.writeSync = writeSync;
      }
    }),
});

Deno.test({
  name: "a run that goes on clears away what a kill has left of its log's files, and nothing else",
  ignore,
  fn: () =>
    inFolder(async (folder) => {
      const config = TrainingConfig.fromObject({ log_dir: folder, run_name: "run" });
      const { directory } = await RunLog.create({ config, startTime }).then((log) => {
        log.close();
        return log;
      });
      const left = ["metrics.jsonl", "config.yaml", "run.json", "notes.txt"];
      for (const name of left) {
        Deno.writeTextFileSync(join(directory, `.${name}.0123abcd.tmp`), "");
      }
      const resume = { directory, firstStep: 0 };
      (await RunLog.create({ config, startTime, resume })).close();
      assertEquals(names(directory).filter((name) => name.startsWith(".")), [
        ".notes.txt.0123abcd.tmp",
      ]);
    }),
});
