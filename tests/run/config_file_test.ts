import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { join } from "@std/path";
import { UsageError } from "../../src/base/errors.ts";
import { TrainingConfig } from "../../src/run/config.ts";
import { readConfigFile } from "../../src/run/config_file.ts";
import { missingPermissions } from "../support/permissions.ts";
import { tempFolder } from "../support/temp_folder.ts";

const ignore = missingPermissions("read", "write", "env");

Deno.test(
  "texts that are no settings are refused at once, in a message one can read",
  { ignore },
  () => {
    const texts: [text: string, message: string][] = [
      ["{".repeat(400), "f.yaml:1:2: expected a key that is plain text, found a mapping"],
      [`seed: ${"{".repeat(400)}`, "expected keys that are plain text"],
      ["? ".repeat(400), "expected a key that is plain text, found a mapping"],
      [`augmentation: ${"[".repeat(400)}`, "nested too deeply"],
      ["augmentation: &a [*a]", "f.yaml:1:18: *a refers to the value that it stands in"],
      ["probe: &a {data: *a}", "*a refers to the value that it stands in"],
      ["&a\nseed: 1\naugmentation: *a", "f.yaml:3:15: *a refers to the value that it stands in"],
      ["seed: &a [*a]\naugmentation: *a", "f.yaml:2:15: *a refers to the value that it stands in"],
      ["probe: {data: x, data: y}", "this key stands in the file twice"],
      ["seed: 1\nseed: 2", "f.yaml:2:1: this key stands in the file twice; keep one"],
      [Array.from({ length: 9000 }, (_, i) => `k${i}: 1`).join("\n"), "… and 8850 more"],
      [`seed: ${"y".repeat(90_000)}`, "seed: expected an integer"],
      [`seed: ${"y".repeat(200_000)}`, "found something else (too long or binary)"],
      [`seed: ${"*a ".repeat(250_000)}`, "found something else (too long or binary)"],
      [`a: &a 1\nb: [${"*a, ".repeat(20_000)}*b]`, "f.yaml:2:4: Unresolved alias"],
      [
        `a: ${"{a: ".repeat(20_000)}\nb: &b [${"1, ".repeat(99)}]\nc: &c [${"*b, ".repeat(99)}]`,
        "not YAML",
      ],
      [
        `b: &b [${"1, ".repeat(99)}]\nc: &c [${"*b, ".repeat(99)}]\nd: [${"*c, ".repeat(99)}]`,
        "f.yaml:3:4: aliases of aliases",
      ],
    ];
    for (const [text, message] of texts) {
      const error = assertThrows(
        () => TrainingConfig.fromYaml(text, { file: "f.yaml" }),
        UsageError,
      );
      assertStringIncludes(error.message, message);
      assert(error.message.length < 200_000, `${message}: ${error.message.length} characters`);
    }
  },
);

Deno.test("a file that is no text of settings is refused with what it is", { ignore }, async () => {
  await using folder = await tempFolder();
  const path = join(folder.path, "config.yaml");
  const refused = async (bytes: Uint8Array): Promise<string> => {
    Deno.writeFileSync(path, bytes);
    return (await assertRejects(() => readConfigFile(path), UsageError)).message;
  };
  // Latin-1: café in the second line.
  const latin = Uint8Array.from("seed: 1\nrun_name: caf\u00e9\n", (char) => char.charCodeAt(0));
  assertStringIncludes(await refused(latin), "expected UTF-8 text, found the byte 0xe9 in line 2");
  assertStringIncludes(await refused(new Uint8Array(5_000_000)), "found 5000000 bytes");
  await assertRejects(
    () => readConfigFile(folder.path),
    UsageError,
    "expected a file, found a folder",
  );
  await assertRejects(() => readConfigFile(path + "x"), UsageError, "there is no such file");
  if (Deno.build.os !== "windows") {
    const loop = join(folder.path, "loop");
    Deno.symlinkSync(loop, loop);
    await assertRejects(() => readConfigFile(loop), UsageError, "Cannot read the configuration");
  }
  Deno.writeTextFileSync(path, "\ufeffrun_name: café\n");
  assertEquals((await readConfigFile(path)).run_name, "café");
});
