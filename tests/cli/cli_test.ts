import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { readSafetensors } from "../../src/base/safetensors.ts";
import { missingPermissions } from "../support/permissions.ts";
import { tempFolder } from "../support/temp_folder.ts";
import { TINY } from "../support/training.ts";

const ignore = missingPermissions("run", "read", "write", "env");
const ROOT = fromFileUrl(new URL("../..", import.meta.url));

interface Result {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

function command(script: string, args: readonly string[]): Deno.Command {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-check", "-A", join(ROOT, script), ...args],
    cwd: ROOT,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    env: { NO_COLOR: "1" },
  });
}

async function run(script: string, ...args: readonly string[]): Promise<Result> {
  const { code, stdout, stderr } = await command(script, args).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, out: text(stdout), err: text(stderr) };
}

/** A configuration file of a small training whose folders lie in `folder`, `lines` added. */
function configFile(folder: string, ...lines: readonly string[]): string {
  const values = {
    ...TINY,
    max_train_scenes: 4,
    max_val_scenes: 2,
    synthetic_points: 150,
    checkpoint_dir: join(folder, "checkpoints"),
    log_dir: join(folder, "runs"),
    run_name: "run",
    log_interval: 1,
  };
  const path = join(folder, "config.yaml");
  const text = Object.entries(values).map(([key, value]) => `${key}: ${JSON.stringify(value)}\n`);
  Deno.writeTextFileSync(path, text.join("") + lines.map((line) => `${line}\n`).join(""));
  return path;
}

function metrics(folder: string): Record<string, unknown>[] {
  const text = Deno.readTextFileSync(join(folder, "runs", "run", "metrics.jsonl"));
  return text.trimEnd().split("\n").map((line) => JSON.parse(line));
}

async function tensorsOf(path: string): Promise<Map<string, ArrayBufferView>> {
  const { tensors } = await readSafetensors(path);
  return new Map([...tensors].map(([name, { data }]) => [name, data]));
}

Deno.test("--help and --version print and do nothing else", { ignore }, async () => {
  const help = await run("train.ts", "--help");
  assertEquals([help.code, help.err], [0, ""]);
  assertStringIncludes(help.out, "deno task train --config FILE [flags]");
  assertStringIncludes(help.out, "learning_rate: 0.001");
  const version = await run("train.ts", "--version");
  assertEquals([version.code, version.err], [0, ""]);
  assertMatch(version.out, /^dbbd \d+\.\d+\.\d+\n$/);
});

Deno.test("several mistakes in a configuration give one list with lines and columns, exit 2", {
  ignore,
}, async () => {
  await using folder = await tempFolder();
  const path = join(folder.path, "bad.yaml");
  Deno.writeTextFileSync(
    path,
    "small_mode: maybe\nbatch_sise: 3\nlearning_rate: -1\n\nseed: 1.5\n",
  );
  const { code, out, err } = await run("train.ts", "--config", path, "--epochs", "none");
  assertEquals([code, out], [2, ""]);
  assertEquals(err.trimEnd().split("\n"), [
    `Cannot use this configuration: 5 problems`,
    `  ${path}:1:13: small_mode: expected true or false; found "maybe"`,
    `  ${path}:2:1: unknown key "batch_sise"; did you mean batch_size?`,
    `  ${path}:3:16: learning_rate: expected a number above 0; found -1`,
    `  ${path}:5:7: seed: expected an integer from 0 to 4294967295; found 1.5`,
    `  --epochs: num_epochs: expected an integer of at least 1; found "none"`,
  ]);
});

