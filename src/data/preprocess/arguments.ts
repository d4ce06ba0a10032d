/** The command line of `preprocess`: one table gives the flags, their checks and the help. */

import { parseArgs } from "@std/cli/parse-args";
import { UsageError } from "../../errors.ts";
import { parseDelimiter } from "../formats/text.ts";
import type { NormalOrientation } from "../normals.ts";
import { PREPARE_DEFAULTS, type PrepareOptions } from "../prepare.ts";
import { buildTree } from "../tree_builder.ts";
import type { PreprocessOptions } from "./run.ts";
import { DEFAULT_SETTINGS } from "./settings.ts";
import type { FolderLabels } from "./sources.ts";

/** What the command line asks for. */
export type PreprocessArguments = { readonly help: true } | {
  readonly help: false;
  readonly dryRun: boolean;
  readonly options: PreprocessOptions;
};

interface Flag {
  /** What stands after the flag; absent for one that stands alone. */
  readonly value?: string;
  readonly help: string;
  readonly repeatable?: true;
}

const FLAGS: Readonly<Record<string, Flag>> = {
  input: {
    value: "PATH…",
    help: "files and folders to read; may be given several times",
    repeatable: true,
  },
  output: {
    value: "DIR",
    help: "where the scenes go: DIR/train, DIR/val, DIR/test, DIR/index.json",
  },
  objects: { help: "single objects: centre each on its centroid and scale it to radius 1" },
  unit: { value: "M", help: "metres per unit of the files, 0.001 for millimetres (1)" },
  voxel: { value: "M", help: "keep one point per cube of this edge in metres (0: all)" },
  "max-points": { value: "N", help: "keep at most N points of a scene, drawn at random (0: all)" },
  "mesh-points": { value: "N", help: "points drawn from a mesh's surface; 0: its vertices (4096)" },
  "keep-duplicates": { help: "keep points that stand in the same place" },
  normals: {
    value: "WHICH",
    help: "auto: the file's, estimated where missing; estimate; keep (auto)",
  },
  orientation: {
    value: "SIDE",
    help: "of estimated normals: consistent, up (airborne scans), inward (rooms) (consistent)",
  },
  neighbors: { value: "K", help: "points that a normal is estimated from (16)" },
  branching: { value: "N", help: "most children of a region (8)" },
  depth: { value: "N", help: "deepest level of regions (4)" },
  "min-points": { value: "N", help: "least size: a region of twice as many points is split (32)" },
  "rebuild-trees": {
    help: "treat .pkl and prepared scenes as points, rather than keep their trees",
  },
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
  columns: {
    value: "A,B,…",
    help: "names of a text table's or raw file's columns: x,y,z,_,intensity",
  },
  delimiter: { value: "C", help: "character between the columns of text tables (found out)" },
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
  const flags = Object.entries(FLAGS).map(([name, { value, help }]) =>
    `  ${`--${name}${value ? ` ${value}` : ""}`.padEnd(22)} ${help}`
  );
  return `Make training scenes of scans, meshes and objects.

  deno task preprocess --input PATH… --output DIR [flags]

Every file of a known format becomes DIR/{train,val,test}/NAME.safetensors: points cleaned and thinned, normals
estimated where there are none, and the region tree. Folders named train, val or test (also training, validation,
testing) decide the split, folders of classes the label: CLASS/train/FILE, train/CLASS/FILE or CLASS/FILE. Where
nothing decides, a tenth goes to val. An NPY array (clouds, points, columns) is a stack of clouds: NAME_points.npy with
NAME_labels.npy, NAME_names.txt and classes.txt beside it, if they are there.

A file that cannot be read is reported and skipped. Interrupted and started again, the run goes on where it was: a scene
is done when its file is whole and was made of the same source with the same settings.

Flags (defaults in brackets):
${flags.join("\n")}

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
  const names = Object.keys(FLAGS);
  // A number below 0 is the value of the flag before it, not a flag.
  const joined = args.flatMap((arg, i) =>
    /^-[\d.]/.test(arg) && /^--[^=]+$/.test(args[i - 1] ?? "")
      ? []
      : /^--[^=]+$/.test(arg) && /^-[\d.]/.test(args[i + 1] ?? "")
      ? [`${arg}=${args[i + 1]}`]
      : [arg]
  );
  const given = parseArgs(joined, {
    boolean: names.filter((name) => FLAGS[name].value === undefined),
    string: ["_", ...names.filter((name) => FLAGS[name].value !== undefined)],
    collect: names.filter((name) => FLAGS[name].value !== undefined),
    alias: { h: "help" },
    unknown: (text: string, key?: string) => {
      if (key === undefined && !text.startsWith("-")) return;
      throw new UsageError(`Unknown flag ${text}; --help lists all flags`);
    },
  }) as unknown as Record<string, string[]> & { _: string[] };
  const flag = (name: string): boolean => Boolean(given[name]);
  const text = (name: string): string | undefined => {
    const values = given[name] ?? [];
    if (values.some((value) => value === "")) throw wrong(name, "a value", "nothing");
    if (values.length > 1) throw new UsageError(`--${name} is given twice; keep one`);
    return values[0];
  };
  const number = (name: string, fallback: number): number => {
    const value = text(name);
    if (value === undefined) return fallback;
    if (value.trim() === "" || !Number.isFinite(Number(value))) {
      throw wrong(name, "a number", value);
    }
    return Number(value);
  };
  const choice = <T extends string>(name: string, allowed: readonly T[], fallback: T): T => {
    const value = text(name) ?? fallback;
    const found = allowed.find((each) => each === value);
    if (found === undefined) throw wrong(name, `one of ${allowed.join(", ")}`, value);
    return found;
  };
  if (flag("help")) return { help: true };

  const inputs = [...given.input ?? [], ...given._.map(String)].filter((path) => path !== "");
  const output = text("output");
  if (inputs.length === 0) {
    throw new UsageError("Say what to read: --input PATH…; --help lists all flags");
  }
  if (output === undefined) {
    throw new UsageError("Say where to write: --output DIR; --help lists all flags");
  }
  const seed = whole("seed", number("seed", PREPARE_DEFAULTS.seed), Number.MIN_SAFE_INTEGER);
  const prepare: PrepareOptions = {
    ...PREPARE_DEFAULTS,
    unit: number("unit", PREPARE_DEFAULTS.unit),
    meshPoints: whole("mesh-points", number("mesh-points", PREPARE_DEFAULTS.meshPoints), 0),
    removeDuplicates: !flag("keep-duplicates"),
    voxelSize: number("voxel", PREPARE_DEFAULTS.voxelSize),
    maxPoints: whole("max-points", number("max-points", PREPARE_DEFAULTS.maxPoints), 0),
    unitScale: flag("objects"),
    normals: choice("normals", ["auto", "estimate", "keep"], PREPARE_DEFAULTS.normals),
    normalNeighbors: whole("neighbors", number("neighbors", PREPARE_DEFAULTS.normalNeighbors), 3),
    normalOrientation: choice<NormalOrientation>(
      "orientation",
      ["consistent", "up", "inward"],
      PREPARE_DEFAULTS.normalOrientation,
    ),
    seed,
  };
  if (!(prepare.unit > 0)) throw wrong("unit", "a number above 0", String(prepare.unit));
  if (!(prepare.voxelSize >= 0)) throw wrong("voxel", "0 or more", String(prepare.voxelSize));
  const tree = {
    branching: number("branching", DEFAULT_SETTINGS.tree.branching),
    maxDepth: number("depth", DEFAULT_SETTINGS.tree.maxDepth),
    minPoints: number("min-points", DEFAULT_SETTINGS.tree.minPoints),
  };
  buildTree(new Float32Array(3), tree); // refuses what is out of range
  const splitFiles = given["split-file"] ?? [];
  const split = text("split");
  if (split !== undefined && splitFiles.length > 0) {
    throw new UsageError("--split and --split-file exclude each other; keep one");
  }
  const columns = text("columns")?.split(",").map((name) => name.trim());
  const cores = Math.max(1, Math.min(8, navigator.hardwareConcurrency));
  return {
    help: false,
    dryRun: flag("dry-run"),
    options: {
      inputs,
      output,
      settings: {
        read: { columns, delimiter: parseDelimiter(text("delimiter")) },
        prepare,
        tree,
        keepTrees: !flag("rebuild-trees"),
      },
      labels: choice<FolderLabels>("labels", ["auto", "folder", "none"], "auto"),
      ratio: split === undefined ? undefined : parseRatio(split),
      splitFiles,
      workers: whole("workers", number("workers", cores), 0),
      strict: flag("strict"),
      clean: flag("clean"),
      seed,
    },
  };
}

function wrong(name: string, expected: string, got: string): UsageError {
  return new UsageError(`--${name}: expected ${expected}, got ${got}`);
}

function whole(name: string, value: number, least: number): number {
  if (Number.isSafeInteger(value) && value >= least) return value;
  throw wrong(
    name,
    least >= 0 ? `a whole number of ${least} or more` : "a whole number",
    String(value),
  );
}

function parseRatio(text: string): number[] {
  const parts = text.split(/[,/:]/).map(Number);
  const ratio = parts.length === 2 ? [...parts, 0] : parts;
  const total = ratio.reduce((sum, part) => sum + part, 0);
  const good = ratio.length === 3 && ratio.every((part) => part >= 0) && total > 0 &&
    total < Infinity;
  if (!good) throw wrong("split", "shares of train, val and test such as 0.8,0.1,0.1", text);
  return ratio;
}
