/** The flags of `train.ts`: one table that parses them and prints their help. */

import { UsageError } from "../../base/errors.ts";
import type { ConfigOverride } from "../../run/config.ts";
import {
  CONFIG_KEY_NAMES,
  CONFIG_KEYS,
  type ConfigKey,
  type ConfigKeyName,
} from "../../run/config_keys.ts";
import { describeAllowed } from "../../run/config_values.ts";
import { nearest } from "../../base/nearest.ts";
import { type Flag, flagsHelp, isValue, scanFlags } from "../flags.ts";

/** What a command line asks for. */
export interface TrainArguments {
  /** Print the help and do nothing else. */
  readonly help: boolean;
  /** Print the version and do nothing else. */
  readonly version: boolean;
  /** The YAML file. */
  readonly config?: string;
  /** The checkpoint to go on from; true: the newest in checkpoint_dir. */
  readonly resume?: string | true;
  /** The file to take weights from. */
  readonly initFrom?: string;
  /**
   * What is set on the command line, for `TrainingConfig.fromYaml`, which also finds keys set
   * twice.
   */
  readonly overrides: readonly ConfigOverride[];
}

interface TrainFlag extends Flag {
  /** The key that it sets. */
  readonly key?: ConfigKeyName;
  /** To what, where it takes no value. */
  readonly sets?: string;
  /** What it means without a value, where it may stand without one. */
  readonly alone?: "true" | "newest";
}

const FLAGS: Readonly<Record<string, TrainFlag>> = {
  config: { value: "FILE", help: "YAML file of settings; without it every key has its default" },
  small_mode: {
    value: "[BOOL]",
    key: "small_mode",
    alone: "true",
    help: CONFIG_KEYS.small_mode.help,
  },
  data_root: { value: "DIR", key: "data_root", help: CONFIG_KEYS.data_root.help },
  epochs: { value: "N", key: "num_epochs", help: CONFIG_KEYS.num_epochs.help },
  device: { value: "DEVICE", key: "device", help: "auto, gpu (or cuda), software (or cpu)" },
  seed: { value: "N", key: "seed", help: "the number that all randomness follows from" },
  "no-tune": {
    key: "tune",
    sets: "false",
    help: "accepted for older commands' sake: kernels are no longer measured",
  },
  resume: {
    value: "[PATH]",
    alone: "newest",
    help: "go on from a checkpoint; without PATH from the newest in checkpoint_dir",
  },
  "init-from": { value: "PATH", help: "start from the weights in a safetensors file" },
  set: { value: "KEY=VALUE", repeatable: true, help: "set any key; may be given several times" },
  help: { help: "show this help (also -h)" },
  version: { help: "show the version" },
};

/**
 * Parses the arguments of `train.ts`. `--data_root` and `--data-root` are the same flag, and so are
 * `--seed 1` and `--seed=1`. With --help or --version nothing else is looked at.
 *
 * @throws {UsageError} Lists everything that is wrong.
 */
export function parseTrainArguments(args: readonly string[]): TrainArguments {
  const problems: string[] = [];
  const given = new Map<string, string[]>();
  for (const { argument, typed, name, value: text } of scanFlags(args, findFlag, takesNext)) {
    if (typed === undefined) {
      problems.push(unexpected(argument));
      continue;
    }
    if (name === undefined) {
      problems.push(`unknown flag --${typed}${suggestion(typed)}`);
      continue;
    }
    const flag = FLAGS[name];
    const value = text ?? (flag.alone === "true" ? "true" : undefined);
    if (flag.value === undefined && value !== undefined) {
      problems.push(`--${name} takes no value, got ${quote(value)}`);
    }
    if (flag.value !== undefined && (value === "" || (flag.alone === undefined && !value))) {
      // An empty text is a shell variable that is not set: it does not mean what the flag alone
      // means.
      const instead = flag.alone === "newest"
        ? ", or leave it out for the newest; got an empty text"
        : "";
      problems.push(`--${name} needs a value: --${name} ${flag.value}${instead}`);
      continue;
    }
    const values = given.get(name) ?? [];
    if (values.length > 0 && !flag.repeatable) problems.push(`--${name} is given twice; keep one`);
    given.set(name, [...values, value ?? ""]);
  }
  const help = given.has("help");
  const version = given.has("version");
  if (help || version) return { help, version, overrides: [] };

  if (given.has("resume") && given.has("init-from")) {
    problems.push("--resume and --init-from exclude each other; keep one");
  }
  const overrides = listOverrides(given, problems);
  if (problems.length > 0) {
    throw new UsageError(
      `Cannot understand the command line:\n${problems.map((line) => `  ${line}`).join("\n")}\n` +
        "--help lists all flags",
    );
  }
  const resume = given.get("resume")?.[0];
  return {
    help,
    version,
    config: given.get("config")?.[0],
    resume: resume === undefined ? undefined : resume || true,
    initFrom: given.get("init-from")?.[0],
    overrides,
  };
}

