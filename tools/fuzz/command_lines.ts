/** Random command lines, right and wrong ones, and what the programs' own parsers make of them. */

import { parsePreprocessArguments, preprocessHelp } from "../../src/cli/preprocess/arguments.ts";
import { Random } from "../../src/base/random.ts";
import { UsageError } from "../../src/base/errors.ts";
import { embedHelp, parseEmbedArguments } from "../../src/cli/embed/arguments.ts";
import { evaluateHelp, parseEvaluateArguments } from "../../src/cli/evaluate/arguments.ts";
import { inspectHelp, parseInspectArguments } from "../../src/cli/inspect/arguments.ts";
import { parseReportArguments, reportHelp } from "../../src/cli/report/arguments.ts";
import { parseTrainArguments, trainHelp } from "../../src/cli/train/arguments.ts";
import { parseVerifyArguments, verifyHelp } from "../../src/cli/verify/arguments.ts";
import { CONFIG_KEY_NAMES } from "../../src/run/config_keys.ts";
import { traced } from "./campaign.ts";
import { messageProblem } from "./configs.ts";
import type { TrialMaker } from "./watched.ts";
import { oddValue } from "./yaml_damage.ts";

/** A program of this project. */
export interface Program {
  readonly name: string;
  /** Its file, from the project's folder. */
  readonly script: string;
  /** Its flags, with dashes. */
  readonly flags: readonly string[];
  /** Arguments that make it do something, in the folder that `makeSandbox` fills. */
  readonly works: readonly string[];
  /** Its parser. */
  readonly parse: (args: readonly string[]) => unknown;
}

function flagsOf(help: string): string[] {
  return [...new Set(help.match(/--[a-z][a-z_-]*/g))];
}

/** All programs that take command lines. */
export const PROGRAMS: readonly Program[] = [
  {
    name: "train",
    script: "train.ts",
    flags: flagsOf(trainHelp()),
    works: ["--config", "tiny.yaml"],
    parse: parseTrainArguments,
  },
  {
    name: "preprocess",
    script: "tools/preprocess.ts",
    flags: flagsOf(preprocessHelp()),
    works: ["--input", "scans", "--output", "out/scenes", "--workers", "0"],
    parse: parsePreprocessArguments,
  },
  {
    name: "inspect",
    script: "tools/inspect.ts",
    flags: flagsOf(inspectHelp()),
    works: ["scans"],
    parse: parseInspectArguments,
  },
  {
    name: "embed",
    script: "tools/embed.ts",
    flags: flagsOf(embedHelp()),
    works: ["--checkpoint", "good.safetensors", "--input", "scans", "--output", "out/features"],
    parse: parseEmbedArguments,
  },
  {
    name: "evaluate",
    script: "tools/evaluate.ts",
    flags: flagsOf(evaluateHelp()),
    works: ["--checkpoint", "good.safetensors", "--data", "data", "--labels", "100%"],
    parse: parseEvaluateArguments,
  },
  {
    name: "report",
    script: "tools/report.ts",
    flags: flagsOf(reportHelp()),
    works: ["runs/run", "--output", "out/page.html"],
    parse: parseReportArguments,
  },
  {
    name: "verify",
    script: "tools/verify.ts",
    flags: flagsOf(verifyHelp()),
    works: ["golden.safetensors"],
    parse: parseVerifyArguments,
  },
];

