import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { checkFolder, lockFolder } from "../../src/base/folder_lock.ts";
import { DataError, UsageError } from "../../src/base/errors.ts";
import { missingPermissions } from "../support/permissions.ts";
import { tempFolder } from "../support/temp_folder.ts";

const ignore = missingPermissions("read", "write");

Deno.test("a disk with no space for a lock is told, and keeps no lock", { ignore }, async () => {
  await using folder = await tempFolder();
  const { write } = Deno.FsFile.prototype;
  Deno.FsFile.prototype.write = () => Promise.reject(new Error("No space left on device"));
  try {
    await assertRejects(() => lockFolder(folder.path, "checkpoint_dir"), DataError, "No space");
  } finally {
    Deno.FsFile.prototype.write = write;
  }
  assertEquals([...Deno.readDirSync(folder.path)], []);
  (await lockFolder(folder.path, "checkpoint_dir")).close();
  assertEquals([...Deno.readDirSync(folder.path)], []);
});

Deno.test(
  "asking whether a folder is locked takes nothing from who has it",
  { ignore },
  async () => {
    await using folder = await tempFolder();
    const ask = () => checkFolder(folder.path, "checkpoint_dir");
    {
      using _ = await lockFolder(folder.path, "checkpoint_dir");
      const { message } = await assertRejects(ask, UsageError);
      assertStringIncludes(message, `another run (process ${Deno.pid}) writes there`);
    }
    await Promise.all(Array.from({ length: 10 }, ask));
    assertEquals([...Deno.readDirSync(folder.path)], []);
    const file = `${folder.path}/file`;
    await Deno.writeTextFile(file, "");
    await assertRejects(
      () => checkFolder(`${file}/under`, "checkpoint_dir"),
      UsageError,
      `Cannot write checkpoints into ${file}/under (checkpoint_dir)`,
    );
  },
);