Deno.test("what is not there is one message, and nothing is made", { ignore }, async () => {
  await using folder = await tempFolder();
  const none = join(folder.path, "none");
  const config = configFile(folder.path);
  const file = join(folder.path, "file");
  Deno.writeTextFileSync(file, "in the way");
  const empty = join(folder.path, "empty");
  Deno.mkdirSync(empty);
  const cases: [args: string[], code: number, message: string][] = [
    [["--config", none], 2, `Cannot read the configuration ${none}: there is no such file.`],
    [["--config", folder.path], 2, `Cannot read the configuration ${folder.path}: `],
    [
      ["--config", config, "--set", "dataset=scenes", "--data_root", none],
      2,
      `Cannot open data_root ${none}: there is no such folder`,
    ],
    [
      ["--config", config, "--set", "dataset=scenes", "--data_root", file],
      2,
      `Cannot open data_root ${file}`,
    ],
    [
      ["--config", config, "--set", `checkpoint_dir=${file}/under`],
      2,
      `Cannot write checkpoints into ${file}/under (checkpoint_dir): `,
    ],
    [["--config", config, "--set", `log_dir=${file}`], 2, `Cannot log to ${file} (log_dir)`],
    [["--config", config, "--resume", none], 2, none],
    [["--config", config, "--init-from", none], 2, none],
    // Each in a folder of its own: the others make theirs while this one looks for it.
    [
      ["--config", config, "--resume", "--set", `checkpoint_dir=${none}`],
      1,
      `Cannot resume: there is no checkpoint, for there is no folder ${none}.`,
    ],
    [
      ["--config", config, "--resume", "--set", `checkpoint_dir=${empty}`],
      1,
      `Cannot resume: there is no checkpoint (*.safetensors) in ${empty}.`,
    ],
    [["--config", config, "--epoch", "3"], 2, "unknown flag --epoch; did you mean --epochs?"],
  ];
  const results = await Promise.all(cases.map(([args]) => run("train.ts", ...args)));
  for (const [i, [args, code, message]] of cases.entries()) {
    assertStringIncludes(results[i].err, message, args.join(" "));
    assertEquals(results[i].code, code, args.join(" "));
    assert(!results[i].err.includes("    at "), `a stack trace: ${results[i].err}`);
  }
  const names = [...Deno.readDirSync(folder.path)].map(({ name }) => name).sort();
  assertEquals(names, ["checkpoints", "config.yaml", "empty", "file"]);
  assertEquals([...Deno.readDirSync(join(folder.path, "checkpoints"))], []);
});

Deno.test("a run writes logs and checkpoints; damaged ones are refused, whole ones go on", {
  ignore,
}, async () => {
  await using folder = await tempFolder();
  const config = configFile(
    folder.path,
    "eval_interval: 1",
    "use_amp: true",
    "use_gradient_checkpoint: false",
  );
  const first = await run("train.ts", "--config", config);
  assertEquals([first.code, first.err], [0, ""]);
  const lines = first.out.trimEnd().split("\n");
  assertMatch(lines[0], /^Device: .+ \((GPU|software device)\)$/);
  assertMatch(first.out, /^use_amp: computing in float32/m);
  assertMatch(first.out, /^use_gradient_checkpoint: false has no effect: the fused kernels/m);
  assertMatch(
    first.out,
    /^Data: 4 training scenes, 2 for validation\. Model: [\d,]+ parameters\.$/m,
  );
  assertMatch(
    first.out,
    /^Epoch 2: loss [\d.]+, validation [\d.]+, alignment [\d.-]+, feat_std [\d.]+$/m,
  );
  assertMatch(first.out, /^Done: loss [\d.]+ → [\d.]+ in 4 steps, [\d.]+ steps\/s\.$/m);
  const final = join(folder.path, "checkpoints", "final.safetensors");
  assertStringIncludes(first.out, `Checkpoint: ${final}\n`);

  const logged = metrics(folder.path);
  const steps = logged.filter((line) => "total" in line);
  assertEquals(steps.map(({ step }) => step), [0, 1, 2, 3]);
  const names = ["alignment", "feat_norm", "feat_std", "learning_rate", "point"];
  for (const name of [...names, "points_per_second", "region", "region_level_0"]) {
    for (const line of steps) assertEquals(typeof line[name], "number", name);
  }
  const epochs = logged.filter((line) => "epoch" in line);
  assertEquals(epochs.map(({ epoch }) => epoch), [1, 2]);
  assertEquals(typeof epochs[1]["validation/total"], "number");
  const files = [...Deno.readDirSync(join(folder.path, "runs", "run"))].map(({ name }) => name);
  assert(files.includes("config.yaml") && files.some((name) => name.startsWith("events.out.")));

  // Going on without a configuration takes the checkpoint's.
  const second = await run("train.ts", "--resume", final, "--epochs", "3");
  assertEquals([second.code, second.err], [0, ""]);
  assertStringIncludes(second.out, `Resumed from ${final}: 2 epochs and 4 steps done.`);
  assertMatch(second.out, /in 2 steps/);
  assertEquals(metrics(folder.path).filter((line) => "total" in line).length, 6);

  const [done, other, weights, both, cut] = await Promise.all([
    run("train.ts", "--config", config, "--resume", "--epochs", "3"),
    run("train.ts", "--config", config, "--resume", final, "--set", "hidden_dim=14"),
    run("train.ts", "--config", config, "--init-from", final, "--set", "hidden_dim=14"),
    run("train.ts", "--config", config, "--init-from", final, "--resume", final),
    (() => {
      const path = join(folder.path, "cut.safetensors");
      Deno.writeFileSync(path, Deno.readFileSync(final).subarray(0, 5000));
      return run("train.ts", "--config", config, "--resume", path);
    })(),
  ]);
  assertEquals(done.code, 0);
  assertStringIncludes(done.out, "Nothing to do: 3 of 3 epochs are done.");
  assertEquals(other.code, 1);
  assertStringIncludes(
    other.err,
    "it is of another model.\n  hidden_dim: 12 in the checkpoint, 14",
  );
  assertEquals(weights.code, 1);
  assertStringIncludes(
    weights.err,
    "another shape: encoder.raw_projection.mlp.0.weight is [12, 3]",
  );
  assertEquals(both.code, 2);
  assertEquals(cut.code, 1);
  assertStringIncludes(cut.err, "cut.safetensors");

  const fresh = await run("train.ts", "--config", config, "--init-from", final, "--epochs", "1");
  assertEquals([fresh.code, fresh.err], [0, ""]);
  assertStringIncludes(fresh.out, `Weights from ${final}.`);
  assertMatch(fresh.out, /in 2 steps/);
});

