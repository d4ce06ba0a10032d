import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { readSafetensors, writeSafetensors } from "../../src/base/safetensors.ts";
import { missingPermissions } from "../support/permissions.ts";
import { tempFolder } from "../support/temp_folder.ts";
import { TINY } from "../support/training.ts";

const ignore = missingPermissions("run", "read", "write", "env") || Deno.build.os === "windows";
const ROOT = fromFileUrl(new URL("../..", import.meta.url));

/** A small training's settings in a file; its folders lie in `folder`. */
function configFile(folder: string, values: Readonly<Record<string, unknown>> = {}): string {
  const all = {
    ...TINY,
    max_train_scenes: 4,
    max_val_scenes: 2,
    synthetic_points: 150,
    checkpoint_dir: join(folder, "checkpoints"),
    log_dir: join(folder, "runs"),
    run_name: "run",
    log_interval: 1,
    ...values,
  };
  const path = join(folder, "config.yaml");
  const lines = Object.entries(all).map(([key, value]) => `${key}: ${JSON.stringify(value)}\n`);
  Deno.writeTextFileSync(path, lines.join(""));
  return path;
}

/** Runs a shell command in which `$TRAIN` is the training; stdout and stderr as text. */
function shell(line: string, args: readonly string[], cwd = ROOT): Deno.ChildProcess {
  const train = [Deno.execPath(), "run", "--no-check", "-A", join(ROOT, "train.ts"), ...args];
  return new Deno.Command("sh", {
    args: ["-c", line, "sh", ...train],
    cwd,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    env: { NO_COLOR: "1" },
  }).spawn();
}

async function ended(
  child: Deno.ChildProcess,
): Promise<{ code: number; out: string; err: string }> {
  const { code, stdout, stderr } = await child.output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, out: text(stdout), err: text(stderr) };
}

/** Sends a signal as soon as the child has shown some steps. */
async function signalled(child: Deno.ChildProcess, signal: Deno.Signal): Promise<number> {
  let out = "";
  let sent = false;
  for await (const part of child.stdout.pipeThrough(new TextDecoderStream())) {
    out += part;
    if (!sent && /step 3\//.test(out)) {
      sent = true;
      child.kill(signal);
    }
  }
  await child.stderr.cancel();
  return (await child.status).code;
}

Deno.test("an output that is full or gone ends no run", { ignore }, async () => {
  for (const redirect of [">/dev/full 2>/dev/full", ">&- 2>&-", "| head -n 1"]) {
    await using folder = await tempFolder();
    const config = configFile(folder.path);
    const { code } = await ended(shell(`"$@" ${redirect}`, ["--config", config]));
    assertEquals(code, 0, redirect);
    const names = [...Deno.readDirSync(join(folder.path, "checkpoints"))].map(({ name }) => name);
    assert(names.includes("final.safetensors"), `${redirect}: ${names}`);
  }
});

Deno.test("a terminal that is closed saves; under nohup the run goes on", { ignore }, async () => {
  await using folder = await tempFolder();
  const config = configFile(folder.path, { num_epochs: 60 });
  const last = join(folder.path, "checkpoints", "last.safetensors");
  const code = await signalled(shell('exec "$@"', ["--config", config]), "SIGHUP");
  assertEquals(code, 130);
  const { metadata } = await readSafetensors(last);
  assert(JSON.parse(metadata.counters).step >= 3);
  const deaf = shell(`trap '' HUP; exec "$@"`, ["--config", config, "--epochs", "4"]);
  assertEquals(await signalled(deaf, "SIGHUP"), 0);
});

Deno.test(
  "folders that a checkpoint names are not written to on its word",
  { ignore },
  async () => {
    await using folder = await tempFolder();
    const config = configFile(folder.path, { num_epochs: 1 });
    assertEquals((await ended(shell('"$@"', ["--config", config]))).code, 0);
    // Somebody's folder, with a log that looks like one of ours.
    const victim = join(folder.path, "victim");
    Deno.mkdirSync(victim);
    const precious = '{"step":0,"total":1}\n{"step":99,"total":2}\n';
    Deno.writeTextFileSync(join(victim, "metrics.jsonl"), precious);
    Deno.copyFileSync(
      join(folder.path, "runs", "run", "config.yaml"),
      join(victim, "config.yaml"),
    );
    const download = join(folder.path, "download");
    Deno.mkdirSync(download);
    const hostile = join(download, "last.safetensors");
    const { tensors, metadata } = await readSafetensors(
      join(folder.path, "checkpoints", "last.safetensors"),
    );
    await writeSafetensors(hostile, tensors, {
      ...metadata,
      run_directory: JSON.stringify(victim),
      config: JSON.stringify({
        ...JSON.parse(metadata.config),
        log_dir: folder.path,
        checkpoint_dir: join(folder.path, "elsewhere"),
      }),
    });
    const untouched = () => {
      assertEquals(Deno.readTextFileSync(join(victim, "metrics.jsonl")), precious);
      assertEquals([...Deno.readDirSync(victim)].length, 2);
    };
    // Without a configuration: checkpoints beside the one that was named, logs where --set says or
    // in the default.
    const cwd = join(folder.path, "cwd");
    Deno.mkdirSync(cwd);
    const alone = await ended(shell('"$@"', ["--resume", hostile, "--epochs", "2"], cwd));
    assertEquals([alone.code, alone.err], [0, ""]);
    untouched();
    assertStringIncludes(
      alone.out,
      "Logs go into runs: the folder that the checkpoint names is not",
    );
    assertEquals([...Deno.readDirSync(join(cwd, "runs"))].length, 1);
    assertEquals(Deno.readDirSync(folder.path).map(({ name }) => name).toArray().sort(), [
      "checkpoints",
      "config.yaml",
      "cwd",
      "download",
      "runs",
      "victim",
    ]);
    // With one, and with --set: the log goes there.
    for (const args of [["--config", config], ["--set", `log_dir=${folder.path}/logs`]]) {
      const { code } = await ended(
        shell('"$@"', ["--resume", hostile, "--epochs", "3", ...args], cwd),
      );
      assertEquals(code, 0);
      untouched();
    }
    assertEquals(
      Deno.readDirSync(join(folder.path, "runs")).map(({ name }) => name).toArray().sort(),
      ["run", "run-2"],
    );
    assertEquals([...Deno.readDirSync(join(folder.path, "logs"))].length, 1);
  },
);

Deno.test(
  "escape sequences of values and file names do not reach a terminal",
  { ignore },
  async () => {
    await using folder = await tempFolder();
    const evil = "\u001b]0;owned\u0007\u009b31m";
    const results = await Promise.all([
      ended(shell('"$@"', ["--config", join(folder.path, `${evil}.yaml`)])),
      ended(shell('"$@"', ["--set", `${evil}=1`])),
      ended(shell('"$@"', [evil])),
      (() => {
        const path = join(folder.path, "evil.yaml");
        Deno.writeTextFileSync(path, `"${"\\e]0;x\\a"}": 3\nrun_name: "a\\e[31m/b"\n`);
        return ended(shell('"$@"', ["--config", path]));
      })(),
    ]);
    for (const { code, out, err } of results) {
      assertEquals(code, 2, err);
      // deno-lint-ignore no-control-regex
      assert(!/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/.test(out + err), JSON.stringify(err));
    }
  },
);
