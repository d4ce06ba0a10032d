import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import * as dbbd from "../../mod.ts";
import { missingPermissions } from "../support/permissions.ts";
import { tempFolder } from "../support/temp_folder.ts";

const ROOT = fromFileUrl(new URL("../..", import.meta.url));

/** The TypeScript examples of a Markdown text. */
function examples(markdown: string): string[] {
  return [...markdown.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code]) => code);
}

Deno.test("the library's names are there", () => {
  const names = Object.keys(dbbd);
  for (
    const name of [
      "Trainer",
      "TrainingConfig",
      "CONFIG_KEYS",
      "Device",
      "Tensor",
      "Model",
      "AdamW",
      "SyntheticDataset",
      "ScenesDataset",
      "readPointCloud",
      "verifyGolden",
      "UsageError",
      "DataError",
      "DeviceError",
      "NoDeviceError",
    ]
  ) assert(names.includes(name), name);
  assert(Object.values(dbbd).every((value) => value !== undefined));
});

Deno.test("the examples of README.md and mod.ts run as they stand", {
  ignore: missingPermissions("run", "read", "write", "env"),
}, async () => {
  const readme = Deno.readTextFileSync(join(ROOT, "README.md"));
  const module = Deno.readTextFileSync(join(ROOT, "mod.ts")).replaceAll(/^ \* ?/gm, "");
  const all = [...examples(readme), ...examples(module)];
  assertEquals(all.length, 4);
  await using folder = await tempFolder();
  const outputs = await Promise.all(all.map(async (code, i) => {
    const path = join(folder.path, `example_${i}.ts`);
    Deno.writeTextFileSync(path, code);
    const cwd = join(folder.path, String(i)); // checkpoints are written into it
    Deno.mkdirSync(cwd);
    // One that reads a reader's own files is checked, not run.
    const command = code.includes("Checkpoint(") ? ["check"] : ["run", "-A", "--check"];
    const { code: exit, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [...command, "--quiet", "--config", join(ROOT, "deno.json"), path],
      cwd,
      env: { NO_COLOR: "1" },
    }).output();
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    assertEquals([exit, text(stderr)], [0, ""], code);
    return text(stdout);
  }));
  // Cross-entropy of [[0.7, 0], [0.7, 1]] by rows, computed by hand.
  const loss = outputs.find((text) => /^[\d.]+ Float32Array/.test(text))!;
  const s = Math.SQRT1_2;
  const expected = (Math.log(1 + Math.exp(-s)) + Math.log(1 + Math.exp(s - 1))) / 2;
  assert(Math.abs(parseFloat(loss) - expected) < 1e-5, `${loss}, expected ${expected}`);
});

/** Files of a folder and those below that hold an example in a comment. */
function filesWithExamples(folder: string): string[] {
  return [...Deno.readDirSync(folder)].flatMap(({ name, isDirectory }) => {
    const path = join(folder, name);
    if (isDirectory) return filesWithExamples(path);
    return name.endsWith(".ts") && Deno.readTextFileSync(path).includes("* ```ts") ? [path] : [];
  });
}

Deno.test("the examples in comments run as they stand", {
  ignore: missingPermissions("run", "read", "write", "env"),
}, async () => {
  // One that reads a reader's own files is checked (`deno task check`), not run.
  const files = filesWithExamples(join(ROOT, "src"))
    .filter((path) => !Deno.readTextFileSync(path).includes('FromCheckpoint("'));
  await using folder = await tempFolder();
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["test", "--doc", "-A", "--no-check", "--config", join(ROOT, "deno.docs.jsonc")],
      ...files,
    ],
    cwd: folder.path,
    env: { NO_COLOR: "1" },
  }).output();
  const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  assertEquals(code, 0, out + err);
  assertStringIncludes(out, `${files.length} passed | 0 failed`);
});
