import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { COMMANDS } from "../../src/cli/commands.ts";
import { missingPermissions } from "../support/permissions.ts";

const ROOT = fromFileUrl(new URL("../..", import.meta.url));
const tasks: Record<string, { description: string; command: string }> = JSON.parse(
  Deno.readTextFileSync(join(ROOT, "deno.json")),
).tasks;

/** Runs a task's script as the task does. */
async function run(name: string, ...args: string[]) {
  const [program, ...rest] = tasks[name].command.split(" ");
  assertEquals(program, "deno");
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [rest[0], "--no-check", ...rest.slice(1), ...args],
    cwd: ROOT,
    stdin: "null",
    env: { NO_COLOR: "1" },
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, out: text(stdout), err: text(stderr) };
}

for (const [name, { summary }] of Object.entries(COMMANDS)) {
  Deno.test(`${name} has its task, its help, and knows which flags are its own`, {
    ignore: missingPermissions("run", "read", "write", "env"),
  }, async () => {
    assertEquals(tasks[name].description, summary);
    const [help, short, wrong] = await Promise.all([
      run(name, "--help"),
      run(name, "-h"),
      run(name, "--nonsense"),
    ]);
    assertEquals([help.code, help.err], [0, ""]);
    assertStringIncludes(help.out, `deno task ${name} `);
    assertStringIncludes(help.out, "  --help ");
    assertEquals(short, help);
    assertEquals([wrong.code, wrong.out], [2, ""]);
    assert(/unknown flag --nonsense; /i.test(wrong.err), wrong.err);
  });
}
