import { assertEquals } from "@std/assert";
import { join } from "@std/path";
import { logFolderOf } from "../../src/cli/train/resume.ts";
import { missingPermissions } from "../support/permissions.ts";
import { tempFolder } from "../support/temp_folder.ts";
import { tinyConfig } from "../support/tiny_config.ts";

const ignore = missingPermissions("read", "write", "env");

Deno.test("a log goes on for a checkpoint of its run, wherever that could be saved", {
  ignore,
}, async () => {
  await using folder = await tempFolder();
  const logs = join(folder.path, "logs"), run = join(logs, "run");
  const checkpoints = join(folder.path, "checkpoints");
  await Deno.mkdir(run, { recursive: true });
  await Deno.writeTextFile(
    join(run, "config.yaml"),
    tinyConfig({ checkpoint_dir: checkpoints }).toYaml(),
  );
  const of = (checkpoint: string, named: string | null = run) =>
    logFolderOf(checkpoint, named, logs);
  assertEquals(await of(join(checkpoints, "last.safetensors")), run);
  assertEquals(await of(join(run, "last.safetensors")), run); // checkpoint_dir took none
  assertEquals(await of(join(folder.path, "download", "last.safetensors")), null);
  assertEquals(await of(join(logs, "last.safetensors")), null);
  assertEquals(await of(join(checkpoints, "last.safetensors"), join(folder.path, "run")), null);
  assertEquals(await of(join(checkpoints, "last.safetensors"), null), null);
});
