/** `deno task inspect [--json] FILE|DIR …`: what is in these files? */

import { say, sayJson, warn } from "../src/base/terminal.ts";
import { parseArgs } from "@std/cli/parse-args";
import type { ArrayParts } from "../src/cloud/array_parts.ts";
import { filesBelow, isDevice, type PassedOver } from "../src/cloud/files_below.ts";
import { parseCloud } from "../src/cloud/formats/numpy/named_arrays.ts";
import { describeFormats } from "../src/cloud/formats/registry.ts";
import { parseDelimiter } from "../src/cloud/formats/text/text.ts";
import { describeInspection, inspectFile } from "../src/scenes/inspect.ts";
import { type LeftOut, sortFiles } from "../src/scenes/preprocess/belongs.ts";
import { describeBeside } from "../src/cli/preprocess/show.ts";
import { UsageError } from "../src/base/errors.ts";
import { runMain } from "../src/cli/exit.ts";

const HELP =
  `Say what is in point cloud files, meshes and scenes: points, bounds, attributes, region tree.

Usage: deno task inspect [flags] FILE|DIR …

  FILE             a file of any known format, whatever its ending
  DIR              all clouds below it, by ending, first bytes and content; what is left out is said by ending
  --json           one JSON object a line for each file: file, format, points, min, max, first (the first point's
                   coordinates), attributes, …; or file and error
  --columns A,B,…  names of a text table's or raw file's columns: x,y,z,_,intensity (found out)
  --delimiter C    character between the columns of text tables (found out)
  --array NAME     the array of coordinates in an NPZ, pickle or safetensors file (by its usual names)
  --cloud N        which cloud of an array of several (clouds, points, columns) in an NPZ or pickle, from 0

Formats: ${describeFormats().split("; ").join(";\n         ")}.

Exit code 0; 1 when a file cannot be read; 2 for wrong usage.

Examples:
  deno task inspect scans/office.ply
  deno task inspect --json datasets/scenes`;

/** A file to be told of, with the arrays beside it that belong to it. */
interface Named {
  readonly path: string;
  readonly parts?: ArrayParts;
}

/** The files that the arguments name, and what is said of the others. Throws UsageError for a path that is not there. */
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

if (import.meta.main) {
  await runMain(async () => {
    const args = parseArgs(Deno.args, {
      boolean: ["json", "help"],
      string: ["columns", "delimiter", "array", "cloud"],
      alias: { h: "help" },
      unknown: (arg: string) => {
        if (arg.startsWith("-")) throw new UsageError(`Unknown flag ${arg}.\n\n${HELP}`);
      },
    });
    if (args.help) {
      say(HELP);
      return 0;
    }
    const paths = args._.map(String);
    if (paths.length === 0) throw new UsageError(`Say which file or folder.\n\n${HELP}`);
    const { files, told: others } = await filesOf(paths);
    const options = {
      columns: args.columns?.split(","),
      delimiter: parseDelimiter(args.delimiter),
      array: args.array,
      cloud: parseCloud(args.cloud),
    };
    let failed = 0;
    for (const { path: file, parts } of files) {
      const told = await inspectFile(file, options, parts);
      if ("error" in told) failed++;
      if (args.json) sayJson(told);
      else if ("error" in told) warn(`${file}\n  ${told.error}`);
      else say(describeInspection(told));
    }
    if (!args.json) { for (const line of others) say(line); }
    if (failed > 0 && !args.json) {
      warn(`${failed} of ${files.length} files cannot be read`);
    }
    return failed > 0 ? 1 : 0;
  });
}
