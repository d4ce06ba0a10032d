import { IDENTITY } from "./affine.ts";
import { isNumber, number, type Rule } from "./rule.ts";

const isLength = isNumber(0, Infinity);

/** See `Augmentation`. */
export const translate: Rule<"translate"> = {
  type: "translate",
  fields: {
    range: {
      fallback: 0.2,
      expected: "one number of metres or three, each at least 0",
      accepts: (value) =>
        isLength(value) || (Array.isArray(value) && value.length === 3 && value.every(isLength)),
    },
    p: number(0.95, 0, 1),
  },
  apply(view, { range }, random) {
    const lengths = typeof range === "number" ? [range, range, range] : range;
    const offset = lengths.map((length) => random.uniform(-length, length));
    view.transform([...IDENTITY.slice(0, 9), ...offset]);
  },
};