Deno.test("Ctrl-C finishes the step, saves, says how to go on; the run ends as if uninterrupted", {
  ignore: ignore || Deno.build.os === "windows",
}, async () => {
  await using folder = await tempFolder();
  const config = configFile(folder.path, "num_epochs: 40", "eval_interval: 40");
  const text = Deno.readTextFileSync(config).replace("num_epochs: 2\n", "");
  Deno.writeTextFileSync(config, text);
  const child = command("train.ts", ["--config", config]).spawn();
  // Interrupted as soon as some steps are shown.
  let out = "";
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let sent = false;
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    out += part.value;
    if (!sent && /step 5\/80/.test(out)) {
      sent = true;
      child.kill("SIGINT");
    }
  }
  const err = await new Response(child.stderr).text();
  const { code } = await child.status;
  assertEquals([code, err], [130, ""]);
  const last = join(folder.path, "checkpoints", "last.safetensors");
  const [, step] = out.match(/Interrupted after step (\d+); everything is saved\. Go on with\n/)!;
  assertStringIncludes(out, `  deno task train --resume ${last}\n`);
  assert(Number(step) >= 5 && Number(step) < 80, step);

  // To the end of the epoch after the next, in one go and in two.
  const epochs = String(Math.floor(Number(step) / 2) + 2);
  const resumed = await run("train.ts", "--resume", last, "--epochs", epochs);
  assertEquals([resumed.code, resumed.err], [0, ""]);
  const final = join(folder.path, "checkpoints", "final.safetensors");
  const weights = await tensorsOf(final);
  const losses = metrics(folder.path).filter((line) => "total" in line).map(({ total }) => total);

  const whole = join(folder.path, "whole");
  Deno.mkdirSync(whole);
  const straight = await run(
    "train.ts",
    ...["--config", config, "--epochs", epochs],
    ...["--set", `checkpoint_dir=${whole}/checkpoints`, "--set", `log_dir=${whole}/runs`],
  );
  assertEquals([straight.code, straight.err], [0, ""]);
  assertEquals(await tensorsOf(join(whole, "checkpoints", "final.safetensors")), weights);
  const expected = metrics(whole).filter((line) => "total" in line).map(({ total }) => total);
  assertEquals(losses, expected);
});

Deno.test("verify --json prints one object for each file", { ignore }, async () => {
  await using folder = await tempFolder();
  const good = join(ROOT, "tests", "fixtures", "golden", "sampled_points.safetensors");
  const bad = join(folder.path, "bad.safetensors");
  Deno.writeTextFileSync(bad, "no safetensors");
  const { code, out } = await run("tools/verify.ts", "--json", good, bad);
  assertEquals(code, 1);
  const [first, second] = out.trimEnd().split("\n").map((line) => JSON.parse(line));
  assertEquals([first.file, first.ok], [good, true]);
  assertMatch(first.device, /\((GPU|software device)\)$/);
  for (const kind of ["outputs", "losses", "gradients", "history", "params_after"]) {
    assert(first[kind] >= 0 && first[kind] < 2e-3, kind);
  }
  assertEquals([second.file, second.ok], [bad, false]);
  assertStringIncludes(second.error, bad);

  const plain = await run("tools/verify.ts", good);
  assertEquals(plain.code, 0);
  assertMatch(plain.out, /^sampled_points\.safetensors .+ ok$/m);
  const wrong = await run("tools/verify.ts", "--jsn");
  assertEquals(wrong.code, 2);
  assertStringIncludes(wrong.err, "Unknown flag --jsn");
});
