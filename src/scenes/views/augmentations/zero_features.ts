import { number, type Rule } from "./rule.ts";

/** See `Augmentation`. */
export const zeroFeatures: Rule<"zero_features"> = {
  type: "zero_features",
  fields: {
    names: {
      fallback: null,
      expected: "a list of feature names, or null for all",
      accepts: (value) =>
        value === null ||
        (Array.isArray(value) && value.length > 0 &&
          value.every((name) => typeof name === "string")),
    },
    p: number(0.2, 0, 1),
  },
  needs({ featureColumns }, { names }) {
    return names?.find((name) => !featureColumns.some((one) => one.name === name));
  },
  apply({ scene, unmovedFeats: feats, width }, { names }) {
    const columns = scene.featureColumns.flatMap((column) => Array(column.width).fill(column.name));
    for (const [channel, name] of columns.entries()) {
      if (names !== null && !names.includes(name)) continue;
      for (let at = channel; at < feats.length; at += width) feats[at] = 0;
    }
  },
};
