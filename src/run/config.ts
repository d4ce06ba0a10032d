/**
 * The settings of a run: read from YAML, flags or objects, checked together, resolved, immutable:
 * docs/model.md, Configuration.
 */

import { augmentationProblems, parseAugmentation } from "../scenes/views/augmentation.ts";
import { UsageError } from "../base/errors.ts";
import {
  CONFIG_KEY_NAMES,
  CONFIG_KEYS,
  type ConfigGroup,
  type ConfigKey,
  type ConfigKeyName,
  type ConfigValues,
} from "./config_keys.ts";
import { acceptValue, describeAllowed, freeze } from "./config_values.ts";
import { type Problem, readSettings, readValue, type Setting, show } from "./config_yaml.ts";
import type { Backbone } from "../model/backbones/backbone.ts";
import { BACKBONES } from "../model/backbones/table.ts";
import { nearest } from "../base/nearest.ts";
import { probeProblems } from "./probe_config.ts";
import { spunetProblems } from "./spunet_config.ts";

export type { ConfigKeyName, ConfigValueOf, ConfigValues } from "./config_keys.ts";

/** A setting from the command line, which wins over the file. */
export interface ConfigOverride {
  /** A key's name, right or wrong. */
  readonly key: string;
  /** Literal for keys that hold text, else YAML: `3`, `true`, `[64, 128]`, `null`. */
  readonly text: string;
  /** What to call it in errors: "--epochs", "--set seed". */
  readonly where: string;
}

/** Where `TrainingConfig.fromYaml` and `fromObject` take more from. */
export interface ConfigSources {
  /** Names the text in errors; default "configuration". */
  readonly file?: string;
  /** Settings that win over the others. */
  readonly overrides?: readonly ConfigOverride[];
}

/** One property for each key of `CONFIG_KEYS`. */
export interface TrainingConfig extends ConfigValues {}

/**
 * All settings of a run, resolved: what was not set has its default, or small_mode's. One read-only
 * property for each key, under the key's own name.
 *
 * ```ts
 * import { TrainingConfig } from "@dbbd/dbbd";
 *
 * const config = TrainingConfig.fromObject({ small_mode: true, num_epochs: 3 });
 * console.log(config.hidden_dim); // 64
 * ```
 */
export class TrainingConfig {
  /** The keys that somebody set, as against those that took a default. */
  readonly explicit: ReadonlySet<ConfigKeyName>;

  private constructor(set: ReadonlyMap<ConfigKeyName, unknown>) {
    this.explicit = new Set(set.keys());
    const small = set.get("small_mode") === true;
    for (const name of CONFIG_KEY_NAMES) {
      Object.assign(this, { [name]: resolved(name, small, set) });
    }
    Object.freeze(this);
  }

  /** Every key at its default. */
  static defaults(): TrainingConfig {
    return new TrainingConfig(new Map());
  }

  /**
   * Reads a YAML text: one flat mapping. An empty text gives the defaults.
   *
   * @throws {UsageError} Lists everything that is wrong, each with file, line and column.
   */
  static fromYaml(text: string, sources: ConfigSources = {}): TrainingConfig {
    const problems: Problem[] = [];
    const settings = readSettings(text, sources.file ?? "configuration", problems);
    return TrainingConfig.#build(settings, sources.overrides ?? [], problems);
  }

  /**
   * Takes values from an object, such as `toObject` gave. A key that is undefined is not set.
   *
   * @throws {UsageError} Lists everything that is wrong.
   */
  static fromObject(values: Partial<ConfigValues>, sources: ConfigSources = {}): TrainingConfig {
    const where = sources.file ?? "configuration";
    const settings = Object.entries(values)
      .filter(([, value]) => value !== undefined)
      .map(([key, value]): Setting => ({ key, value, where, keyWhere: where }));
    return TrainingConfig.#build(settings, sources.overrides ?? [], []);
  }

