/** A training of a second or two, for campaigns that kill it, and what it comes to when nobody does. */

import { join } from "@std/path";
import { readSafetensors } from "../../src/data/safetensors.ts";
import { TINY } from "../../tests/support/training.ts";
import { ended, start } from "./process.ts";

/** Seconds after which a run of one or two hangs. */
export const PATIENCE = 90;

/** The folders of a small run. */
export interface Places {
  /** Where `config.yaml` lies. */
  readonly folder: string;
  /** Default `checkpoints` in it. */
  readonly checkpoints?: string;
  /** Default `runs` in it. */
  readonly logs?: string;
}

/** Writes a small run's configuration; returns its path. */
export function writeConfig({ folder, checkpoints, logs }: Places): string {
  const values = {
    ...TINY,
    num_epochs: 12,
    T_max: 12,
    eval_interval: 3,
    save_interval: 4,
    max_train_scenes: 4,
    max_val_scenes: 1,
    synthetic_points: 150,
    checkpoint_dir: checkpoints ?? join(folder, "checkpoints"),
    log_dir: logs ?? join(folder, "runs"),
    run_name: "run",
    log_interval: 1,
  };
  const path = join(folder, "config.yaml");
  const lines = Object.entries(values).map(([key, value]) => `${key}: ${JSON.stringify(value)}\n`);
  Deno.writeTextFileSync(path, lines.join(""));
  return path;
}

/** The values of a file's tensors by name, as bytes in words. */
export async function tensorsOf(path: string): Promise<string> {
  const { tensors } = await readSafetensors(path);
  const digest = async (data: ArrayBufferView) =>
    new Uint8Array(
      await crypto.subtle.digest(
        "SHA-256",
        new Uint8Array(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength),
      ),
    ).toHex();
  const all = await Promise.all(
    [...tensors].map(async ([name, { data }]) => `${name} ${await digest(data)}`),
  );
  return all.sort().join("\n");
}

/** What is wrong with a folder of checkpoints after a run has ended; empty: nothing. */
export async function wrongWith(checkpoints: string): Promise<string[]> {
  const wrong: string[] = [];
  for await (const { name } of Deno.readDir(checkpoints)) {
    if (/\.tmp$|lock/.test(name)) wrong.push(`${name} is left`);
    if (!name.endsWith(".safetensors") || name.startsWith(".")) continue;
    await readSafetensors(join(checkpoints, name)).catch((error) => wrong.push(error.message));
  }
  return wrong;
}

/** Starts a small run, or goes on with it where it has written a checkpoint. */
export async function startOrResume(
  config: string,
  checkpoints: string,
): Promise<Deno.ChildProcess> {
  const begun = await Array.fromAsync(Deno.readDir(checkpoints)).then(
    (names) => names.some(({ name }) => /^[^.].*\.safetensors$/.test(name)),
    () => false,
  );
  return start("train.ts", ["--config", config, ...(begun ? ["--resume"] : [])], Deno.cwd());
}

/** The tensors that a run comes to when it is left alone. */
export async function unbroken(folder: string): Promise<string> {
  const own = join(folder, "unbroken");
  Deno.mkdirSync(own);
  const { code, err } = await ended(
    start("train.ts", ["--config", writeConfig({ folder: own })], own),
    PATIENCE,
  );
  if (code !== 0) throw new Error(`A run that nobody disturbs ends with ${code}: ${err}`);
  return await tensorsOf(join(own, "checkpoints", "final.safetensors"));
}
