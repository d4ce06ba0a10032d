/** The command line of `embed`. */

import { DEFAULT_SETTINGS, type SceneSettings } from "../../scenes/preprocess/settings.ts";
import { SETTINGS_FLAGS, settingsFromFlags } from "../preprocess/settings_flags.ts";
import { UsageError } from "../../base/errors.ts";
import { flagsHelp, type FlagTable, readFlags, wrongFlag } from "../flags.ts";
import { type DeviceRequest, parseDeviceRequest } from "../../gpu/adapter.ts";
import type { Branch } from "../../inference/features.ts";
import type { EmbedOutputs, FileFormat } from "../../inference/embed/outputs.ts";

/** What the command line asks for. */
export type EmbedArguments = { readonly help: true } | {
  readonly help: false;
  readonly checkpoint: string;
  /** YAML file of the configuration, for weights from elsewhere. */
  readonly config?: string;
  /** Undefined: as the configuration says. */
  readonly device?: DeviceRequest;
  readonly inputs: readonly string[];
  readonly output: string;
  readonly overwrite: boolean;
  readonly outputs: EmbedOutputs;
  /** How clouds become scenes: as the training's did, `base`, but for what the flags say. */
  settings(base: SceneSettings): SceneSettings;
};

const FLAGS: FlagTable = {
  checkpoint: { value: "PATH", help: "the encoder: a checkpoint, or weights with --config" },
  input: {
    value: "PATH…",
    help: "prepared scenes, scan files, folders of either; may be given several times",
    repeatable: true,
  },
  output: { value: "DIR", help: "where the features go" },
  points: { value: "BRANCH", help: "features of points: both, g2l, l2g, none (both)" },
  "as-input": {
    help:
      "point features one a row of the input file, also of points that cleaning and voxels took away",
  },
  regions: { help: "features of all regions too, by level, and the region tree" },
  format: { value: "FORMAT", help: "safetensors, npy, or both (safetensors)" },
  ply: {
    value: "BRANCH",
    help: "PLY coloured by the first three principal components of g2l or l2g (none)",
  },
  config: {
    value: "FILE",
    help: "configuration of weights that come without one, as PyTorch's do",
  },
  device: { value: "DEVICE", help: "auto, gpu, software (as the configuration says)" },
  overwrite: { help: "make all anew, also over features of another checkpoint" },
  help: { help: "show this help (also -h)" },
};

/** The text of --help. */
export function embedHelp(): string {
  return `Features of scenes and scans by a trained encoder.

  deno task embed --checkpoint PATH --input PATH… --output DIR [flags]

Each scene gives DIR/features/NAME.safetensors (or a folder NAME of .npy files): the features of its points by both
branches (global to local, local to global), row i that of point i of coords, and vectors of the scene: of the root, and
max and mean over its points. source_index says which row of the input file each point was; with --as-input there is a
feature for every row of the file instead, that of the point kept of its voxel. The vectors of all scenes together are
in DIR/scenes.safetensors (or DIR/scenes/*.npy), in the order of DIR/manifest.json, which says what each array is.

A file that cannot be read is reported and skipped. Interrupted and started again, the run goes on where it was.

Flags (defaults in brackets):
${flagsHelp(FLAGS)}

Scans are prepared as the training scenes were, by the settings in the checkpoint; where it holds none, by preprocess's
defaults (in brackets). Prepared scenes are taken as they are. These flags say otherwise:
${flagsHelp(SETTINGS_FLAGS)}

Exit code 0; 1 when a file failed or writing did; 2 for wrong usage; 130 after Ctrl-C.

Examples:
  deno task embed --checkpoint checkpoints/final.safetensors --input datasets/rooms --output features
  deno task embed --checkpoint checkpoints/final.safetensors --input office.ply --output features --regions --ply g2l
  deno task embed --checkpoint final.safetensors --input ModelNet10 --output features --points none --format npy
`;
}

/**
 * Parses the arguments.
 *
 * @throws {UsageError} Says what is wrong with the first flag that is.
 */
export function parseEmbedArguments(args: readonly string[]): EmbedArguments {
  const given = readFlags(args, { ...FLAGS, ...SETTINGS_FLAGS });
  if (given.has("help")) return { help: true };
  const needed = (name: string, what: string): string => {
    const value = given.text(name);
    if (value !== undefined) return value;
    throw new UsageError(
      `Say ${what}: --${name} ${FLAGS[name].value}; --help lists all flags`,
    );
  };
  const checkpoint = needed("checkpoint", "which encoder");
  const inputs = [...given.all("input"), ...given.rest].filter((path) => path !== "");
  if (inputs.length === 0) {
    throw new UsageError("Say what to read: --input PATH…; --help lists all flags");
  }
  const output = needed("output", "where to write");
  const points = given.choice("points", ["both", "g2l", "l2g", "none"], "both");
  const format = given.choice("format", ["safetensors", "npy", "both"], "safetensors");
  const ply = given.text("ply");
  if (ply !== undefined && ply !== "g2l" && ply !== "l2g") {
    throw wrongFlag("ply", "one of g2l, l2g", ply);
  }
  if (given.has("as-input") && points === "none") {
    throw new UsageError("--as-input is of point features: --points none leaves none");
  }
  const device = given.text("device");
  const settings = (base: SceneSettings): SceneSettings => ({
    ...settingsFromFlags(given, base),
    // Whatever the training did with its sources: what is prepared already stays as it is.
    keepTrees: !given.has("rebuild-trees"),
  });
  settings(DEFAULT_SETTINGS); // what is wrong shows before anything is read
  const branches: readonly Branch[] = points === "both"
    ? ["g2l", "l2g"]
    : points === "none"
    ? []
    : [points];
  const formats: readonly FileFormat[] = format === "both" ? ["safetensors", "npy"] : [format];
  return {
    help: false,
    checkpoint,
    config: given.text("config"),
    device: device === undefined ? undefined : parseDeviceRequest(device),
    inputs,
    output,
    overwrite: given.has("overwrite"),
    outputs: {
      ...{ points: branches, regions: given.has("regions"), formats, ply: ply ?? null },
      ...(given.has("as-input") && { asInput: true as const }),
    },
    settings,
  };
}
