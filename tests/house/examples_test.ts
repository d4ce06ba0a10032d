import { assertEquals, assertLess, assertMatch } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { noDevice } from "../support/device.ts";
import { missingPermissions } from "../support/permissions.ts";
import { tempFolder } from "../support/temp_folder.ts";

const ROOT = fromFileUrl(new URL("../..", import.meta.url));
const ignore = noDevice || missingPermissions("run", "read", "write", "env");

/** What each example prints last. */
const LAST_LINES: Readonly<Record<string, RegExp>> = {
  "own_augmentation.ts": /^loss \d\.\d+ → \d\.\d+$/,
  "own_backbone.ts": /^resumed, loss \d\.\d+, 38400 numbers of a scene$/,
  "own_data.ts": /^loss \d\.\d+ → \d\.\d+$/,
  "own_loop.ts": /^3 \d\.\d+$/,
  "own_loss.ts": /^a scene in 64 numbers$/,
};

Deno.test("every example runs as it stands, on a screen's worth of lines", { ignore }, async () => {
  const folder = join(ROOT, "examples");
  const names = [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
  assertEquals(names, Object.keys(LAST_LINES));
  await using place = await tempFolder();
  await Promise.all(names.map(async (name) => {
    const lines = Deno.readTextFileSync(join(folder, name)).split("\n").length - 1;
    assertLess(lines, 60, name);
    const cwd = join(place.path, name); // checkpoints are written into it
    Deno.mkdirSync(cwd);
    const { code: exit, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "-A",
        "--quiet",
        "--config",
        join(ROOT, "deno.json"),
        join(folder, name),
      ],
      cwd,
      env: { NO_COLOR: "1" },
    }).output();
    const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
    assertEquals([exit, err], [0, ""], name);
    const losses = /loss (\d\S+) → (\S+)/.exec(out);
    if (losses) assertLess(Number(losses[2]), Number(losses[1]), name);
    assertMatch(out.trimEnd().split("\n").at(-1)!, LAST_LINES[name]);
  }));
});
