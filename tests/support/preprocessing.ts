/** Small scans, and preprocessing them. */

import {
  parsePreprocessArguments,
  type PreprocessArguments,
} from "../../src/cli/preprocess/arguments.ts";
import {
  prepareRun,
  preprocess,
  type PreprocessHooks,
  type PreprocessIndex,
} from "../../src/scenes/preprocess/run.ts";
import { Random } from "../../src/base/random.ts";

/** Of tests that need files. */
export const files = {
  ignore: Deno.permissions.querySync({ name: "write" }).state !== "granted" ||
    Deno.permissions.querySync({ name: "read" }).state !== "granted",
};
/** Of tests that run commands. */
export const commands = {
  ignore: files.ignore || Deno.permissions.querySync({ name: "run" }).state !== "granted",
};

/** A scan of `count` points. */
export async function put(path: string, count = 70, seed = 1): Promise<void> {
  await Deno.mkdir(path.slice(0, path.lastIndexOf("/")), { recursive: true });
  const random = new Random(seed, path.replace(/^.*\//, ""));
  const lines = Array.from(
    { length: count },
    () => [random.uniform(), random.uniform(), random.uniform()].map((v) => v.toFixed(4)).join(" "),
  );
  await Deno.writeTextFile(path, lines.join("\n"));
}

/** What a command line asks for. */
export type Options = Extract<PreprocessArguments, { help: false }>["options"];

/** The options of a command line. */
export function parsed(...args: string[]): Options {
  const found = parsePreprocessArguments(args);
  if (found.help) throw new Error("help");
  return found.options;
}

/** Preprocesses in this thread. */
export async function run(args: string[], hooks: PreprocessHooks = {}): Promise<PreprocessIndex> {
  const options = parsed("--workers", "0", ...args);
  return await preprocess(await prepareRun(options), options, hooks);
}

/** When a file was last written to. */
export async function modified(path: string): Promise<number> {
  return (await Deno.stat(path)).mtime!.getTime();
}