  static #build(
    settings: readonly Setting[],
    overrides: readonly ConfigOverride[],
    problems: Problem[],
  ): TrainingConfig {
    const set = new Map<ConfigKeyName, unknown>();
    const places = new Map<ConfigKeyName, Setting>();
    const wrong = new Set<ConfigKeyName>();
    const take = (setting: Setting): void => {
      const { key: name, value, keyWhere, at } = setting;
      if (!isKeyName(name)) {
        // Looking for the key that was meant takes milliseconds; of a file of something else nobody
        // wants to know.
        const what = problems.length < MOST_SUGGESTIONS
          ? unknownKey(name)
          : `unknown key ${show(name)}`;
        problems.push({ where: keyWhere, what, at });
        return;
      }
      const accepted = acceptValue(CONFIG_KEYS[name], value);
      places.set(name, setting);
      if (accepted !== undefined) {
        set.set(name, accepted);
      } else {
        problems.push(...wrongValue(name, setting));
        wrong.add(name);
      }
    };
    settings.forEach(take);
    const givenBy = new Map<string, string>();
    for (const { key, text, where } of overrides) {
      const earlier = givenBy.get(key);
      givenBy.set(key, where);
      if (earlier !== undefined) {
        problems.push({ where, what: `${key} is set by ${earlier} already; keep one` });
        continue;
      }
      const before = problems.length;
      const value = overrideValue(key, text, where, problems);
      if (problems.length === before) take({ key, value, where, keyWhere: where });
    }
    const config = new TrainingConfig(set);
    checkTogether(config, places, wrong, problems);
    if (problems.length > 0) throw new UsageError(listProblems(problems));
    return config;
  }

  /** The values of all keys, for JSON. Loads back to the same configuration. */
  toObject(): ConfigValues {
    return Object.fromEntries(
      CONFIG_KEY_NAMES.map((name) => [name, this[name]]),
    ) as unknown as ConfigValues;
  }

  /**
   * The values of all keys as commented YAML. Loads back to the same configuration, here and in
   * PyYAML.
   */
  toYaml(): string {
    const lines: string[] = [];
    let group: ConfigGroup | undefined;
    for (const name of CONFIG_KEY_NAMES) {
      if (CONFIG_KEYS[name].group !== group) {
        group = CONFIG_KEYS[name].group;
        lines.push(`${lines.length > 0 ? "\n" : ""}# ${group}`);
      }
      lines.push(`${name}: ${yamlText(this[name])}`);
    }
    return lines.join("\n") + "\n";
  }
}

/** What a key is: what was set, with what was left out of the U-Net's sizes, or its default. */
function resolved(
  name: ConfigKeyName,
  small: boolean,
  set: ReadonlyMap<ConfigKeyName, unknown>,
): unknown {
  if (!set.has(name)) return unset(name, small, set);
  if (CONFIG_KEYS[name].type !== "spunet") return set.get(name);
  return freeze({ ...unset(name, small, set) as object, ...set.get(name) as object });
}

/** What a key is that nobody set. */
function unset(
  name: ConfigKeyName,
  small: boolean,
  set: ReadonlyMap<ConfigKeyName, unknown>,
): unknown {
  const key: ConfigKey = CONFIG_KEYS[name];
  // Whoever names their scenes wants to train on them, also in small_mode.
  const useSmall = small && "small" in key && !(name === "dataset" && set.has("data_root"));
  if (key.type === "augmentation") return freeze(parseAugmentation(key.default));
  return freeze(structuredClone(useSmall ? key.small : key.default));
}

function isKeyName(name: string): name is ConfigKeyName {
  return Object.hasOwn(CONFIG_KEYS, name);
}

function overrideValue(key: string, text: string, where: string, problems: Problem[]): unknown {
  const known: ConfigKey | undefined = isKeyName(key) ? CONFIG_KEYS[key] : undefined;
  if (known?.type === "text") return known.nullable && /^(null|~)$/.test(text) ? null : text;
  return known === undefined ? text : readValue(text, where, problems);
}

function unknownKey(name: string): string {
  return `unknown key ${show(name)}; did you mean ${nearest(name, CONFIG_KEY_NAMES)}?`;
}

