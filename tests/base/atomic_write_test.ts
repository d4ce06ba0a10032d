import { assert, assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { writeFileAtomically } from "../../src/base/atomic_write.ts";
import { DataError } from "../../src/base/errors.ts";
import { missingPermissions } from "../support/permissions.ts";
import { tempFolder } from "../support/temp_folder.ts";

const ignore = missingPermissions("read", "write") || Deno.build.os !== "linux";

Deno.test("a device is written to, and is still one", { ignore }, async () => {
  await using folder = await tempFolder();
  // By a link: a mistake here must not cost this machine its /dev/null.
  const sink = join(folder.path, "null"), full = join(folder.path, "full");
  await Deno.symlink("/dev/null", sink);
  await Deno.symlink("/dev/full", full);
  await writeFileAtomically(sink, new Uint8Array(5));
  assert((await Deno.stat(sink)).isCharDevice);
  await assertRejects(() => writeFileAtomically(full, new Uint8Array(5)), DataError, "No space");
  assert((await Deno.stat(full)).isCharDevice);
  assertEquals([...Deno.readDirSync(folder.path)].length, 2);
});