/** Files of the sandbox, what is not there, and names that try something. */
const PATHS = [
  ...["tiny.yaml", "bad.yaml", "good.safetensors", "cut.safetensors", "golden.safetensors"],
  ...["scans", "scans/room.ply", "scans/table.csv", "scans/broken.las", "data", "data/train"],
  ...["empty", "empty_folder", "circle", "circle/file", "runs", "runs/run", "out", "out/new"],
  ...["nowhere", "nowhere/file", "tiny.yaml/under", "null", "full", "zero", "full/under", "."],
  ...["..", "", " ", "-", "--", "\u001b[31mred", "a\nb", "\u009b2J", "\u202egnp.ply", "é 漢", "~"],
  ...["x".repeat(300), "y/".repeat(3000), "https://example.com/a.ply", "*.ply", "$HOME", "%s%n"],
];
const WORDS = [
  ...["all", "none", "auto", "both", "g2l", "l2g", "software", "gpu", "cpu", "test", "val"],
  ...[
    "held-out",
    "0.8,0.1,0.1",
    "1,1",
    "x,y,z",
    "x,y,z,_,intensity",
    ",",
    ";",
    "\\t",
    "10%",
    "5,5%",
  ],
  ...["safetensors", "npy", "linear", "untrained,raw", "yes", "last", "best", "epoch_0001"],
];
/** Flags that nobody has, or that end where they should not. */
const STRANGE = [
  ...["--", "-", "---", "--=", "--=3", "-x", "-hx", "--unknown", "--no-config", "--Config"],
  ...["--__proto__", "--constructor=1", "--config.x=1", "--\u001b[31m", "--seed.a", "--help=no"],
];

function pick<T>(random: Random, items: readonly T[]): T {
  return items[random.int(items.length)];
}

function value(random: Random): string {
  return [
    () => pick(random, PATHS),
    () => pick(random, PATHS),
    () => pick(random, WORDS),
    () => oddValue(random),
    () => String(random.int(5)),
    () => `${pick(random, CONFIG_KEY_NAMES)}=${oddValue(random)}`,
  ][random.int(6)]();
}

function piece(program: Program, random: Random): string[] {
  const flag = pick(random, program.flags.filter((name) => name !== "--help"));
  switch (random.int(8)) {
    case 0:
      return [flag];
    case 1:
      return [`${flag}=${value(random)}`];
    case 2:
      return [value(random)];
    case 3:
      return [pick(random, STRANGE)];
    case 4:
      return program.flags.includes("--set")
        ? ["--set", `${pick(random, CONFIG_KEY_NAMES)}=${value(random)}`]
        : [flag, value(random)];
    default:
      return [flag, value(random)];
  }
}

/** The arguments of trial `i`: what works, mostly, with up to five things more or less. */
export function commandLine(program: Program, random: Random): string[] {
  const args = random.int(5) > 0 ? [...program.works] : [];
  for (let n = random.int(1 + random.int(6)); n > 0; n--) {
    const at = random.int(3) > 0 ? args.length : random.int(args.length + 1);
    args.splice(at, 0, ...piece(program, random));
  }
  if (random.int(6) === 0) args.splice(random.int(args.length + 1), 1);
  if (random.int(30) === 0) args.push("--help");
  // The system takes no argument with a zero byte in it; and nothing is to be written into the root
  // folder.
  return args.map((each) => each.replaceAll("\0", "").replace(/(^|=)\/$/, "$1."));
}

/** The program and the arguments of trial `i`. */
export function commandOf(seed: number, i: number): { program: Program; args: string[] } {
  const random = new Random(seed, "commands", i);
  const program = pick(random, PROGRAMS);
  return { program, args: commandLine(program, random) };
}

/** Milliseconds in which arguments are understood. */
const PARSED_MS = 1000;

/** What the parsers make of a command line: arguments, or one message. */
export const argumentTrials: TrialMaker = (seed) =>
  Promise.resolve((i) => {
    const { program: { name, parse }, args } = commandOf(seed, i);
    const started = performance.now();
    let came = "understood", wrong: string | null = null;
    try {
      parse(args);
    } catch (error) {
      came = "refused";
      wrong = error instanceof UsageError ? messageProblem(error.message) : traced(error);
    }
    const took = performance.now() - started;
    if (took > PARSED_MS) wrong = `it took ${took.toFixed(0)} ms`;
    return Promise.resolve({
      came,
      wrong: wrong === null ? undefined : `${name} ${JSON.stringify(args)}: ${wrong}`,
    });
  });