function wrongValue(name: ConfigKeyName, setting: Setting): Problem[] {
  const { value, where, at, locate } = setting;
  if (name === "augmentation" || name === "probe" || name === "spunet") {
    const problemsOf = {
      augmentation: augmentationProblems,
      probe: probeProblems,
      spunet: spunetProblems,
    }[name];
    return problemsOf(value).map(({ path, message }) => ({
      where: locate?.(path) ?? where,
      what: [name, ...path].join(".") + `: ${message}`,
      at,
    }));
  }
  const prefix = where.endsWith(name) ? "" : `${name}: `; // "--seed" says it already
  const what = `expected ${describeAllowed(CONFIG_KEYS[name])}; found ${show(value)}`;
  return [{ where, what: prefix + what, at }];
}

function checkTogether(
  config: TrainingConfig,
  places: ReadonlyMap<ConfigKeyName, Setting>,
  wrong: ReadonlySet<ConfigKeyName>,
  problems: Problem[],
): void {
  const report = (names: readonly ConfigKeyName[], what: string): void => {
    // Said already; what stands there now is a default.
    if (names.some((name) => wrong.has(name))) return;
    const place = names.map((name) => places.get(name)).find((setting) => setting !== undefined);
    problems.push({ where: place?.where ?? "configuration", what, at: place?.at });
  };
  if (config.aggregator_mode === "attention" && config.output_dim % 4 !== 0) {
    report(
      ["output_dim", "aggregator_mode"],
      `output_dim: expected a multiple of 4 for the 4 heads of aggregator_mode attention; ` +
        `found ${config.output_dim}`,
    );
  }
  const backbone: Backbone = BACKBONES[config.backbone];
  for (const { keys, message } of backbone.problems?.(config) ?? []) {
    report(keys, message);
  }
  if (config.alpha === 0 && config.beta === 0) {
    report(["alpha", "beta"], "alpha and beta: expected at least one above 0; found 0 and 0");
  }
  if (config.points_per_view !== null && config.beta > 0) {
    report(
      ["points_per_view", "beta"],
      `points_per_view: views that draw their own points have none in common for the point loss; ` +
        `expected beta 0; found ${config.beta}`,
    );
  }
  if (config.dataset === "synthetic" && config.features.join() !== "normals") {
    report(
      ["features", "dataset"],
      `features: synthetic scenes offer normals alone; found ${show(config.features)}`,
    );
  }
  if (config.best_by === "probe" && config.probe === null) {
    report(
      ["best_by"],
      `best_by: probe needs a probe, such as {data: DIR, protocol: linear, every: 5}; found none`,
    );
  }
  if (config.run_name !== null && !/^(?!\.+$)[^/\\]+$/.test(config.run_name)) {
    report(
      ["run_name"],
      `run_name: expected the name of one folder, without slashes; found ${show(config.run_name)}`,
    );
  }
}

/**
 * Problems that a message lists, and unknown keys that it knows better ones for: beyond, a file is
 * no configuration.
 */
const MOST_PROBLEMS = 150, MOST_SUGGESTIONS = 40;

function listProblems(problems: readonly Problem[]): string {
  const inOrder = [...problems].sort((a, b) =>
    (a.at ?? Number.MAX_VALUE) - (b.at ?? Number.MAX_VALUE)
  );
  const lines = inOrder.slice(0, MOST_PROBLEMS).map(({ where, what }) => `  ${where}: ${what}`);
  if (inOrder.length > lines.length) {
    lines.push(`  … and ${inOrder.length - lines.length} more`);
  }
  const count = problems.length === 1 ? "1 problem" : `${problems.length} problems`;
  return `Cannot use this configuration: ${count}\n${lines.join("\n")}`;
}

function yamlText(value: unknown): string {
  if (typeof value === "number") {
    // PyYAML takes 1e-7 for text; with a point in it, it is a number to every reader.
    return String(value).replace(/^(-?\d+)e/, "$1.0e");
  }
  if (Array.isArray(value)) return `[${value.map(yamlText).join(", ")}]`;
  if (typeof value === "object" && value !== null) {
    const members = Object.entries(value).map(([key, member]) => `${key}: ${yamlText(member)}`);
    return `{${members.join(", ")}}`;
  }
  if (typeof value !== "string") return String(value);
  // Not the words that some YAML readers take for values.
  const plain = /^[A-Za-z][\w./-]*$/.test(value) &&
    !/^(true|false|yes|no|on|off|null|y|n)$/i.test(value);
  return plain ? value : JSON.stringify(value);
}
