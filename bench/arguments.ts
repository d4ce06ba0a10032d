/** The command line of `deno task bench`. */

import { UsageError } from "../src/base/errors.ts";
import { flagsHelp, type FlagTable, type GivenFlags, readFlags } from "../src/cli/flags.ts";
import { type DeviceRequest, parseDeviceRequest } from "../src/gpu/adapter.ts";
import type { Problem } from "./step.ts";

/**
 * What is measured: steps of one problem, kernels, how cost grows, or all tables of
 * docs/performance.md.
 */
export type Mode = "steps" | "kernels" | "sweep" | "tables";

/** What the command line asks for. */
export type BenchArguments = { readonly help: true } | {
  readonly help: false;
  readonly mode: Mode;
  readonly problem: Problem;
  /** Most points a scene in a sweep. */
  readonly maxPoints: number;
  readonly device: DeviceRequest;
  readonly json: boolean;
};

const FLAGS: FlagTable = {
  points: { value: "N", help: "points a scene (100000 full, 20000 small)" },
  scenes: { value: "N", help: "scenes a step (1 full, 2 small)" },
  depth: { value: "N", help: "depth of the region trees (4 full, 2 small)" },
  config: { value: "full|small", help: "the full encoder, or small_mode's (full)" },
  fused: { value: "on|off", help: "the fused kernels, or the plain operations (on)" },
  steps: { value: "N", help: "samples of everything, after warming up (10)" },
  device: { value: "NAME", help: "what to run on: auto, gpu or software (auto)" },
  kernels: { help: "time in each kernel of a step, and kernels alone" },
  sweep: { help: "how cost grows with points, regions and depth" },
  "max-points": { value: "N", help: "most points a scene in a sweep (1000000)" },
  tables: { help: "the tables of docs/performance.md, as Markdown" },
  json: { help: "one JSON object" },
  help: { help: "show this help (also -h)" },
};

/** The text of --help. */
export function benchHelp(): string {
  return `Time training steps on synthetic rooms.

  deno task bench [flags]

Prints step time, points per second, useful and executed FLOP/s and their share of the device's multiply-add peak, measured
in the same run, device memory, dispatches, and where a step's time goes. Medians, least and most in brackets.

Flags (defaults in brackets):
${flagsHelp(FLAGS)}

Exit code 0; 1 when the device fails; 2 for wrong usage.

Examples:
  deno task bench --config small
  deno task bench --points 20000 --kernels
  deno task bench --sweep --points 20000 --max-points 100000 --steps 3
`;
}

/** Flags that a mode has no use for. */
const IDLE: Readonly<Record<Mode, readonly string[]>> = {
  steps: ["max-points"],
  kernels: ["max-points"],
  sweep: [],
  tables: ["points", "scenes", "depth", "config", "fused", "json"],
};

function modeOf(given: GivenFlags): Mode {
  const asked = (["kernels", "sweep", "tables"] as const).filter((mode) => given.has(mode));
  if (asked.length > 1) {
    throw new UsageError(`--${asked[0]} and --${asked[1]} cannot be had together; keep one`);
  }
  return asked[0] ?? "steps";
}

/**
 * Parses the arguments.
 *
 * @throws {UsageError} Says what is wrong with the first flag that is.
 */
export function parseBenchArguments(args: readonly string[]): BenchArguments {
  const given = readFlags(args, FLAGS);
  if (given.has("help")) return { help: true };
  if (given.rest.length > 0) {
    throw new UsageError(`Unexpected argument ${given.rest[0]}; --help lists all flags`);
  }
  const mode = modeOf(given);
  for (const name of IDLE[mode]) {
    if (FLAGS[name].value ? given.all(name).length > 0 : given.has(name)) {
      const where = mode === "tables" ? "--tables sets it itself" : "only --sweep has a use for it";
      throw new UsageError(`--${name}: ${where}; leave it out`);
    }
  }
  const config = given.choice("config", ["full", "small"], "full");
  const small = config === "small";
  return {
    help: false,
    mode,
    problem: {
      config,
      fused: given.choice("fused", ["on", "off"], "on") === "on",
      points: given.whole("points", small ? 20_000 : 100_000, 1),
      scenes: given.whole("scenes", small ? 2 : 1, 1),
      depth: given.whole("depth", small ? 2 : 4, 1),
      steps: given.whole("steps", 10, 1),
    },
    maxPoints: given.whole("max-points", 1_000_000, 1),
    device: parseDeviceRequest(given.text("device") ?? "auto"),
    json: given.has("json"),
  };
}
