/** The command line of `inspect`. */

import { UsageError } from "../../base/errors.ts";
import { parseCloud } from "../../cloud/formats/numpy/named_arrays.ts";
import type { ReadOptions } from "../../cloud/formats/reader.ts";
import { describeFormats } from "../../cloud/formats/registry.ts";
import { parseDelimiter } from "../../cloud/formats/text/text.ts";
import { flagsHelp, type FlagTable, readFlags } from "../flags.ts";

/** What the command line asks for. */
export type InspectArguments = { readonly help: true } | {
  readonly help: false;
  /** Files and folders. */
  readonly paths: readonly string[];
  readonly json: boolean;
  readonly options: ReadOptions;
};

const FLAGS: FlagTable = {
  json: { help: "one JSON object a line for each file" },
  columns: {
    value: "A,B,…",
    help: "names of a text table's or raw file's columns: x,y,z,_,intensity (found out)",
  },
  delimiter: { value: "C", help: "character between the columns of text tables (found out)" },
  array: {
    value: "NAME",
    help: "the array of coordinates in an NPZ, pickle or safetensors file (by its usual names)",
  },
  cloud: {
    value: "N",
    help:
      "which cloud of an array of several (clouds, points, columns) in an NPZ or pickle, from 0",
  },
  help: { help: "show this help (also -h)" },
};

/** The text of --help. */
export function inspectHelp(): string {
  return `Say what is in point cloud files, meshes and scenes: points, bounds, attributes, region tree.

Usage: deno task inspect [flags] FILE|DIR …

  FILE                   a file of any known format, whatever its ending
  DIR                    all clouds below it, by ending, first bytes and content; what is left out is said
${flagsHelp(FLAGS)}

The JSON of a file: file, format, points, min, max, first (the first point's coordinates), attributes, …; or file and
error.

Formats: ${describeFormats().split("; ").join(";\n         ")}.

Exit code 0; 1 when a file cannot be read; 2 for wrong usage.

Examples:
  deno task inspect scans/office.ply
  deno task inspect --json datasets/scenes`;
}

/**
 * Parses the arguments.
 *
 * @throws {UsageError} Says what is wrong with the first flag that is.
 */
export function parseInspectArguments(args: readonly string[]): InspectArguments {
  const given = readFlags(args, FLAGS);
  if (given.has("help")) return { help: true };
  if (given.rest.length === 0) {
    throw new UsageError(`Say which file or folder.\n\n${inspectHelp()}`);
  }
  return {
    help: false,
    paths: given.rest,
    json: given.has("json"),
    options: {
      columns: given.text("columns")?.split(","),
      delimiter: parseDelimiter(given.text("delimiter")),
      array: given.text("array"),
      cloud: parseCloud(given.text("cloud")),
    },
  };
}
