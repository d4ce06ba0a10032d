/** What a key of a configuration may hold: in words, and as a check. */

import { augmentationProblems, parseAugmentation } from "../scenes/views/augmentation.ts";
import { type ConfigKey, MANY } from "./keys/key.ts";
import { spunetProblems } from "./spunet_config.ts";
import { completeProbe, probeProblems } from "./probe_config.ts";

/** What a key may hold, in words: "an integer of at least 1, or null". */
export function describeAllowed(key: ConfigKey): string {
  switch (key.type) {
    case "boolean":
      return "true or false";
    case "integer":
      return `an integer ${range(key.min, key.max)}${key.nullable ? ", or null" : ""}`;
    case "number":
      return key.above !== undefined
        ? `a number above ${key.above}`
        : `a number of at least ${key.min}`;
    case "choice": {
      const aliases = Object.entries(key.aliases ?? {}).filter(([, value]) =>
        value !== "on" && value !== "off"
      );
      const also = aliases.map(([alias, value]) => `${alias} = ${value}`).join(", ");
      return (key.values.length > 1 ? `one of ${key.values.join(", ")}` : key.values[0]) +
        (also ? ` (${also})` : "");
    }
    case "text":
      return `text that is not empty${key.nullable ? ", or null" : ""}`;
    case "integers":
      return `a list of integers ${range(key.min, key.max)}, such as [${key.default.join(", ")}]`;
    case "names":
      return "different names, such as [normals, colors]";
    case "augmentation":
      return "a list of augmentations";
    case "spunet":
      return "a mapping {voxel_size: METRES, base_channels: N, channels: [N, …], layers: [N, …]}";
    case "probe":
      return "a mapping {data: DIR, protocol: linear, svm, knn or points, every: EPOCHS}, or null";
  }
}

function range(min: number, max: number): string {
  return max === MANY ? `of at least ${min}` : `from ${min} to ${max}`;
}

/**
 * Checks a plain value (as YAML or JSON gives it) against a key.
 *
 * @returns The value as the configuration holds it, or undefined where it is not allowed.
 */
export function acceptValue(key: ConfigKey, value: unknown): unknown {
  if (value === null) return "nullable" in key && key.nullable ? null : undefined;
  switch (key.type) {
    case "boolean":
      if (typeof value === "boolean") return value;
      // PyYAML, for which existing files were written, reads these words as booleans; YAML 1.2 as
      // text.
      if (typeof value !== "string") return undefined;
      if (/^(yes|Yes|YES|on|On|ON)$/.test(value)) return true;
      return /^(no|No|NO|off|Off|OFF)$/.test(value) ? false : undefined;
    case "integer":
      return isInteger(value, key.min, key.max) ? value : undefined;
    case "number": {
      if (typeof value !== "number" || !Number.isFinite(value)) return undefined;
      return key.above !== undefined && value <= key.above || value < (key.min ?? -Infinity)
        ? undefined
        : value + 0; // -0 becomes 0
    }
    case "choice": {
      if (typeof value !== "string" && typeof value !== "boolean") return undefined;
      const word = String(value); // of YAML's booleans too: `fused: true`
      if (key.values.includes(word)) return word;
      return Object.hasOwn(key.aliases ?? {}, word) ? key.aliases![word] : undefined;
    }
    case "text":
      return typeof value === "string" && value.trim() !== "" && !value.includes("\0")
        ? value
        : undefined;
    case "integers":
      return Array.isArray(value) && value.length > 0 && value.length <= 64 &&
          value.every((item) => isInteger(item, key.min, key.max))
        ? freeze([...value])
        : undefined;
    case "names":
      return Array.isArray(value) && value.length > 0 && new Set(value).size === value.length &&
          value.every((item) => typeof item === "string" && item.trim() !== "")
        ? freeze([...value])
        : undefined;
    case "augmentation":
      return augmentationProblems(value).length === 0
        ? freeze(parseAugmentation(value))
        : undefined;
    case "spunet":
      return spunetProblems(value).length === 0 ? freeze(structuredClone(value)) : undefined;
    case "probe":
      return probeProblems(value).length === 0 ? freeze(completeProbe(value)) : undefined;
  }
}

function isInteger(value: unknown, min: number, max: number): boolean {
  return Number.isInteger(value) && (value as number) >= min && (value as number) <= max;
}

/** Makes a value that nobody else holds unchangeable, all the way down. */
export function freeze<T>(value: T): T {
  if (typeof value === "object" && value !== null) Object.values(value).forEach(freeze);
  return Object.freeze(value);
}
