/** The command line of `evaluate`: one table gives the flags, their checks and the help. */

import { UsageError } from "../../base/errors.ts";
import { flagsHelp, type FlagTable, readFlags, wrongFlag } from "../flags.ts";
import {
  type Baseline,
  type EvaluateOptions,
  type Protocol,
  PROTOCOLS,
} from "../../evaluation/evaluate.ts";
import type { TestSplit } from "../../evaluation/sides.ts";
import type { Budget } from "../../evaluation/splits.ts";
import { ALL_FEATURES, parseFeatures } from "../../evaluation/vectors.ts";

/** What the command line asks for. */
export type EvaluateArguments = { readonly help: true } | {
  readonly help: false;
  readonly options: Omit<EvaluateOptions, "config">;
  /** The configuration's file. */
  readonly config?: string;
  /** Where the JSON goes; "-": standard output. */
  readonly json?: string;
  /** The table that a row is appended to. */
  readonly csv?: string;
};

const FLAGS: FlagTable = {
  checkpoint: { value: "PATH", help: "the trained encoder" },
  config: { value: "FILE", help: "its configuration, for a file of weights alone" },
  data: { value: "DIR", help: "prepared scenes with labels: DIR/train and a split to test on" },
  test: { value: "DIR", help: "test on the scenes of this folder instead" },
  split: {
    value: "SPLIT",
    help: "test on test, val, or held-out, a fifth of the training scenes (test)",
  },
  protocol: {
    value: "LIST",
    help: `out of ${PROTOCOLS.join(", ")}; all: what there are labels for (all)`,
  },
  features: {
    value: "LIST",
    help:
      "out of root, max, mean (scene vectors), g2l, l2g (directions); regions: points with the regions around (all)",
  },
  labels: {
    value: "LIST",
    help: "label budgets: 5% of each class, or 10 of each class (1%,5%,10%,20%,100%,10)",
  },
  compare: { value: "LIST", help: "out of untrained and raw, or none (untrained,raw)" },
  ignore: {
    value: "LIST",
    help: "point labels that count for nothing, besides negative ones (255)",
  },
  "train-points": {
    value: "N",
    help: "points that the point probe is fitted on, at most (100000)",
  },
  seed: { value: "N", help: "for splits, draws and intervals (42)" },
  json: { value: "FILE", help: "write everything as JSON; - for standard output" },
  csv: { value: "FILE", help: "append one row of numbers; a new file gets a header" },
  help: { help: "show this help (also -h)" },
};

/** The text of --help. */
export function evaluateHelp(): string {
  return `Say what the features of a trained encoder are worth.

  deno task evaluate --checkpoint PATH --data DIR [flags]

The encoder is frozen; simple classifiers learn on its features and are tested on scenes that they never saw. Beside it,
on the same splits: an untrained encoder (the same configuration and seed), and the raw inputs without an encoder.
Each gain comes with a 95 % interval of a paired bootstrap over the test scenes (few-shot: over the folds; points: over
test scenes, or their regions where there are fewer than ten).

  linear    scenes: multinomial logistic regression        svm      scenes: linear SVM, one against the rest
  knn       scenes: nearest neighbours by cosine           fewshot  scenes: N-way K-shot, 10 folds, linear SVM
  points    logistic regression per point: mean IoU, accuracies, IoU of each class

What has to be chosen (λ, k) is chosen inside the training scenes; the table says on what. To compare settings of the
training use --split val or --split held-out, and keep the test split for the end.

Flags (defaults in brackets):
${flagsHelp(FLAGS)}

Exit code 0; 1 when files or labels don't do; 2 for wrong usage.

Examples:
  deno task evaluate --checkpoint checkpoints/final.safetensors --data datasets/modelnet10
  deno task evaluate --checkpoint checkpoints/best.safetensors --data datasets/tiles --protocol points --json -
`;
}

/**
 * Parses the arguments.
 *
 * @throws {UsageError} Says what is wrong with the first flag that is.
 */
export function parseEvaluateArguments(args: readonly string[]): EvaluateArguments {
  const given = readFlags(args, FLAGS);
  if (given.has("help")) return { help: true };
  if (given.rest.length > 0) {
    throw new UsageError(`Unexpected argument ${given.rest[0]}; --help lists all flags`);
  }
  const { text, whole } = given;
  const required = (name: string, what: string): string => {
    const value = text(name);
    if (value !== undefined) return value;
    throw new UsageError(`Say ${what}: --${name} ${FLAGS[name].value}; --help lists all flags`);
  };
  const list = (name: string): string[] | undefined =>
    text(name)?.split(",").map((item) => item.trim()).filter((item) => item !== "");
  const choices = <T extends string>(name: string, allowed: readonly T[]): T[] | undefined => {
    const items = list(name);
    const bad = items?.find((item) => !(allowed as readonly string[]).includes(item));
    if (bad !== undefined || items?.length === 0) {
      throw wrongFlag(name, `a list out of ${allowed.join(", ")}`, bad ?? "nothing");
    }
    return items && allowed.filter((item) => items.includes(item));
  };
  const protocols = choices<Protocol | "all">("protocol", [...PROTOCOLS, "all"]);
  const compare = choices<Baseline | "none">("compare", ["untrained", "raw", "none"]);
  if (compare?.includes("none") && compare.length > 1) {
    throw wrongFlag("compare", "none alone, or a list out of untrained, raw", compare.join(","));
  }
  const split = given.choice<TestSplit>("split", ["test", "val", "held-out"], "test");
  const test = text("test");
  if (test !== undefined && text("split") !== undefined) {
    throw new UsageError("--test and --split exclude each other; keep one");
  }
  const features = text("features");
  return {
    help: false,
    options: {
      checkpoint: required("checkpoint", "which encoder"),
      data: required("data", "which scenes"),
      test,
      split,
      protocols: !protocols || protocols.includes("all") ? null : protocols as Protocol[],
      compare: compare?.includes("none") ? [] : compare as Baseline[] ?? ["untrained", "raw"],
      features: features === undefined ? ALL_FEATURES : parseFeatures(features),
      budgets: (list("labels") ?? ["1%", "5%", "10%", "20%", "100%", "10"]).map(parseBudget),
      ignore: (list("ignore") ?? ["255"]).map((item) => {
        if (!/^-?\d{1,9}$/.test(item)) throw wrongFlag("ignore", "a list of whole numbers", item);
        return Number(item);
      }),
      trainPoints: whole("train-points", 100_000, 100),
      seed: whole("seed", 42, 0),
    },
    config: text("config"),
    json: text("json"),
    csv: text("csv"),
  };
}

function parseBudget(item: string): Budget {
  const share = /^(\d+(?:\.\d+)?)\s*%$/.exec(item);
  if (share && Number(share[1]) > 0 && Number(share[1]) <= 100) {
    return { share: Number(share[1]) / 100 };
  }
  if (/^[1-9]\d{0,8}$/.test(item)) return { perClass: Number(item) };
  throw wrongFlag("labels", "shares such as 5% and numbers per class such as 10", item);
}