function listOverrides(
  given: ReadonlyMap<string, readonly string[]>,
  problems: string[],
): ConfigOverride[] {
  const overrides: ConfigOverride[] = [];
  for (const [name, values] of given) {
    const { key, sets } = FLAGS[name];
    if (key !== undefined) overrides.push({ key, text: sets ?? values[0], where: `--${name}` });
  }
  for (const setting of given.get("set") ?? []) {
    const at = setting.indexOf("=");
    const key = setting.slice(0, at).trim();
    if (at < 0 || key === "") {
      problems.push(`--set needs KEY=VALUE, such as --set batch_size=4; got ${quote(setting)}`);
    } else {
      overrides.push({ key, text: setting.slice(at + 1).trim(), where: `--set ${key}` });
    }
  }
  return overrides;
}

function findFlag(typed: string): string | undefined {
  const wanted = typed.replaceAll("-", "_");
  return Object.keys(FLAGS).find((name) => name.replaceAll("-", "_") === wanted);
}

/** Whether the next argument is this flag's value, also one of a flag that there is not. */
function takesNext(name: string | undefined, next: string): boolean {
  const flag = name === undefined ? undefined : FLAGS[name];
  if (flag?.alone === "true") return /^(true|false|yes|no|on|off)$/i.test(next);
  return (flag === undefined || flag.value !== undefined) && isValue(next);
}

function suggestion(typed: string): string {
  const key = typed.replaceAll("-", "_");
  if ((CONFIG_KEY_NAMES as readonly string[]).includes(key)) {
    return `; ${key} is a key of the configuration: --set ${key}=VALUE`;
  }
  return `; did you mean --${nearest(typed, Object.keys(FLAGS))}?`;
}

function unexpected(argument: string): string {
  if (/\.ya?ml$/i.test(argument)) {
    return `unexpected ${quote(argument)}; did you mean --config ${argument}?`;
  }
  if (argument.startsWith("-") && argument.length > 1) {
    const word = argument.replace(/^-/, "").replace(/=.*/s, "");
    return `unknown flag ${argument}${suggestion(word)}`;
  }
  if (/^\w+=/.test(argument)) {
    return `unexpected ${quote(argument)}; did you mean --set ${argument}?`;
  }
  return `unexpected ${quote(argument)}; every argument belongs to a flag`;
}

function quote(text: string): string {
  return JSON.stringify(text);
}

/** The text of --help: usage, flags, and every key of a configuration with its default. */
export function trainHelp(): string {
  return `Pre-train a point-cloud encoder.

  deno task train --config FILE [flags]

Flags (they win over the file; - and _ are the same in their names):
${flagsHelp(FLAGS, 23)}

Keys of a configuration, for the YAML file and for --set, with their defaults:
${configHelp()}

Examples:
  deno task train --config configs/debug_local.yaml
  deno task train --config configs/indoor_scenes.yaml --data_root scans --set batch_size=4
  deno task train --config configs/indoor_scenes.yaml --resume
`;
}

function configHelp(): string {
  const lines: string[] = [];
  let group = "";
  for (const name of CONFIG_KEY_NAMES) {
    const key: ConfigKey = CONFIG_KEYS[name];
    if (key.group !== group) {
      group = key.group;
      lines.push(`\n  ${group}`);
    }
    const own = `    ${name}: ${brief(key.default)}`;
    const small = "small" in key ? `small_mode: ${brief(key.small)}` : "";
    if (own.length + small.length > 118) lines.push(own, `      ${small}`);
    else lines.push(small ? `${own}; ${small}` : own);
    const allowed = `(${describeAllowed(key)})`;
    const wide = 9 + key.help.length + allowed.length > 120;
    lines.push(`        ${key.help}${wide ? "\n        " : " "}${allowed}`);
  }
  return lines.join("\n");
}

/** A value in a line; a long one without spaces in its lists. */
function brief(value: unknown): string {
  if (typeof value === "string") return value;
  const text = JSON.stringify(value).replaceAll('"', "");
  const comma = text.length > 80 ? /,(?=[a-z])/g : /,/g;
  return text.replace(comma, ", ").replaceAll(":", ": ");
}
