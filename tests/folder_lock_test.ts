import { assertEquals, assertRejects } from "@std/assert";
import { lockFolder } from "../src/data/folder_lock.ts";
import { DataError } from "../src/errors.ts";
import { missingPermissions } from "./support/permissions.ts";
import { tempFolder } from "./support/temp_folder.ts";

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
