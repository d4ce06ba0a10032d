import { assert, assertEquals } from "@std/assert";
import { modelParameters } from "../../src/model/model.ts";
import { TrainingConfig } from "../../src/run/config.ts";
import {
  CONFIG_KEY_NAMES,
  CONFIG_KEYS,
  type ConfigKey,
  type ConfigKeyName,
} from "../../src/run/config_keys.ts";
import { acceptValue, describeAllowed } from "../../src/run/config_values.ts";

const keys = CONFIG_KEY_NAMES.map((name): [ConfigKeyName, ConfigKey] => [name, CONFIG_KEYS[name]]);

Deno.test("each key accepts its own defaults and says what it may hold", () => {
  for (const [name, key] of keys) {
    const defaults = "small" in key ? [key.default, key.small] : [key.default];
    for (const value of defaults) {
      const accepted = acceptValue(key, value);
      // Augmentations get their fields filled in.
      if (key.type === "augmentation") assert(accepted !== undefined, name);
      else assertEquals(accepted, value, name);
    }
    assertEquals(acceptValue(key, undefined), undefined, name);
    assert(key.help !== "" && describeAllowed(key) !== "", name);
  }
});

Deno.test("keys of a group stand together", () => {
  const headings = keys.map(([, { group }]) => group).filter((group, i, all) =>
    group !== all[i - 1]
  );
  assertEquals(headings, ["run", "data", "model", "loss", "optimisation"]);
});

/** Another value that a key may hold; undefined where none is easily made. */
function another(key: ConfigKey): unknown {
  if (key.type === "boolean") return !key.default;
  if (key.type === "integer") return (key.default ?? key.min) + 4;
  if (key.type === "number") return key.default / 2;
  if (key.type === "choice") return key.values.find((value) => value !== key.default);
  if (key.type === "integers") return [...key.default, 8];
}

Deno.test("a resume refuses what changes the model's parameters, and every key of the model", () => {
  const shapes = (values: Record<string, unknown>): string => {
    const specs = modelParameters(TrainingConfig.fromObject(values));
    return JSON.stringify(specs.map(({ name, shape }) => [name, shape]));
  };
  const before = shapes({ output_dim: 64 });
  for (const [name, key] of keys) {
    if (key.group === "model") assertEquals(key.resume, "fixed", name);
    const value = another(key);
    if (value === undefined || name === "points_per_view" || name === "best_by") continue;
    const width = value === "spunet" ? { hidden_dim: 64 } : {};
    const changes = shapes({ output_dim: 64, ...width, [name]: value }) !== before;
    if (changes && name !== "small_mode") assertEquals(key.resume, "fixed", name);
  }
});
