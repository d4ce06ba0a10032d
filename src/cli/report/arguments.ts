/** The command line of `report`. */

import { join } from "@std/path";
import { UsageError } from "../../base/errors.ts";
import { flagsHelp, type FlagTable, readFlags } from "../flags.ts";
import type { ReportOptions } from "../../report/make_report.ts";

/** What the command line asks for. */
export type ReportArguments = { readonly help: true } | {
  readonly help: false;
  readonly options: ReportOptions;
};

const FLAGS: FlagTable = {
  output: { value: "FILE", help: "where the page goes (report.html in the first RUN_DIR)" },
  scenes: {
    value: "N",
    help: "scenes of the run to show, validation scenes first; 0: none (2, or 0 with --scene)",
  },
  scene: {
    value: "PATH",
    help: "show this scene or scan, prepared as the training's; may be given several times",
    repeatable: true,
  },
  "points-per-scene": {
    value: "N",
    help: "points shown of a scene, drawn at random; 0: all (100000)",
  },
  checkpoint: {
    value: "NAME",
    help:
      "weights to encode the scenes with: best, final, last, epoch_0010, or a path (the first there is)",
  },
  help: { help: "show this help (also -h)" },
};

/** The text of --help. */
export function reportHelp(): string {
  return `Make a page of training runs: curves, settings, and scenes coloured by what the encoder learnt.

  deno task report RUN_DIR… [flags]

One HTML file that needs no network and opens in any browser. Several runs are drawn over each other. Scenes are encoded
with the weights of the first run that has a checkpoint; without one, and for a run that is still going on, the page shows
what there is and says what is missing.

Flags (defaults in brackets):
${flagsHelp(FLAGS)}

Exit code 0; 1 when something cannot be read or written; 2 for wrong usage; 130 after Ctrl-C.

Examples:
  deno task report runs/rooms
  deno task report runs/a runs/b runs/c --output compare.html --scenes 0
  deno task report runs/rooms --scene scans/office.ply --points-per-scene 0
`;
}

/**
 * Parses the arguments.
 *
 * @throws {UsageError} Says what is wrong with the first flag that is.
 */
export function parseReportArguments(args: readonly string[]): ReportArguments {
  const given = readFlags(args, FLAGS);
  if (given.has("help")) return { help: true };
  const directories = given.rest.filter((path) => path !== "");
  if (directories.length === 0) {
    throw new UsageError(
      "Say which run: a folder in log_dir, such as runs/NAME; --help tells more",
    );
  }
  const paths = given.all("scene").filter((path) => path !== "");
  const checkpoint = given.text("checkpoint") ?? null;
  return {
    help: false,
    options: {
      directories,
      output: given.text("output") ?? join(directories[0], "report.html"),
      scenes: given.whole("scenes", paths.length > 0 ? 0 : 2, 0),
      scenesAsked: given.text("scenes") !== undefined || paths.length > 0 || checkpoint !== null,
      paths,
      pointsPerScene: given.whole("points-per-scene", 100_000, 0),
      checkpoint,
    },
  };
}
