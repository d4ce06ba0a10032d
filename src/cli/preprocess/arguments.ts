/** The command line of `preprocess`: one table gives the flags, their checks and the help. */

import { UsageError } from "../../base/errors.ts";
import { flagsHelp, type FlagTable, readFlags, wrongFlag } from "../flags.ts";
import type { PreprocessOptions } from "../../scenes/preprocess/run.ts";
import { DEFAULT_SETTINGS } from "../../scenes/preprocess/settings.ts";
import { SETTINGS_FLAGS, settingsFromFlags } from "./settings_flags.ts";
import type { FolderLabels } from "../../scenes/preprocess/sources.ts";

/** What the command line asks for. */
export type PreprocessArguments = { readonly help: true } | {
  readonly help: false;
  readonly dryRun: boolean;
  readonly options: PreprocessOptions;
};

const FLAGS: FlagTable = {
  input: {
    value: "PATH…",
    help: "files and folders to read; may be given several times",
    repeatable: true,
  },
  output: {
    value: "DIR",
    help: "where the scenes go: DIR/train, DIR/val, DIR/test, DIR/index.json",
  },
  ...SETTINGS_FLAGS,
  labels: { value: "HOW", help: "folder names as labels: auto, folder (always), none (auto)" },
  split: {
    value: "T,V,E",
    help: "shares of train, val and test, such as 0.8,0.1,0.1; not as folders say",
  },
  "split-file": {
    value: "FILE",
    help: 'names by split: JSON {"train": […]}, "NAME SPLIT" lines, or SPLIT=FILE of names',
    repeatable: true,
  },
  seed: { value: "N", help: "for the points that are drawn and the split (42)" },
  workers: {
    value: "N",
    help: "files worked on at a time (one per core, at most 8); 0: no workers",
  },
  strict: { help: "stop at the first file that cannot be read" },
  clean: { help: "remove scenes that an earlier run left in DIR and this one would not make" },
  "dry-run": { help: "say what would be done, and do nothing" },
  help: { help: "show this help (also -h)" },
};

/** The text of --help. */
export function preprocessHelp(): string {
  return `Make training scenes of scans, meshes and objects.

  deno task preprocess --input PATH… --output DIR [flags]

Every cloud becomes DIR/{train,val,test}/NAME.safetensors: points cleaned and thinned, normals estimated where
there are none, and the region tree. Clouds are files of a known format, in linked folders too. What belongs to
another file (lists, poses, parts of a room, a second mesh, arrays beside coordinates) is none; what is left out is
said by ending.

Folders named train, val or test (also training, validation, testing) decide the split, else lists in the folder such as
NAME_train.txt. Folders of classes decide the label where classes repeat: CLASS/train/FILE, train/CLASS/FILE or
CLASS/FILE. Where nothing decides, a tenth of what can be read goes to val. An NPY array (clouds, points, columns) is a
stack of clouds: NAME_points.npy with NAME_labels.npy, NAME_names.txt and classes.txt beside it, if they are there.

A file that cannot be read is reported and skipped. Interrupted and started again, the run goes on where it was: a scene
is done when its file is whole and was made of the same source with the same settings.

Flags (defaults in brackets):
${flagsHelp(FLAGS)}

Exit code 0; 1 when nothing could be read, writing failed or --strict stopped; 2 for wrong usage; 130 after Ctrl-C.

Examples:
  deno task preprocess --input scans --output datasets/rooms --voxel 0.02
  deno task preprocess --input ModelNet10 --output datasets/modelnet10 --objects --mesh-points 2048
  deno task preprocess --input tiles/*.laz --output datasets/tiles --voxel 0.25 --orientation up --split 0.7,0.3,0
`;
}

/**
 * Parses the arguments.
 *
 * @throws {UsageError} Says what is wrong with the first flag that is.
 */
export function parsePreprocessArguments(args: readonly string[]): PreprocessArguments {
  const given = readFlags(args, FLAGS);
  if (given.has("help")) return { help: true };

  const inputs = [...given.all("input"), ...given.rest].filter((path) => path !== "");
  const output = given.text("output");
  if (inputs.length === 0) {
    throw new UsageError("Say what to read: --input PATH…; --help lists all flags");
  }
  if (output === undefined) {
    throw new UsageError("Say where to write: --output DIR; --help lists all flags");
  }
  const settings = settingsFromFlags(given, DEFAULT_SETTINGS);
  const splitFiles = given.all("split-file");
  const split = given.text("split");
  if (split !== undefined && splitFiles.length > 0) {
    throw new UsageError("--split and --split-file exclude each other; keep one");
  }
  const cores = Math.max(1, Math.min(8, navigator.hardwareConcurrency));
  return {
    help: false,
    dryRun: given.has("dry-run"),
    options: {
      inputs,
      output,
      settings,
      labels: given.choice<FolderLabels>("labels", ["auto", "folder", "none"], "auto"),
      ratio: split === undefined ? undefined : parseRatio(split),
      splitFiles,
      workers: given.whole("workers", cores, 0),
      strict: given.has("strict"),
      clean: given.has("clean"),
      seed: settings.prepare.seed,
    },
  };
}

function parseRatio(text: string): number[] {
  const parts = text.split(/[,/:]/).map(Number);
  const ratio = parts.length === 2 ? [...parts, 0] : parts;
  const total = ratio.reduce((sum, part) => sum + part, 0);
  const good = ratio.length === 3 && ratio.every((part) => part >= 0) && total > 0 &&
    total < Infinity;
  if (!good) throw wrongFlag("split", "shares of train, val and test such as 0.8,0.1,0.1", text);
  return ratio;
}
