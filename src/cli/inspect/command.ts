/** `deno task inspect`: what is in these files? */

import { UsageError } from "../../base/errors.ts";
import { say, sayJson, warn } from "../../base/terminal.ts";
import type { ArrayParts } from "../../cloud/array_parts.ts";
import { filesBelow, isDevice, type PassedOver } from "../../cloud/files_below.ts";
import { describeInspection, inspectFile } from "../../scenes/inspect.ts";
import { type LeftOut, sortFiles } from "../../scenes/preprocess/belongs.ts";
import { command, type RunCommand } from "../command.ts";
import { describeBeside } from "../preprocess/show.ts";
import { type InspectArguments, inspectHelp, parseInspectArguments } from "./arguments.ts";

/** The command. */
export const inspect: RunCommand = command(inspectHelp, parseInspectArguments, run);

/** A file to be told of, with the arrays beside it that belong to it. */
interface Named {
  readonly path: string;
  readonly parts?: ArrayParts;
}

/**
 * The files that the arguments name, and what is said of the others. Throws UsageError for a path
 * that is not there.
 */
async function filesOf(
  paths: readonly string[],
): Promise<{ files: Named[]; told: string[] }> {
  const files: Named[] = [], leftOut: LeftOut[] = [], passedOver: PassedOver[] = [];
  for (const path of paths) {
    if (!await isFolder(path)) files.push({ path });
    else {
      const sorted = await sortFiles(await filesBelow(path, (entry) => passedOver.push(entry)));
      files.push(...sorted.clouds.map((each) => ({ path: each, parts: sorted.parts.get(each) })));
      leftOut.push(...sorted.leftOut);
    }
  }
  const told = describeBeside({ leftOut, passedOver });
  if (files.length > 0) return { files, told };
  throw new UsageError(
    `Cannot inspect ${paths.join(", ")}: there are no point cloud files in it${
      told.length > 0 ? ` (${told[0]})` : ""
    }`,
  );
}

async function isFolder(path: string): Promise<boolean> {
  try {
    const info = await Deno.stat(path);
    if (!isDevice(info)) return info.isDirectory;
    throw new UsageError(
      `Cannot inspect ${path}: expected a file or a folder, found a device or a pipe`,
    );
  } catch (error) {
    if (error instanceof UsageError) throw error;
    if (error instanceof Deno.errors.NotFound) {
      throw new UsageError(`Cannot inspect ${path}: there is no such file or folder`);
    }
    const system = error instanceof Error && error.name in Deno.errors;
    throw system ? new UsageError(`Cannot inspect ${path}: ${error.message}`) : error;
  }
}

async function run(
  { paths, json, options }: Extract<InspectArguments, { help: false }>,
): Promise<number> {
  const { files, told: others } = await filesOf(paths);
  let failed = 0;
  for (const { path: file, parts } of files) {
    const told = await inspectFile(file, options, parts);
    if ("error" in told) failed++;
    if (json) sayJson(told);
    else if ("error" in told) warn(`${file}\n  ${told.error}`);
    else say(describeInspection(told));
  }
  if (!json) { for (const line of others) say(line); }
  if (failed > 0 && !json) {
    warn(`${failed} of ${files.length} files cannot be read`);
  }
  return failed > 0 ? 1 : 0;
}
